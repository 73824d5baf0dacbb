"""From the spread of a network's guesses to the error that one must expect.

The spread ``std`` of test-time augmentation says where a network is unsure, but not by how much it errs. A monotone
map, fitted on validation subjects and tested on others, turns it into the expected absolute error. Pure functions over
arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

# Of a normal error, the mean absolute value is this share of the standard deviation.
ABSOLUTE_OF_SIGMA = math.sqrt(2 / math.pi)
NOMINAL_COVERAGE = 0.9545  # of a normal error within two standard deviations
_FIT_BINS, _SHOWN_BINS = 100, 12


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A map that never falls: std -> expected absolute error.

    Attributes:
        std: Ascending knots.
        error: The expected absolute error at each; between knots it is linear, beyond them constant.
    """

    std: tuple[float, ...]
    error: tuple[float, ...]

    def __call__(self, std: np.ndarray) -> np.ndarray:
        """Expected absolute error of each voxel, float64 of the shape given."""
        return np.interp(std, self.std, self.error)

    def sigma(self, std: np.ndarray) -> np.ndarray:
        """Standard deviation of the normal error that has this expected absolute value."""
        return self(std) / ABSOLUTE_OF_SIGMA

    def as_dict(self) -> dict[str, list[float]]:
        """For JSON."""
        return {"std": list(self.std), "error": list(self.error)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`as_dict`."""
        return cls(std=tuple(values["std"]), error=tuple(values["error"]))


def fit_calibration(std: np.ndarray, error: np.ndarray) -> Calibration:
    """Fits the map by isotonic regression on 100 bins of equally many voxels.

    Args:
        std: ``(N,)`` not negative.
        error: ``(N,)`` absolute errors of the same voxels.

    Raises:
        ValueError: If there is no voxel, or the numbers differ.
    """
    _check(std, error)
    x, y, counts = _binned(std, error, bins=_FIT_BINS)
    fitted = IsotonicRegression().fit_transform(x, y, sample_weight=counts)
    return Calibration(std=tuple(x.tolist()), error=tuple(fitted.tolist()))


def reliability(expected: np.ndarray, error: np.ndarray, *, bins: int = _SHOWN_BINS) -> dict[str, list[float]]:
    """Expected and observed error in bins of equally many voxels: on the diagonal where the promise is kept.

    Args:
        expected: ``(N,)`` absolute error that was promised.
        error: ``(N,)`` absolute error that came.
        bins: At most so many.

    Returns:
        ``expected``, ``observed`` and ``share`` (of the voxels) of each bin, ascending.
    """
    _check(expected, error)
    x, y, counts = _binned(expected, error, bins=bins)
    return {"expected": x.tolist(), "observed": y.tolist(), "share": (counts / counts.sum()).tolist()}


def expected_calibration_error(expected: np.ndarray, error: np.ndarray) -> float:
    """Mean over voxels of |observed - expected| of their bin, in units of intensity."""
    curve = reliability(expected, error, bins=_FIT_BINS)
    gaps = np.abs(np.subtract(curve["observed"], curve["expected"]))
    return float(np.average(gaps, weights=curve["share"]))


def coverage(error: np.ndarray, sigma: np.ndarray, *, width: float = 2.0) -> float:
    """Share of voxels whose real value lies within ``width`` sigma of the guess; 95.45 % for two of a normal error."""
    _check(sigma, error)
    return float(np.mean(error <= width * sigma))


def evaluate_calibration(
    calibration: Calibration, *, std: Mapping[str, np.ndarray], error: Mapping[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """How well the spread tells the error, as it comes and calibrated, on subjects that did not fit the map.

    As it comes, ``std`` is taken for the standard deviation of a normal error.

    Args:
        calibration: Fitted on others.
        std: ``(N,)`` by case.
        error: ``(N,)`` by case.

    Returns:
        ``before`` and ``after``: ``curve`` (:func:`reliability` over the voxels of all cases), and by case
        ``calibration_error`` and ``coverage``.
    """
    promised = {
        "before": {case: ABSOLUTE_OF_SIGMA * values for case, values in std.items()},
        "after": {case: calibration(values) for case, values in std.items()},
    }
    return {
        name: {
            "curve": reliability(_joined(expected.values()), _joined(error[case] for case in expected)),
            "calibration_error": {case: expected_calibration_error(e, error[case]) for case, e in expected.items()},
            "coverage": {case: coverage(error[case], e / ABSOLUTE_OF_SIGMA) for case, e in expected.items()},
        }
        for name, expected in promised.items()
    }


def _binned(x: np.ndarray, y: np.ndarray, *, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of x and y and the number of members in bins of equally many values; equal values share a bin."""
    edges = np.quantile(x, np.linspace(0, 1, bins + 1))
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, bins - 1)
    counts = np.bincount(place)
    filled = counts > 0
    means = [np.bincount(place, weights=values)[filled] / counts[filled] for values in (x, y)]
    return means[0], means[1], counts[filled]


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts))


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"need as many spreads as errors, (N,) with N > 0, got shapes {a.shape} and {b.shape}")
