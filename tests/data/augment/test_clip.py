"""Augmentation of clips: one draw for all frames."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from medmae.data.augment.clip import ClipAugment


def still(channels=3, frames=4, size=(32, 40)):
    """A clip whose frames are equal, so that whatever differs between them was added."""
    picture = np.random.default_rng(0).integers(0, 256, (channels, 1, *size), dtype=np.uint8)
    return torch.from_numpy(picture).expand(channels, frames, *size).contiguous()


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("channels", [1, 3])
def test_rand_augment_changes_all_frames_of_a_clip_alike(channels):
    clip, changed = still(channels), 0
    augment = ClipAugment(operations=4, magnitude=7)
    for seed in range(20):
        out = augment(clip, rng(seed))
        assert out.shape == clip.shape
        assert out.dtype == torch.uint8
        assert (out == out[:, :1]).all()
        changed += not torch.equal(out, clip)
    assert changed > 12


def test_what_is_drawn_depends_on_the_generator_alone_and_leaves_the_global_ones():
    augment = ClipAugment(flip=0.5, operations=2, erase=0.5)
    random.seed(3)
    first, state = augment(still(), rng(5)), random.random()
    random.seed(3)
    assert random.random() == state
    np.random.seed(9)
    assert torch.equal(augment(still(), rng(5)), first)
    assert not all(torch.equal(augment(still(), rng(seed)), first) for seed in range(6, 12))


def test_nothing_is_changed_unless_asked_for():
    assert torch.equal(ClipAugment()(still(), rng()), still())


def test_a_flip_mirrors_left_and_right():
    assert torch.equal(ClipAugment(flip=1.0)(still(), rng()), still().flip(-1))


def test_a_box_is_erased_in_all_frames_at_one_place_and_the_rest_stays():
    clip = torch.zeros(1, 4, 32, 40, dtype=torch.uint8)
    out = ClipAugment(erase=1.0)(clip, rng())
    noisy = (out != 0).any(dim=0).float().mean(dim=0)  # (H, W): share of frames
    rows, columns = noisy.any(dim=1).nonzero(), noisy.any(dim=0).nonzero()
    box = out[:, :, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (box != 0).float().mean() > 0.95
    assert 0.01 < box[0, 0].numel() / (32 * 40) < 0.4
    assert (out != 0).sum() == (box != 0).sum()


@pytest.mark.parametrize("options", [{"flip": 1.5}, {"erase": -0.1}, {"operations": -1}, {"magnitude": 11.0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="must"):
        ClipAugment(**options)
