"""Flips, turns, brightness and contrast of volumes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.data.augment.volume import VolumeAugment

STILL = {"flip": (0.0, 0.0, 0.0), "rotate": False}
PLAIN = {"brightness": (1.0,), "contrast": (1.0,)}


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _volumes(*shape):
    return torch.rand(shape, generator=_generator(7))


def test_shape_and_range_hold_and_the_input_is_left_alone():
    for shape in ((4, 1, 8, 16, 16), (2, 2, 4, 6, 10)):
        volumes = _volumes(*shape)
        before = volumes.clone()
        out = VolumeAugment()(volumes, generator=_generator())
        assert out.shape == volumes.shape
        assert 0 <= out.min() <= out.max() <= 1
        assert torch.equal(volumes, before)


def test_the_same_generator_gives_the_same_volumes():
    volumes, augment = _volumes(4, 1, 8, 16, 16), VolumeAugment()
    assert torch.equal(augment(volumes, generator=_generator(1)), augment(volumes, generator=_generator(1)))
    assert not torch.equal(augment(volumes, generator=_generator(1)), augment(volumes, generator=_generator(2)))


def test_flips_on_each_axis_and_turns_in_the_plane_are_those_of_numpy():
    augment = VolumeAugment(**PLAIN)
    volumes = _volumes(24, 1, 4, 6, 6)
    params = augment.draw(volumes.shape, generator=_generator())
    out = augment.apply(volumes, params)
    assert len({tuple(row) for row in params.flips.tolist()}) == 8
    for index, (mirrored, turns) in enumerate(zip(params.flips.tolist(), params.turns.tolist(), strict=True)):
        want = np.flip(volumes[index, 0].numpy(), axis=[axis for axis, yes in enumerate(mirrored) if yes])
        np.testing.assert_allclose(out[index, 0].numpy(), np.rot90(want, turns, axes=(1, 2)), atol=1e-6)


def test_a_plane_that_is_not_square_turns_by_halves_only():
    params = VolumeAugment().draw((100, 1, 4, 6, 8), generator=_generator())
    assert set(params.turns.tolist()) == {0, 2}


def test_brightness_scales_and_contrast_keeps_the_mean():
    volumes = _volumes(2, 1, 8, 16, 16)
    darker = VolumeAugment(**STILL, brightness=(0.8,), contrast=(1.0,))(volumes)
    torch.testing.assert_close(darker, volumes * 0.8)
    flatter = VolumeAugment(**STILL, brightness=(1.0,), contrast=(0.5,))(volumes)
    torch.testing.assert_close(flatter.mean(), volumes.mean())
    torch.testing.assert_close(flatter.std(), volumes.std() / 2)


def test_nothing_changes_with_everything_switched_off():
    volumes = _volumes(2, 1, 4, 8, 8)
    torch.testing.assert_close(VolumeAugment(**STILL, **PLAIN)(volumes), volumes)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"flip": (0.5, 0.5)}, "each of the axes"),
        ({"flip": (0.5, 2.0, 0.5)}, r"flip\[1\]"),
        ({"brightness": ()}, "brightness"),
    ],
)
def test_figures_out_of_range_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        VolumeAugment(**bad)


def test_images_are_sent_to_the_other_class():
    with pytest.raises(ValueError, match="images are for MRPretrainAugment"):
        VolumeAugment()(torch.rand(2, 1, 8, 8))
