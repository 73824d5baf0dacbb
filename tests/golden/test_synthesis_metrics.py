"""The metrics of the published MT-Net evaluation, and the usual ones, on the reference's own picture."""

from __future__ import annotations

import pytest

from medmae.evaluate.synthesis.similarity import similarity

CLOSE = {"abs": 1e-5, "rel": 0}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("mt_unet")


@pytest.mark.parametrize("sample", [0, 1])
@pytest.mark.parametrize(
    ("definition", "metric", "theirs"),
    [
        ("reference", "psnr", "psnr"),
        ("reference", "ssim", "ssim_range2_ref"),
        ("reference", "nmse", "nmse_ref_spectral"),
        ("standard", "psnr", "psnr"),
        ("standard", "ssim", "ssim_range1"),
        ("standard", "nmse", "nmse_standard"),
    ],
)
def test_every_metric_is_the_reference_s_for_each_sample(reference, sample, definition, metric, theirs):
    prediction, target = (reference[name][sample].numpy() for name in ("out.pred", "in.target"))  # (1, H, W)
    found = similarity(prediction, target, definition=definition)[metric]
    assert found == pytest.approx(float(reference[f"out.metric_{theirs}"][sample]), **CLOSE)


def test_the_two_definitions_differ_as_the_reference_documents(reference):
    prediction, target = (reference[name][0].numpy() for name in ("out.pred", "in.target"))
    theirs, usual = (similarity(prediction, target, definition=name) for name in ("reference", "standard"))
    assert (round(theirs["nmse"], 4), round(usual["nmse"], 4)) == (1.0859, 1.2278)
    assert (round(theirs["ssim"], 4), round(usual["ssim"], 4)) == (0.0202, 0.0023)


def test_a_batch_is_the_mean_of_its_slices_and_a_batch_of_one_keeps_its_axes(reference):
    prediction, target = (reference[name].numpy() for name in ("out.pred", "in.target"))  # (2, 1, H, W)
    batch = similarity(prediction, target, definition="reference")
    ones = [similarity(prediction[i : i + 1], target[i : i + 1], definition="reference") for i in range(2)]
    for metric, value in batch.items():
        assert value == pytest.approx((ones[0][metric] + ones[1][metric]) / 2)
