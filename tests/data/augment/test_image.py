"""Augmentation of whole batches of images."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from medmae.data.augment.colour_jitter import ColourJitter
from medmae.data.augment.image import BatchImageAugment, ImageAugment

GREY = ColourJitter(saturation=0, hue=0, grey=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("colours", [None, GREY])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_batches_of_any_channels_keep_values_and_get_the_size(channels, colours):
    augment = ImageAugment(size=(20, 28), colours=colours)
    out = augment(torch.rand(6, channels, 32, 40, generator=seeded()), generator=seeded())
    assert out.shape == (6, channels, 20, 28)
    assert 0 <= out.min() <= out.max() <= 1


def test_bytes_and_floats_give_the_same_to_a_level():
    coarse = torch.rand(4, 3, 4, 4, generator=seeded()) * 255  # of noise, bytes are cut off between two passes
    images = F.interpolate(coarse, size=24, mode="bilinear").round().to(torch.uint8)
    augment = ImageAugment(size=16)
    first, second = augment(images, generator=seeded()), augment(images / 255, generator=seeded())
    assert first.dtype == torch.float32
    torch.testing.assert_close(first, second, atol=1.6 / 255, rtol=0)


def test_the_generator_decides_everything_and_torch_s_own_is_left_alone():
    augment, images = ImageAugment(size=16, colours=ColourJitter()), torch.rand(8, 3, 24, 24)
    before, copy = torch.get_rng_state(), images.clone()
    assert torch.equal(augment(images, generator=seeded()), augment(images, generator=seeded()))
    assert not torch.equal(augment(images, generator=seeded()), augment(images, generator=seeded(1)))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(images, copy)


def test_colours_change_only_where_they_are_asked_to():
    images = torch.full((50, 1, 8, 8), 0.5)
    whole = {"size": 8, "scale": (1.0, 1.0), "ratio": (1.0, 1.0), "flip": 0.0}
    assert torch.allclose(ImageAugment(**whole)(images, generator=seeded()), images)
    means = ImageAugment(**whole, colours=GREY)(images, generator=seeded()).mean((1, 2, 3))
    assert 0.3 - 1e-4 <= means.min() < 0.4
    assert 0.6 < means.max() <= 0.7 + 1e-4


def test_a_batch_keeps_what_is_no_image():
    batch = {"image": torch.rand(4, 1, 12, 12), "label": torch.arange(4)}
    augment = ImageAugment(size=8)
    out = BatchImageAugment(image=augment)(batch, generator=seeded())
    assert torch.equal(out["image"], augment(batch["image"], generator=seeded()))
    assert out["label"] is batch["label"]


def test_impossible_settings_are_refused():
    for options in ({"scale": (0.5, 0.2)}, {"flip": 2.0}, {"mode": "nearest"}, {"size": 0}):
        with pytest.raises(ValueError, match="must"):
            ImageAugment(**options)
