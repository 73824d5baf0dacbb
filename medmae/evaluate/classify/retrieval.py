"""Finding, among the samples that are known, one that belongs to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor

from medmae.evaluate.classify.task import Row, Task

_NOT_TRAINED = "nothing is trained on labels in retrieval"


@dataclass(frozen=True, kw_only=True)
class Retrieval(Task):
    """Queries are the samples that are tested, the gallery those to learn from; what has the query's label belongs.

    Similarity is the cosine of features as they are. A query's answer is the rank of the first sample that belongs to
    it, and the share of its rank that is a tie: tied samples share the mean of their ranks.

    Args:
        labels: Names of the labels: classes, or one for each pair that belongs together.
    """

    labels: Sequence[str]

    kind, item, trains, by_lars = "retrieval", "found first", False, False

    @property
    def outputs(self) -> int:
        """Rank, and whether it is tied."""
        return 2

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The labels: the gallery has each of them."""
        return targets

    @property
    def definitions(self) -> Mapping[str, str]:
        """Recall at some ranks, the median rank, and ties."""
        return {
            "r_at_1": "share of queries whose most similar sample belongs to them",
            "r_at_5": "share of queries with one that belongs among the 5 most similar",
            "r_at_10": "share of queries with one that belongs among the 10 most similar",
            "median_rank": "median rank of the first that belongs; tied samples share the mean of their ranks",
            "tied": "share of queries for whom the first that belongs is as similar as one that does not",
        }

    def higher_is_better(self, metric: str) -> bool:
        """Of ranks and ties fewer are."""
        return metric.startswith("r_at_")

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Task`."""
        rank, tied = predictions[:, 0], predictions[:, 1]
        total = weights.sum(axis=1)
        found = {f"r_at_{k}": weights @ (rank <= k).astype(float) / total for k in (1, 5, 10)}
        return {**found, "median_rank": _median(rank, weights), "tied": weights @ tied / total}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """1 where the most similar sample belongs."""
        return (predictions[:, 0] <= 1).astype(float)

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Label and rank."""
        return {"label": self.labels[int(target)], "rank": float(prediction[0]), "tied": float(prediction[1])}

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """Cosine of features as they are."""
        return {"cosine": _Gallery()}

    def answer(self, model: Any, features: np.ndarray, targets: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Ranks, for which one must know what belongs to the queries."""
        return model.rank(features, targets)

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Everything is as similar: the label's samples lie anywhere in the gallery."""
        own = np.unique(targets, return_counts=True)[1].mean()
        return np.array([(len(targets) - own) / 2 + 1, 1.0])

    def tensor(self, targets: np.ndarray) -> NoReturn:
        """Nothing is trained."""
        raise NotImplementedError(_NOT_TRAINED)

    def loss(self, outputs: Tensor, targets: Tensor) -> NoReturn:
        """Nothing is trained."""
        raise NotImplementedError(_NOT_TRAINED)

    def link(self, outputs: Tensor) -> NoReturn:
        """Nothing is trained."""
        raise NotImplementedError(_NOT_TRAINED)


def ranks(similarity: np.ndarray, belongs: np.ndarray) -> np.ndarray:
    """Of each query ``(Q, 2)``: the rank of the first that belongs, and whether it is tied with one that does not.

    Args:
        similarity: ``(Q, G)`` of queries and the gallery.
        belongs: Bool ``(Q, G)``, at least one in each row.
    """
    best = np.where(belongs, similarity, -np.inf).max(axis=1, keepdims=True)
    above = ((similarity > best) & ~belongs).sum(axis=1)
    level = ((similarity == best) & ~belongs).sum(axis=1)
    return np.stack([1 + above + level / 2, (level > 0).astype(float)], axis=1)


class _Gallery(BaseEstimator):
    """scikit-learn's form of :func:`ranks`: it keeps a gallery, and ranks it for queries whose labels are told."""

    def fit(self, features: np.ndarray, labels: np.ndarray) -> _Gallery:
        """Keeps the gallery."""
        self.gallery_, self.labels_ = _unit(features), labels
        return self

    def rank(self, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """See :func:`ranks`."""
        return ranks(_unit(features) @ self.gallery_.T, labels[:, None] == self.labels_)


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
