"""Frames hide as many patches each, by draws of their own; a clip's mask taken apart and put together."""

from __future__ import annotations

import pytest
import torch

from medmae.masking import Mask
from medmae.masking.base import gather_tokens
from medmae.masking.frames import FrameMasking, frame_by_frame
from medmae.masking.tube import TubeMasking


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_of_196_patches_68_stay_in_each_frame_and_frames_differ():
    mask = FrameMasking(grid=(4, 14, 14), ratio=0.65).sample(3, generator=seeded())
    table = mask.as_bool().unflatten(1, (4, 196))
    assert (table.logical_not().sum(dim=2) == 68).all()
    assert len({tuple(frame.tolist()) for frame in table.flatten(0, 1)}) == 12


def test_patches_that_are_no_real_ones_are_neither_seen_nor_found():
    real = torch.ones(2, 2 * 16, dtype=torch.bool)
    real[1, 16:20] = False  # of one frame of one sample
    mask = FrameMasking(grid=(2, 4, 4), ratio=0.5).sample(2, generator=seeded(), real=real)
    assert (mask.num_visible, mask.num_masked, mask.skipped) == (12, 12, 8)
    table = torch.zeros(2, 32, dtype=torch.bool).scatter(1, torch.cat([mask.visible, mask.masked], dim=1), True)
    assert not (table & ~real).any()
    assert (table.unflatten(1, (2, 16)).sum(dim=2) == 12).all()


def test_what_is_found_frame_by_frame_goes_back_to_the_order_of_the_mask():
    mask = FrameMasking(grid=(3, 2, 2), ratio=0.5).sample(2, generator=seeded())
    single, order = frame_by_frame(mask, num_frames=3)
    assert single.visible.shape == single.masked.shape == (6, 2)
    number = torch.arange(3).repeat(2)[:, None] * 4  # of each frame's first patch
    found = (single.masked + number).unflatten(0, (2, 3)).flatten(1)
    assert torch.equal(gather_tokens(found[..., None], order)[..., 0], mask.masked)
    assert torch.equal((single.visible + number).unflatten(0, (2, 3)).flatten(1), mask.visible.sort(dim=1).values)


@pytest.mark.parametrize(
    "mask",
    [
        Mask(torch.tensor([[0, 1, 2, 4]]), torch.tensor([[3, 5, 6, 7]]), 8),
        Mask(torch.tensor([[0, 1, 4]]), torch.tensor([[2, 3, 5, 6, 7]]), 8),
        Mask.from_bool(torch.tensor([[True] * 2 + [False] * 2] * 2), replaced=True),
    ],
)
def test_frames_that_hide_different_numbers_and_masks_that_replace_are_refused(mask):
    with pytest.raises(ValueError, match="as many tokens"):
        frame_by_frame(mask, num_frames=2)


def test_tubes_are_a_mask_of_frames_too():
    single, _ = frame_by_frame(TubeMasking(grid=(2, 2, 2), ratio=0.5).sample(1, generator=seeded()), num_frames=2)
    assert torch.equal(*single.visible)


def test_a_grid_without_places_is_refused():
    with pytest.raises(ValueError, match="frames need a grid of time"):
        FrameMasking(grid=(4,), ratio=0.5)
