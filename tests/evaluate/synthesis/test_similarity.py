"""PSNR, SSIM, NMSE and MAE mean what their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from medmae.evaluate.synthesis.similarity import DEFINITIONS, METRICS, blockiness, similarity, ssim_map, stripe_ratio


def volumes(*shape, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    target = rng.random(shape)
    return target + noise * rng.normal(size=shape), target


def test_an_exact_copy_scores_the_cap_one_and_zero_in_both_definitions():
    _, target = volumes(3, 12, 10)
    for definition in DEFINITIONS:
        scores = similarity(target, target, definition=definition)
        assert scores == {"psnr": 100.0, "ssim": pytest.approx(1.0), "nmse": 0.0, "mae": 0.0}


def test_a_constant_error_has_the_figures_one_computes_by_hand():
    target = np.full((2, 8, 8), 0.5)
    scores = similarity(target + 0.1, target)
    assert scores["psnr"] == pytest.approx(20.0)
    assert scores["mae"] == pytest.approx(0.1)
    assert scores["nmse"] == pytest.approx(0.04)


def test_only_voxels_inside_the_mask_count():
    prediction, target = volumes(3, 16, 16)
    mask = np.zeros(target.shape, dtype=bool)
    mask[1, 4:12, 4:12] = True
    inside = similarity(prediction, target, mask=mask)
    assert inside["mae"] == pytest.approx(np.abs(prediction - target)[mask].mean())
    assert inside["ssim"] == pytest.approx(ssim_map(prediction, target)[mask].mean())
    elsewhere = np.where(mask, prediction, 7.0)
    assert similarity(elsewhere, target, mask=mask)["psnr"] == inside["psnr"]


def test_ssim_without_a_mask_is_scikit_image_s_mean_over_slices():
    prediction, target = volumes(4, 20, 14)
    theirs = [structural_similarity(a, b, data_range=1.0) for a, b in zip(prediction, target, strict=True)]
    assert similarity(prediction, target)["ssim"] == pytest.approx(np.mean(theirs))


def test_a_map_that_is_handed_in_is_not_computed_again(monkeypatch):
    prediction, target = volumes(2, 9, 9)
    quality = ssim_map(prediction, target)
    expected = similarity(prediction, target)
    monkeypatch.setattr("medmae.evaluate.synthesis.similarity.ssim_map", None)
    assert similarity(prediction, target, quality=quality) == expected


def test_an_empty_mask_gives_no_figure_rather_than_a_good_one():
    prediction, target = volumes(2, 9, 9)
    scores = similarity(prediction, target, mask=np.zeros(target.shape, dtype=bool))
    assert all(math.isnan(scores[name]) for name in METRICS)


def test_an_empty_target_has_no_standard_nmse_and_a_reference_nmse_of_zero():
    prediction, target = np.full((1, 8, 8), 0.1), np.zeros((1, 8, 8))
    assert math.isnan(similarity(prediction, target)["nmse"])
    assert similarity(prediction, target, definition="reference")["nmse"] == 0.0


def test_pooled_and_slice_wise_psnr_differ_where_slices_do():
    target = np.full((2, 8, 8), 0.5)
    prediction = target + np.array([0.1, 0.01])[:, None, None]
    assert similarity(prediction, target, definition="reference")["psnr"] == pytest.approx(30.0)
    assert similarity(prediction, target)["psnr"] == pytest.approx(-10 * math.log10((0.01 + 0.0001) / 2))


def test_float32_is_as_good_as_float64():
    prediction, target = volumes(2, 32, 32)
    exact = similarity(prediction, target)
    single = similarity(prediction.astype(np.float32), target.astype(np.float32))
    assert all(single[name] == pytest.approx(exact[name], abs=1e-5) for name in METRICS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"definition": "usual"}, "'standard' or 'reference', got 'usual'"),
        ({"mask": np.ones((2, 9, 9), dtype=bool), "definition": "reference"}, "knows no mask"),
        ({"mask": np.ones((9, 9), dtype=bool)}, "one shape"),
    ],
)
def test_what_has_no_meaning_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        similarity(*volumes(2, 9, 9), **options)


def test_a_slice_smaller_than_the_window_is_refused():
    with pytest.raises(ValueError, match=r"at least 7 x 7.*\(2, 6, 9\)"):
        similarity(*volumes(2, 6, 9))


def test_stripes_raise_the_ratio_and_a_blur_lowers_it():
    ramp = np.linspace(0, 1, 10)[:, None, None] * np.ones((10, 8, 8))
    inside = np.ones(ramp.shape, dtype=bool)
    striped = ramp + 0.2 * (np.arange(10) % 2)[:, None, None]
    assert stripe_ratio(ramp, ramp, mask=inside) == pytest.approx(1.0)
    assert stripe_ratio(striped, ramp, mask=inside) > 1.5
    assert stripe_ratio(0.5 * ramp, ramp, mask=inside) == pytest.approx(0.5)


def test_stripes_outside_the_mask_do_not_count():
    real = np.random.default_rng(0).random((6, 8, 8))
    inside = np.zeros(real.shape, dtype=bool)
    inside[:, :4] = True
    striped = np.where(inside, real, np.arange(6)[:, None, None] % 2)
    assert stripe_ratio(striped, real, mask=inside) == pytest.approx(1.0)
    assert math.isnan(stripe_ratio(striped, real, mask=np.zeros_like(inside)))


def test_blockiness_is_the_jump_across_borders_over_that_elsewhere_in_units_of_the_real_one():
    ramp = np.add.outer(np.arange(8.0), np.arange(8.0))[None] + 1  # every jump is 1
    steps = ramp + 2 * (np.add.outer(np.arange(8) // 4, np.arange(8) // 4)[None])  # 3 where a patch ends
    assert blockiness(ramp, ramp, patch=4) == pytest.approx(1.0)
    assert blockiness(steps, ramp, patch=4) == pytest.approx(3.0)
    assert blockiness(steps, steps, patch=4) == pytest.approx(1.0)
    assert blockiness(steps, ramp, patch=2) < 2  # a grid of another patch is not looked for
    assert math.isnan(blockiness(ramp, ramp, patch=8))


def test_jumps_into_the_background_do_not_count_as_blocks():
    real = np.add.outer(np.arange(8.0), np.arange(8.0))[None] + 1
    real[:, 4:] = 0
    made = np.where(real > 0, real, -50)
    assert blockiness(made, real, patch=4) == pytest.approx(1.0)
