"""Patch regression and its normalised targets."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.objectives.cube import CubeNorm
from medmae.objectives.pixel import TargetNorm, masked_mse

NORMS = {
    "mae": TargetNorm(),
    "bootmae": TargetNorm(per_channel=True, unbiased=False, eps=1e-5),
    "videomae": CubeNorm(),
}


@pytest.fixture
def rows():
    return torch.rand(2, 5, 16 * 3, generator=torch.Generator().manual_seed(0)) * 4 + 1


def test_mae_normalises_jointly_over_channels_with_unbiased_variance(rows):
    mean, variance = rows.mean(dim=2, keepdim=True), rows.var(dim=2, keepdim=True, unbiased=True)
    assert_close(TargetNorm()(rows, channels=3), (rows - mean) / (variance + 1e-6).sqrt())


def test_bootmae_normalises_each_channel_with_biased_variance(rows):
    pixels = rows.reshape(2, 5, 16, 3)
    mean, variance = pixels.mean(dim=2, keepdim=True), pixels.var(dim=2, keepdim=True, unbiased=False)
    wanted = ((pixels - mean) / (variance + 1e-5).sqrt()).reshape(rows.shape)
    assert_close(NORMS["bootmae"](rows, channels=3), wanted)


def test_videomae_adds_epsilon_outside_the_root():
    rows = 1e-6 * torch.rand(1, 1, 48, generator=torch.Generator().manual_seed(0))  # deviation about epsilon
    pixels = rows.reshape(1, 1, 16, 3)
    wanted = (pixels - pixels.mean(dim=2, keepdim=True)) / (pixels.std(dim=2, keepdim=True) + 1e-6)
    assert_close(NORMS["videomae"](rows, channels=3), wanted.reshape(rows.shape))


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_the_inverse_undoes_it(rows, norm):
    statistics = norm.statistics(rows, channels=3)
    assert_close(norm.invert(norm(rows, channels=3), *statistics, channels=3), rows)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
@pytest.mark.parametrize("level", [0.0, 0.3, 1e4])
def test_constant_patches_become_finite_and_small(norm, level):
    normalised = norm(torch.full((2, 3, 192), level), channels=3)
    assert normalised.isfinite().all()
    assert normalised.abs().max() <= 1


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_a_patch_that_is_not_a_number_spoils_no_other(rows, norm):
    spoilt = rows.clone()
    spoilt[0, 2, 7] = float("nan")
    clean, other = norm(rows, channels=3), norm(spoilt, channels=3)
    others = torch.ones(2, 5, dtype=torch.bool)
    others[0, 2] = False
    assert torch.equal(other[others], clean[others])


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS)
def test_brightness_and_contrast_of_a_patch_do_not_matter(rows, norm):
    assert_close(norm(3 * rows + 2, channels=3), norm(rows, channels=3), atol=1e-4, rtol=1e-4)


def test_a_perfect_prediction_costs_nothing(rows):
    assert masked_mse(rows, rows) == 0
    assert masked_mse(rows, rows, weight=torch.ones(2, 5)) == 0


def test_the_loss_is_the_mean_over_tokens_of_the_mean_over_values():
    prediction, target = torch.zeros(1, 2, 4), torch.tensor([[[1.0] * 4, [2.0] * 4]])
    assert masked_mse(prediction, target) == pytest.approx(2.5)


def test_weights_multiply_errors_and_leave_the_divisor():
    prediction, target = torch.zeros(1, 2, 4), torch.tensor([[[1.0] * 4, [2.0] * 4]])
    assert masked_mse(prediction, target, weight=torch.tensor([[2.0, 0.5]])) == pytest.approx((2 * 1 + 0.5 * 4) / 2)


def test_weights_of_one_change_nothing(rows):
    target = rows.flip(1)
    assert_close(masked_mse(rows, target, weight=torch.ones(2, 5)), masked_mse(rows, target))


@pytest.mark.parametrize("level", [0.3, 200 / 255, 1234.5])
@pytest.mark.parametrize("count", [512, 768, 100])
def test_a_constant_cube_is_nothing_but_zeros(level, count):
    """Were the mean off by its rounding, so would be all values, and their deviation no more than that."""
    assert not CubeNorm()(torch.full((1, 2, 3 * count), level), channels=3).any()


def test_a_cube_that_hardly_changes_keeps_its_deviation():
    noise = torch.randn(1, 4, 512 * 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    faint = (1000 + 1e-2 * noise).float()
    _, deviation = CubeNorm().statistics(faint, channels=3)
    assert_close(deviation.double(), faint.double().unflatten(2, (-1, 3)).std(dim=2) + 1e-6, rtol=1e-4, atol=0)
