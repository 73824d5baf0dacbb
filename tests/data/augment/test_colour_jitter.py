"""Changes of colour, each sample its own."""

from __future__ import annotations

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.testing import assert_close
from torchvision.transforms.v2 import functional as F

from medmae.data.augment.colour_jitter import ColourJitter, ColourJitterParams, gaussian_blur

OFF = {"jitter": 0, "grey": 0, "blur": 0}
PLAIN = {"saturation": 0, "hue": 0, "grey": 0}  # what takes any number of channels


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images():
    return torch.rand(8, 3, 12, 10, generator=seeded(3))


def only(kind, factor, *, count):
    """Parameters that change one thing by one factor."""
    factors = torch.tensor([1.0, 1.0, 1.0, 0.0]).repeat(count, 1)
    factors[:, kind] = factor
    order = torch.arange(4).repeat(count, 1)
    return ColourJitterParams(order=order, factors=factors, grey=torch.zeros(count) > 0, sigma=torch.zeros(count))


@pytest.mark.parametrize(
    ("kind", "factor", "theirs"),
    [
        (0, 0.7, F.adjust_brightness),
        (0, 1.4, F.adjust_brightness),
        (1, 0.6, F.adjust_contrast),
        (1, 1.4, F.adjust_contrast),
        (2, 0.6, F.adjust_saturation),
        (2, 1.4, F.adjust_saturation),
        (3, -0.1, F.adjust_hue),
        (3, 0.07, F.adjust_hue),
    ],
)
def test_each_change_is_torchvision_s(images, kind, factor, theirs):
    ours = ColourJitter().apply(images, only(kind, factor, count=8))
    assert not torch.allclose(ours, images, atol=1e-2)
    assert_close(ours, theirs(images, factor), atol=1e-4, rtol=0)


def test_changes_come_in_the_order_drawn(images):
    params = only(0, 1.4, count=8)
    params.factors[:, 1] = 0.6
    params.order[4:] = torch.tensor([1, 0, 2, 3])
    ours = ColourJitter().apply(images, params)
    first = F.adjust_contrast(F.adjust_brightness(images[:4], 1.4), 0.6)
    last = F.adjust_brightness(F.adjust_contrast(images[4:], 0.6), 1.4)
    assert_close(ours, torch.cat([first, last]), atol=1e-4, rtol=0)


def test_grey_is_that_of_rgb_and_not_of_bgr():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    grey = ColourJitter(jitter=0, grey=1, blur=0)(red, generator=seeded())
    assert_close(grey, torch.full((1, 3, 4, 4), 0.299))


@pytest.mark.parametrize("shape", [(2, 1, 40), (2, 3, 20, 30), (2, 2, 9, 20, 12)])
def test_blur_is_scipy_s_on_any_number_of_axes(shape):
    data, sigma = torch.rand(shape, generator=seeded()), torch.tensor([0.4, 1.7])
    blurred = gaussian_blur(data, sigma, largest=2.0)
    for sample, width, ours in zip(data, sigma.tolist(), blurred, strict=True):
        axes = tuple(range(1, len(shape) - 1))
        theirs = gaussian_filter(sample.double().numpy(), width, mode="nearest", axes=axes, radius=4)
        assert_close(ours.double(), torch.from_numpy(theirs), atol=1e-5, rtol=0)


def test_chances_and_ranges_are_the_published_ones():
    params = ColourJitter().draw(4000, generator=seeded())
    still = torch.tensor([1.0, 1.0, 1.0, 0.0])
    changed = (params.factors != still).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert params.grey.float().mean().item() == pytest.approx(0.2, abs=0.02)
    blurred = params.sigma[params.sigma > 0]
    assert len(blurred) / 4000 == pytest.approx(0.5, abs=0.03)
    assert 0.1 <= blurred.min() < 0.11 < 1.99 < blurred.max() <= 2.0
    reach = (params.factors - still).abs().amax(dim=0)
    assert reach.tolist() == pytest.approx([0.4, 0.4, 0.4, 0.1], rel=0.01)
    assert len(params.order.unique(dim=0)) == 24


def test_without_chances_nothing_changes_and_nothing_is_written_on(images):
    before = images.clone()
    out = ColourJitter(**OFF)(images, generator=seeded())
    assert_close(out, images, atol=1e-5, rtol=0)
    out.zero_()
    ColourJitter()(images, generator=seeded())
    assert torch.equal(images, before)


def test_values_stay_in_0_to_1_and_the_generator_decides(images):
    first, again, other = (ColourJitter(jitter=1)(images, generator=seeded(seed)) for seed in (1, 1, 2))
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("shape", [(4, 1, 8, 8), (4, 5, 8, 8), (4, 3, 6, 8, 8)])
def test_what_is_not_rgb_takes_brightness_contrast_and_blur_and_refuses_colour(shape):
    data = torch.rand(shape, generator=seeded())
    out = ColourJitter(jitter=1, blur=1, **PLAIN)(data, generator=seeded())
    assert out.shape == data.shape
    assert not torch.allclose(out, data, atol=1e-3)
    with pytest.raises(ValueError, match="set saturation=0, hue=0 and grey=0"):
        ColourJitter()(data, generator=seeded())


def test_contrast_of_what_is_not_rgb_is_about_its_mean():
    data = torch.rand(3, 1, 6, 5, 4, generator=seeded()) * 0.2 + 0.4
    ours = ColourJitter(**PLAIN).apply(data, only(1, 1.3, count=3))
    mean = data.mean(dim=(1, 2, 3, 4), keepdim=True)
    assert_close(ours, mean + 1.3 * (data - mean))


@pytest.mark.parametrize("wrong", [{"blur": 1.1}, {"hue": 0.6}, {"sigma": (0.0, 2.0)}, {"sigma": (2.0, 1.0)}])
def test_figures_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        ColourJitter(**wrong)
