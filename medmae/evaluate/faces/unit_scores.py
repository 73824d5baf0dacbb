"""How action units are scored: F1 in two conventions, areas, accuracy; and agreement of intensities.

Whatever nobody coded (NaN) enters no figure of its unit. Predictions are shares whose threshold is one half: those of
other thresholds are brought there before (:func:`at_half`), which changes no area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmae.evaluate.classify.classification_scores import weighted_areas
from medmae.evaluate.classify.task import Question, Row

_TINY = 1e-20  # in denominators, as ME-GraphAU has it: a unit without positives gets 0


@dataclass(frozen=True, kw_only=True)
class UnitScores(Question):
    """Of targets ``(N, K)``, 0, 1 or NaN, and shares ``(N, K)``.

    Args:
        names: Of units.
    """

    names: Sequence[str]

    kind, item = "action units", "share of units right"

    @property
    def definitions(self) -> Mapping[str, str]:
        """Means over units, and F1 and area of each."""
        return {
            "f1": "mean over units of F1 at the threshold, of hits, false alarms and misses of all frames together; a "
            "unit that nobody shows counts 0 (the convention of ME-GraphAU)",
            "f1_shown": "the same over those units alone that somebody shows (the other convention)",
            "auroc": "mean over units that some frames show and others do not, of the area under the ROC curve",
            "accuracy": "mean over units of the share of frames that are right",
            **{f"f1_{name}": f"F1 of {name}" for name in self.names},
            **{f"auroc_{name}": f"area of {name}" for name in self.names},
        }

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Question`."""
        coded = np.isfinite(targets)  # (N, K)
        there, called = (targets == 1) & coded, (predictions >= 0.5) & coded
        parts = (there & called, there, called, (there == called) & coded, coded)
        hits, shown, named, right, all_ = (weights @ part.astype(np.float64) for part in parts)  # (R, K)
        f1 = 2 * hits / np.maximum(shown + named, _TINY)
        with np.errstate(invalid="ignore", divide="ignore"):
            areas = np.stack(
                [_area(targets[:, k], predictions[:, k], weights) for k in range(targets.shape[1])], axis=1
            )
            found = {
                "f1": f1.mean(axis=1),
                "f1_shown": _mean_of(f1, there.any(axis=0) & (shown > 0)),
                "auroc": _mean_of(areas, np.isfinite(areas)),
                "accuracy": _mean_of(right / all_, all_ > 0),
            }
        found |= {f"f1_{name}": f1[:, place] for place, name in enumerate(self.names)}
        return found | {f"auroc_{name}": areas[:, place] for place, name in enumerate(self.names)}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Share of a frame's coded units that are right."""
        coded = np.isfinite(targets)
        right = ((predictions >= 0.5) == (targets == 1)) & coded
        return right.sum(axis=1) / np.maximum(coded.sum(axis=1), 1)

    def extras(self, targets: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
        """Which units nobody shows, or nobody coded."""
        coded, there = np.isfinite(targets).any(axis=0), (targets == 1).any(axis=0)
        named = list(zip(self.names, coded, there, strict=True))
        return {
            "nobody_shows": [name for name, own, shown in named if own and not shown],
            "nobody_coded": [name for name, own, _ in named if not own],
        }

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Whether each unit is active, as coded, and its share."""
        coded = {name: "" if np.isnan(own) else int(own) for name, own in zip(self.names, target, strict=True)}
        return coded | {f"p_{name}": float(share) for name, share in zip(self.names, prediction, strict=True)}

    def about(self) -> dict[str, Any]:
        """Units, too."""
        return {**super().about(), "units": list(self.names)}


@dataclass(frozen=True, kw_only=True)
class IntensityScores(Question):
    """Of targets and predictions ``(N, K)`` from 0 to 5; NaN in the target is not coded.

    Args:
        names: Of units.
    """

    names: Sequence[str]

    kind, item = "intensities of action units", "absolute error"

    @property
    def definitions(self) -> Mapping[str, str]:
        """Agreement and error, of all and of each."""
        return {
            "icc": "mean over units of ICC(3,1), two raters, consistency (P. E. Shrout, J. L. Fleiss 1979): a constant "
            "difference does not lower it, another scale does",
            "mae": "mean over units of the mean absolute error, from 0 to 5",
            **{f"icc_{name}": f"ICC(3,1) of {name}" for name in self.names},
        }

    def higher_is_better(self, metric: str) -> bool:
        """Of errors the lower is."""
        return metric != "mae"

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Question`."""
        coded = np.isfinite(targets)
        pairs = [(targets[own, k], predictions[own, k], weights[:, own]) for k, own in enumerate(coded.T)]
        agreement = np.stack([_icc(*pair) for pair in pairs], axis=1)  # (R, K)
        with np.errstate(invalid="ignore", divide="ignore"):
            errors = np.stack([own @ np.abs(said - true) / own.sum(axis=1) for true, said, own in pairs], axis=1)
            found = {name: _mean_of(part, np.isfinite(part)) for name, part in (("icc", agreement), ("mae", errors))}
        return found | {f"icc_{name}": agreement[:, place] for place, name in enumerate(self.names)}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Mean absolute error of a frame."""
        coded = np.isfinite(targets)
        return np.where(coded, np.abs(predictions - np.nan_to_num(targets)), 0).sum(axis=1) / coded.sum(axis=1).clip(1)

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Both of each unit."""
        named = zip(self.names, target, prediction, strict=True)
        return {key: float(v) for name, true, found in named for key, v in ((name, true), (f"said_{name}", found))}


def at_half(shares: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Shares ``(..., K)`` moved so that thresholds ``(K,)`` lie at one half; their order stays as it is."""
    limits = np.clip(thresholds, 1e-6, 1 - 1e-6)
    below, above = shares / limits / 2, 0.5 + (shares - limits) / (1 - limits) / 2
    return np.where(shares >= limits, above, np.minimum(below, np.nextafter(0.5, 0)))


def best_thresholds(targets: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Of each unit the threshold ``(K,)`` at which F1 is best, of validation; one half where none shows it.

    Args:
        targets: ``(N, K)``, 0, 1 or NaN.
        shares: ``(N, K)``.
    """
    found = []
    for true, share in zip(targets.T, shares.T, strict=True):
        own = np.isfinite(true)
        true, share = true[own] == 1, share[own]
        if not true.any():
            found.append(0.5)
            continue
        order = np.argsort(-share, kind="stable")
        hits, named = np.cumsum(true[order]), np.arange(1, len(true) + 1)
        f1 = 2 * hits / (true.sum() + named)
        last = np.r_[share[order][1:] != share[order][:-1], True]  # equal shares are called together
        best = int(np.flatnonzero(last)[np.argmax(f1[last])])
        below = share[order][best + 1] if best + 1 < len(true) else 0.0
        found.append((share[order][best] + below) / 2)
    return np.array(found)


def _area(target: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    own = np.isfinite(target)
    there = target[own] == 1
    if there.all() or not there.any():
        return np.full(len(weights), np.nan)
    return weighted_areas(there, shares[own], weights[:, own])


def _mean_of(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Mean of ``(R, K)`` over what counts; NaN where nothing does."""
    counted = np.broadcast_to(counted, values.shape)
    return np.where(counted, values, 0).sum(axis=1) / np.where(counted.any(axis=1), counted.sum(axis=1), np.nan)


def _icc(true: np.ndarray, said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """ICC(3,1) of two raters for each weighting ``(R,)``: twice the covariance over the sum of variances."""
    total = weights.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):

        def mean(values: np.ndarray) -> np.ndarray:
            return (weights @ values)[:, None] / total

        first, second = true - mean(true), said - mean(said)  # (R, N)
        both, sums = (weights * first * second).sum(axis=1), (weights * (first**2 + second**2)).sum(axis=1)
        return np.where(sums > 0, 2 * both / sums, np.nan)
