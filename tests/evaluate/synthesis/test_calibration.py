"""From a spread to the error one must expect."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.evaluate.synthesis.calibration import (
    ABSOLUTE_OF_SIGMA,
    NOMINAL_COVERAGE,
    Calibration,
    coverage,
    evaluate_calibration,
    expected_calibration_error,
    fit_calibration,
    reliability,
)


def voxels(*, seed=0, factor=3.0, count=40_000):
    """A spread that understates a normal error by ``factor``."""
    rng = np.random.default_rng(seed)
    std = rng.uniform(0.01, 0.1, count)
    return std, np.abs(rng.normal(0, factor * std))


def test_the_map_finds_how_much_the_spread_understates():
    calibration = fit_calibration(*voxels())
    std = np.array([0.03, 0.05, 0.08])
    assert calibration.sigma(std) == pytest.approx(3 * std, rel=0.1)


def test_the_map_never_falls_even_if_the_errors_do():
    std = np.linspace(0, 1, 5000)
    calibration = fit_calibration(std, 1 - std)
    assert np.all(np.diff(calibration(np.linspace(0, 1, 50))) >= 0)
    assert calibration(std).mean() == pytest.approx(0.5, abs=0.01)


def test_beyond_the_fitted_range_the_map_stays_level():
    calibration = fit_calibration(*voxels())
    assert calibration(np.array([5.0])) == calibration.error[-1]
    assert calibration(np.array([0.0])) == calibration.error[0]


def test_a_spread_that_is_the_same_everywhere_gives_the_mean_error():
    error = np.random.default_rng(0).random(1000)
    calibration = fit_calibration(np.zeros(1000), error)
    assert calibration(np.array([0.0, 0.5])) == pytest.approx(error.mean())


def test_other_subjects_are_better_calibrated_and_covered_after_than_before():
    calibration = fit_calibration(*voxels())
    std, error = ({case: voxels(seed=i + 1)[part] for i, case in enumerate("ab")} for part in (0, 1))
    scores = evaluate_calibration(calibration, std=std, error=error)
    for case in "ab":
        before, after = (scores[when]["calibration_error"][case] for when in ("before", "after"))
        assert after < 0.1 * before
        assert scores["before"]["coverage"][case] < 0.6
        assert scores["after"]["coverage"][case] == pytest.approx(NOMINAL_COVERAGE, abs=0.01)


def test_a_kept_promise_lies_on_the_diagonal_and_has_no_calibration_error():
    expected = np.repeat([0.1, 0.2, 0.4], 100)
    curve = reliability(expected, expected)
    assert curve["expected"] == pytest.approx(curve["observed"])
    assert sum(curve["share"]) == pytest.approx(1.0)
    assert expected_calibration_error(expected, expected) == pytest.approx(0.0)


def test_the_calibration_error_is_the_mean_distance_from_the_diagonal():
    expected = np.repeat([0.1, 0.2], [300, 100])
    observed = expected + np.repeat([0.04, 0.0], [300, 100])
    assert expected_calibration_error(expected, observed) == pytest.approx(0.03)


def test_coverage_counts_what_lies_within_two_sigma():
    error = np.array([0.1, 0.2, 0.3, 0.1])
    assert coverage(error, np.full(4, 0.1)) == 0.75
    assert coverage(error, np.full(4, 0.1), width=3.0) == 1.0


def test_a_spread_is_taken_as_it_comes_before_calibration():
    std, error = {"a": np.full(100, 0.1)}, {"a": np.full(100, 0.1 * ABSOLUTE_OF_SIGMA)}
    scores = evaluate_calibration(Calibration(std=(0.1,), error=(0.5,)), std=std, error=error)
    assert scores["before"]["calibration_error"]["a"] == pytest.approx(0.0)
    assert scores["after"]["calibration_error"]["a"] == pytest.approx(0.5 - 0.1 * ABSOLUTE_OF_SIGMA)


def test_a_map_survives_json():
    calibration = fit_calibration(*voxels(count=500))
    assert Calibration.from_dict(calibration.as_dict()) == calibration


@pytest.mark.parametrize("shapes", [((0,), (0,)), ((3,), (4,)), ((2, 2), (2, 2))])
def test_arrays_that_do_not_belong_together_are_refused(shapes):
    with pytest.raises(ValueError, match="as many spreads as errors"):
        fit_calibration(*(np.ones(shape) for shape in shapes))
