"""Figures of classification, and their intervals over patients.

Classes that no sample has are left out of every mean over classes. A weighting that lacks one of the others has no such
mean: over fewer classes it is another figure, of which the same answer to all may get 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DEFINITIONS: Mapping[str, str] = {
    "balanced_accuracy": "mean over classes of the share of a class that is recognised",
    "macro_f1": "mean over classes of the harmonic mean of precision and recall",
    "auroc": "mean over classes of the area under the ROC curve of that class against the rest",
    "accuracy": "share of all that are right",
}


def weighted_scores(truth: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """All figures of many weightings of the same predictions at once; the most probable class is the prediction.

    A bootstrap is a weighting: how often each sample was drawn. This is why it takes seconds.

    Args:
        truth: ``(N,)``.
        probabilities: ``(N, K)``.
        weights: ``(R, N)``.

    Returns:
        ``(R,)`` by name; NaN where a class that samples have is without weight, for AUROC also where all have it.
    """
    classes, predicted = np.arange(probabilities.shape[1]), probabilities.argmax(axis=1)
    true, called = truth[:, None] == classes, predicted[:, None] == classes  # (N, K) each
    hits, owned, named = (weights @ part.astype(np.float64) for part in (true & called, true, called))  # (R, K)
    owners = true.any(axis=0)  # (K,)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(owned > 0, hits / owned, np.nan)
        f1 = np.where(owned > 0, 2 * hits / (owned + named), np.nan)
        areas = [weighted_areas(true[:, k], probabilities[:, k], weights) for k in classes]
        found = {
            "balanced_accuracy": mean_over(owners, recall),
            "macro_f1": mean_over(owners, f1),
            "auroc": mean_over(owners, np.stack(areas, axis=1)),
            "accuracy": hits.sum(axis=1) / owned.sum(axis=1),
        }
    return found


def weighted_areas(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve for each weighting ``(R,)``: the share of pairs in order, ties counted half."""
    order = np.argsort(score, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])  # where each run of equal scores begins
    ranked, positive = weights[:, order], positive[order]
    ours, others = (np.add.reduceat(ranked * part, first, axis=1) for part in (positive, ~positive))  # (R, runs)
    below = np.cumsum(others, axis=1) - others / 2
    return (ours * below).sum(axis=1) / (ours.sum(axis=1) * others.sum(axis=1))


def mean_over(counted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of ``(R, K)`` over the counted classes ``(K,)``; NaN where one of them is."""
    return np.where(counted, values, 0).sum(axis=1) / counted.sum()
