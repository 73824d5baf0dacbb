"""The recipe of Edge-MAE's pre-training: its figures, its order, PIL's arithmetic."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from medmae.data.augment.mr_slice import MRPretrainAugment

STILL = {"flip": 0.0, "rotate": False, "noise": 0.0, "salt_and_pepper": 0.0}
PLAIN = {"brightness": (1.0,), "contrast": (1.0,), "sharpness": (1.0,)}


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


def _images(*shape, seed=0):
    return torch.rand(shape, generator=_generator(seed))


def _levels(*shape, seed=0):
    """Images that 8 bits hold without loss: something smooth with structure and grain."""
    grid = torch.linspace(0, 6, shape[-1])
    wave = (
        110
        + 80 * torch.sin(grid)[None, :] * torch.cos(grid)[:, None]
        + 20 * torch.randn(shape, generator=_generator(seed))
    )
    return wave.round().clamp(0, 255) / 255


def _pil(image, *, brightness, contrast, sharpness):
    picture = Image.fromarray((image.numpy() * 255).round().astype(np.uint8))
    picture = ImageEnhance.Brightness(picture).enhance(brightness)
    picture = ImageEnhance.Contrast(picture).enhance(contrast)
    return np.asarray(ImageEnhance.Sharpness(picture).enhance(sharpness)).astype(float)


def test_shape_and_range_hold_and_the_input_is_left_alone():
    for shape in ((6, 1, 64, 64), (3, 2, 40, 56), (1, 1, 2, 2)):
        images = _images(*shape)
        before = images.clone()
        out = MRPretrainAugment(noise=1, salt_and_pepper=1)(images, generator=_generator())
        assert out.shape == images.shape
        assert out.dtype == torch.float32
        assert 0 <= out.min() <= out.max() <= 1
        assert torch.equal(images, before)


def test_the_same_generator_gives_the_same_images_and_another_seed_others():
    images, augment = _images(8, 1, 32, 32), MRPretrainAugment()
    first = augment(images, generator=_generator(1))
    torch.manual_seed(99)  # no hidden use of the global generator
    assert torch.equal(first, augment(images, generator=_generator(1)))
    assert not torch.equal(first, augment(images, generator=_generator(2)))


def test_applying_the_same_parameters_twice_gives_the_same_images():
    images, augment = _images(8, 1, 32, 32), MRPretrainAugment(noise=1, salt_and_pepper=1)
    params = augment.draw(images.shape, generator=_generator())
    assert torch.equal(augment.apply(images, params), augment.apply(images, params))


def test_the_drawn_shares_are_those_of_the_paper():
    n = 24_000
    params = MRPretrainAugment().draw((n, 1, 2, 2), generator=_generator())
    assert params.flips.float().mean(dim=0) == pytest.approx([1 / 3, 1 / 3], abs=0.01)
    assert not params.flips.all(dim=1).any()
    assert torch.bincount(params.turns) / n == pytest.approx([1 / 4] * 4, abs=0.01)
    assert len(params.noisy) / n == pytest.approx(1 / 4, abs=0.01)
    assert len(params.specked) / n == pytest.approx(1 / 4, abs=0.01)
    for drawn, count, last in ((params.brightness, 5, 1.2), (params.contrast, 5, 1.2), (params.sharpness, 31, 3.0)):
        values, times = drawn.unique(return_counts=True)
        assert len(values) == count
        assert values[-1] == pytest.approx(last)
        assert times / n == pytest.approx([1 / count] * count, abs=0.01)
    both = len(np.intersect1d(params.noisy, params.specked)) / n
    assert both == pytest.approx(1 / 16, abs=0.01)  # drawn apart


def test_noise_has_the_stated_mean_and_deviation():
    params = MRPretrainAugment(noise=1).draw((20, 1, 128, 128), generator=_generator())
    assert params.noise.mean() == pytest.approx(0.002, rel=0.02)
    assert params.noise.std() == pytest.approx(0.002, rel=0.02)


def test_salt_and_pepper_change_exactly_the_stated_number_of_pixels():
    augment = MRPretrainAugment(**(STILL | {"salt_and_pepper": 1.0}), **PLAIN)
    out = augment(torch.full((20, 1, 256, 256), 100 / 255), generator=_generator()).mul(255).round()
    assert ((out != 100).sum(dim=(1, 2, 3)) == int(0.0015 * 256 * 256)).all()
    white, black = (out == 255).sum(), (out == 0).sum()
    assert white + black == 20 * 98
    assert 0.45 < white / (white + black) < 0.55


def test_noise_beyond_the_range_is_clipped_and_does_not_wrap_around():
    augment = MRPretrainAugment(**(STILL | {"noise": 1.0, "noise_std": 0.05}), **PLAIN)
    white = augment(torch.ones(4, 1, 64, 64), generator=_generator())
    black = augment(torch.zeros(4, 1, 64, 64), generator=_generator())
    assert white.min() > 0.7  # 1.008 * 255 as uint8 would be 1
    assert black.max() < 0.3  # -0.004 * 255 would be 255


def test_with_everything_switched_off_8_bit_images_come_back_unchanged():
    images = (torch.arange(256).float() / 255).reshape(1, 1, 16, 16)
    torch.testing.assert_close(MRPretrainAugment(**STILL, **PLAIN)(images), images, atol=1e-7, rtol=0)


def test_values_come_out_in_whole_grey_levels():
    out = MRPretrainAugment()(_images(8, 1, 32, 32), generator=_generator()) * 255
    torch.testing.assert_close(out, out.round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["brightness", "contrast", "sharpness"])
def test_each_step_agrees_with_pil_to_a_grey_level(name):
    augment = MRPretrainAugment(**STILL)
    factors = [0.8, 0.9, 1.1, 1.2] if name != "sharpness" else [0.0, 0.3, 1.0, 1.7, 3.0]
    images = _levels(len(factors), 1, 64, 64)
    one = torch.ones(len(factors))
    params = replace(
        augment.draw(images.shape, generator=_generator()),
        **({"brightness": one, "contrast": one, "sharpness": one} | {name: torch.tensor(factors)}),
    )
    ours = augment.apply(images, params) * 255
    for sample, image, factor in zip(ours, images, factors, strict=True):
        theirs = _pil(image[0], **({"brightness": 1.0, "contrast": 1.0, "sharpness": 1.0} | {name: factor}))
        assert np.abs(sample[0].numpy() - theirs).max() <= 1.01


def test_the_chain_of_all_steps_agrees_with_pil_to_two_grey_levels():
    augment = MRPretrainAugment(**STILL)
    images = _levels(30, 1, 64, 64, seed=3)
    params = augment.draw(images.shape, generator=_generator(5))
    ours = augment.apply(images, params) * 255
    for index in range(len(images)):
        enhance = {name: float(getattr(params, name)[index]) for name in ("brightness", "contrast", "sharpness")}
        difference = np.abs(ours[index, 0].numpy() - _pil(images[index, 0], **enhance))
        assert difference.max() <= 2.01
        assert difference.mean() < 0.05


def test_flips_and_turns_are_those_of_numpy():
    augment = MRPretrainAugment(**(STILL | {"flip": 1.0, "rotate": True}), **PLAIN)
    images = _levels(32, 2, 16, 16)
    params = augment.draw(images.shape, generator=_generator())
    out = augment.apply(images, params)
    for index, (mirror, turns) in enumerate(zip(params.flips.tolist(), params.turns.tolist(), strict=True)):
        want = images[index].numpy()
        want = want[:, ::-1] if mirror[0] else want[:, :, ::-1]
        want = np.rot90(want, turns, axes=(1, 2))
        np.testing.assert_allclose(out[index].numpy(), want, atol=1e-6)


def test_images_that_are_not_square_turn_by_halves_only():
    params = MRPretrainAugment().draw((200, 1, 8, 12), generator=_generator())
    assert set(params.turns.tolist()) == {0, 2}


def test_channels_are_brightened_by_one_factor_but_contrasted_around_their_own_means():
    images = torch.cat([torch.full((1, 1, 8, 8), 0.2), torch.full((1, 1, 8, 8), 0.6)], dim=1)  # flat: contrast is idle
    out = MRPretrainAugment(**STILL, **(PLAIN | {"contrast": (0.8,)}))(images)
    torch.testing.assert_close(out, images)
    bright = MRPretrainAugment(**STILL, **(PLAIN | {"brightness": (0.5,)}))(images)
    torch.testing.assert_close(bright, images / 2, atol=1 / 255, rtol=0)


def test_all_randomness_is_in_the_parameters():
    assert {field.name for field in fields(MRPretrainAugment().draw((2, 1, 8, 8)))} == {
        *("flips", "turns", "noisy", "noise", "specked", "specks", "salt", "brightness", "contrast", "sharpness")
    }


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"flip": 1.5}, r"flip must lie in \[0, 1\], got 1.5"),
        ({"salt_and_pepper_fraction": -0.1}, "salt_and_pepper_fraction"),
        ({"noise_std": -1}, "noise_std must not be negative, got -1"),
        ({"contrast": ()}, "contrast must be a list of factors"),
        ({"sharpness": (-1.0,)}, "sharpness must be a list of factors"),
    ],
)
def test_figures_out_of_range_are_refused(bad, match):
    with pytest.raises(ValueError, match=match):
        MRPretrainAugment(**bad)


def test_volumes_are_sent_to_the_other_class():
    with pytest.raises(ValueError, match="volumes are for VolumeAugment"):
        MRPretrainAugment()(torch.rand(2, 1, 4, 8, 8))
