"""The smoothed target."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch.testing import assert_close

from medmae.objectives.smoothing import GaussianSmoothing


def test_the_kernel_adds_up_to_one_and_is_the_published_one():
    kernel = torch.tensor(GaussianSmoothing().kernel)
    assert kernel.shape == (9,)
    assert torch.outer(kernel, kernel).sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.outer(kernel, kernel)[4, 4].item() == pytest.approx(0.15916, abs=1e-5)


def test_a_constant_image_stays_constant_but_for_a_border_that_zeros_darken():
    smooth = GaussianSmoothing()(torch.ones(1, 1, 20, 24))
    assert_close(smooth[..., 4:-4, 4:-4], torch.ones(1, 1, 12, 16))
    inner = torch.zeros(20, 24, dtype=torch.bool)
    inner[4:-4, 4:-4] = True
    assert (smooth[0, 0][~inner] < 1 - 1e-5).all()


@pytest.mark.parametrize("size", [(30,), (12, 17), (9, 10, 11)], ids=["signal", "image", "volume"])
def test_it_is_scipy_s_filter_cut_off_at_four_deviations_along_every_axis(size):
    data = torch.rand(2, 3, *size)
    smooth = GaussianSmoothing()(data)
    for sample, channel in np.ndindex(2, 3):
        theirs = gaussian_filter(data[sample, channel].numpy(), sigma=1, mode="constant", truncate=4)
        assert_close(smooth[sample, channel], torch.from_numpy(theirs), atol=1e-6, rtol=1e-5)


def test_a_target_has_no_gradient_and_full_precision():
    smooth = GaussianSmoothing()(torch.rand(1, 1, 16, 16, dtype=torch.float64, requires_grad=True))
    assert not smooth.requires_grad
    assert smooth.dtype == torch.float32


@pytest.mark.parametrize(("size", "sigma"), [(8, 1.0), (0, 1.0), (9, 0.0)])
def test_a_kernel_without_a_centre_or_a_width_is_refused(size, sigma):
    with pytest.raises(ValueError, match="an odd size and a sigma above 0"):
        GaussianSmoothing(size=size, sigma=sigma)
