"""Tubes: one draw of places a sample, the same at all times."""

from __future__ import annotations

import pytest
import torch

from medmae.masking.tube import TubeMasking

GRID = (8, 14, 14)  # of a clip of 16 x 224 x 224 in cubes of 2 x 16 x 16


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("ratio", "visible", "masked"), [(0.75, 392, 1176), (0.9, 160, 1408), (0.95, 80, 1488)])
def test_the_published_ratios_leave_the_published_counts(ratio, visible, masked):
    mask = TubeMasking(grid=GRID, ratio=ratio).sample(3, generator=seeded())
    assert (mask.num_visible, mask.num_masked, mask.num_tokens) == (visible, masked, 1568)


def test_a_place_is_hidden_at_all_times_or_never_and_samples_differ():
    table = TubeMasking(grid=GRID, ratio=0.9).sample(2, generator=seeded()).as_bool().reshape(2, 8, 196)
    assert torch.equal(table, table[:, :1].expand_as(table))
    assert not torch.equal(table[0], table[1])


def test_tokens_are_listed_in_raster_order():
    mask = TubeMasking(grid=(2, 3, 4), ratio=0.5).sample(2, generator=seeded())
    assert (mask.visible.diff(dim=1) > 0).all()
    assert (mask.masked.diff(dim=1) > 0).all()


def test_places_with_the_smallest_noise_stay_visible():
    noise = torch.tensor([[0.9, 0.1, 0.2, 0.8]])
    mask = TubeMasking(grid=(3, 2, 2), ratio=0.5).sample(1, noise=noise)
    assert mask.visible.tolist() == [[1, 2, 5, 6, 9, 10]]


def test_every_place_is_hidden_as_often_as_any_other():
    table = TubeMasking(grid=(1, 4, 4), ratio=0.75).sample(4000, generator=seeded()).as_bool()
    assert (table.float().mean(dim=0) - 0.75).abs().max() < 0.03


def test_a_ratio_that_hides_nothing_is_refused():
    with pytest.raises(ValueError, match=r"a mask ratio of 0\.01 leaves 16 of 16 tokens visible"):
        TubeMasking(grid=(2, 4, 4), ratio=0.01)


def test_a_grid_without_places_is_refused():
    with pytest.raises(ValueError, match="need a grid of time and at least one more axis"):
        TubeMasking(grid=(8,))
