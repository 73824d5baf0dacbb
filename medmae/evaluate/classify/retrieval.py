"""Finding, among the samples that are known, one that belongs to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from medmae.evaluate.classify.task import Row, Task

RECALLS = (1, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Retrieval(Task):
    """Queries are the samples that are tested, the gallery those to learn from; what has the query's label belongs.

    Similarity is the cosine of features as they are. A query's answer is where the first that belongs to it stands: see
    :func:`standings`. What is tied is in random order, of which figures are the expectation: nobody gains by saying the
    same of everything.

    Args:
        labels: Names of the labels: classes, or one for each pair that belongs together.
    """

    labels: Sequence[str]

    kind, item = "retrieval", "found first"

    @property
    def outputs(self) -> int:
        """See :func:`standings`."""
        return 3

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The labels: the gallery has each of them."""
        return targets

    @property
    def definitions(self) -> Mapping[str, str]:
        """Recall at some ranks, the median and the mean rank, and ties."""
        return {
            "r_at_1": "share of queries whose most similar sample belongs to them",
            "r_at_5": "share of queries with one that belongs among the 5 most similar",
            "r_at_10": "share of queries with one that belongs among the 10 most similar",
            "median_rank": "median rank of the first that belongs; ties are in random order, and figures expected ones",
            "mean_rank": "mean of these ranks",
            "tied": "share of queries for whom the first that belongs is as similar as one that does not",
        }

    def higher_is_better(self, metric: str) -> bool:
        """Of ranks and ties fewer are."""
        return metric.startswith("r_at_")

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Task`."""
        rank, total = expected_ranks(predictions), weights.sum(axis=1)
        found = {f"r_at_{k}": weights @ found_within(predictions, k) / total for k in RECALLS}
        found |= {"median_rank": _median(rank, weights), "mean_rank": weights @ rank / total}
        return {**found, "tied": weights @ (predictions[:, 1] > 0).astype(float) / total}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """1 where the most similar sample belongs, by expectation."""
        return found_within(predictions, 1)

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Label, rank, and whether that is tied."""
        rank, tied = float(expected_ranks(prediction[None])[0]), float(prediction[1] > 0)
        return {"label": self.labels[int(target)], "rank": rank, "tied": tied}

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """Cosine of features as they are."""
        return {"cosine": _Gallery()}

    def answer(self, model: Any, features: np.ndarray, targets: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Standings, for which one must know what belongs to the queries."""
        return model.rank(features, targets)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Everything is as similar: the label's samples lie anywhere in the gallery."""
        own = np.unique(targets, return_counts=True)[1].mean()
        return np.array([0.0, len(targets) - own, own])


def standings(similarity: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Where the first that belongs to each query stands, ``(Q, 3)``.

    How many that do not belong are more similar, how many are just as similar, and how many that belong are as similar
    as it, itself counted.

    Args:
        similarity: ``(Q, G)`` of queries and the gallery.
        belongs: Bool ``(Q, G)``, at least one in each row.

    Raises:
        ValueError: If a similarity is no number, or a query has nothing that belongs to it.
    """
    if np.isnan(similarity).any():
        raise ValueError(f"{np.isnan(similarity).sum()} of {similarity.size} similarities are no numbers (NaN)")
    if not belongs.any(axis=1).all():
        raise ValueError(f"nothing belongs to {(~belongs.any(axis=1)).sum()} of {len(belongs)} queries")
    best = np.where(belongs, similarity, -np.inf).max(axis=1, keepdims=True)
    level = similarity == best
    parts = ((similarity > best) & ~belongs, level & ~belongs, level & belongs)
    return np.stack([part.sum(axis=1) for part in parts], axis=1).astype(float)


def expected_ranks(standing: np.ndarray) -> np.ndarray:
    """Ranks ``(Q,)`` of the first that belongs, of :func:`standings`, where ties are in random order.

    Of one tied with n others that is the mean of their ranks; the first of several is expected before that.
    """
    above, level, own = standing.T
    return 1 + above + level / (own + 1)


def found_within(standing: np.ndarray, k: int) -> np.ndarray:
    """Chance ``(Q,)`` that one that belongs is among the k most similar, where ties are in random order."""
    above, level, own = standing.T
    missed = np.ones(len(standing))
    for taken in range(k):  # of the places that are left below what is more similar, without replacement
        left = above + taken < k
        share = np.maximum(level - taken, 0) / np.maximum(level + own - taken, 1e-12)
        missed = np.where(left, missed * share, missed)
    return 1 - missed


class _Gallery(BaseEstimator):
    """scikit-learn's form of :func:`standings`: it keeps a gallery, and ranks it for queries whose labels are told."""

    def fit(self, features: np.ndarray, labels: np.ndarray) -> _Gallery:
        """Keeps the gallery."""
        self.gallery_, self.labels_ = _unit(features), labels
        return self

    def rank(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """See :func:`standings`."""
        return standings(_unit(features) @ self.gallery_.T, labels[:, None] == self.labels_)


def _unit(features: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, 1e-12)


def _median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each weighting ``(R,)``: the middle value, or the mean of the two in the middle."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    half = reached[:, -1:] / 2
    low, high = (reached < half).sum(axis=1), (reached <= half).sum(axis=1)
    ranked = values[order]
    return (ranked[low] + ranked[np.minimum(high, len(ranked) - 1)]) / 2
