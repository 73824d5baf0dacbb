"""Several classes a sample, each there or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.classify.classification_scores import mean_over, weighted_areas
from medmae.evaluate.classify.task import Row, Trainable


@dataclass(frozen=True, kw_only=True)
class MultiLabel(Trainable):
    """Classes that do not exclude each other; targets are 0 or 1, predictions probabilities, ``(N, K)`` both.

    A class that no sample of a set has, or that all have, has no figure there: means are of the others, and the record
    names it.

    Args:
        classes: K names.
    """

    classes: Sequence[str]

    kind, item = "multi-label", "share of labels right"

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.classes)

    @property
    def definitions(self) -> Mapping[str, str]:
        """Means over classes, and the area of each."""
        return {
            "map": "mean over classes of the average precision: of the precision at each sample that has the class",
            "auroc": "mean over classes of the area under the ROC curve",
            "d_prime": "what AUROC tells as a distance of two normal distributions: sqrt(2) times its normal quantile",
            "weighted_accuracy": "mean over classes of the mean of the shares that are right of those that have the "
            "class and of the others, at one half",
            "weighted_f1": "mean over classes of the F1 of having it and of not having it, by how many do, at one half",
            **{f"auroc_{name}": f"area under the ROC curve of {name}" for name in self.classes},
        }

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Trainable`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = list(zip((targets > 0.5).T, predictions.T, strict=True))
            precision = [_average_precision(there, score, weights) for there, score in columns]
            areas = [weighted_areas(there, score, weights) for there, score in columns]
            told = np.array([there.any() and not there.all() for there, _ in columns])
            means = {
                "map": mean_over(told, np.stack(precision, axis=1)),
                "auroc": mean_over(told, np.stack(areas, axis=1)),
            }
            halves = np.array([at_half(there, score, weights) for there, score in columns])  # (K, 2, R)
            means["weighted_accuracy"], means["weighted_f1"] = (
                mean_over(told, part.T) for part in halves.swapaxes(0, 1)
            )
            means["d_prime"] = np.sqrt(2) * norm.ppf(means["auroc"])
        return means | {f"auroc_{name}": area for name, area in zip(self.classes, areas, strict=True)}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Share of a sample's classes that are right at one half."""
        return ((predictions > 0.5) == (targets > 0.5)).mean(axis=1)

    def extras(self, targets: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
        """Classes without a figure."""
        share = (targets > 0.5).mean(axis=0)
        named = zip(self.classes, share, strict=True)
        return {"without_figure": [name for name, own in named if own in (0, 1)]}

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Whether each class is there, and its probability."""
        there = {name: int(own > 0.5) for name, own in zip(self.classes, target, strict=True)}
        return there | {f"p_{name}": float(share) for name, share in zip(self.classes, prediction, strict=True)}

    def about(self) -> dict[str, Any]:
        """Classes, too."""
        return {**super().about(), "classes": list(self.classes)}

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """Shares of the neighbours, and a logistic regression a class."""
        votes = KNeighborsRegressor(n_neighbors=neighbours, metric="cosine")
        linear = OneVsRestClassifier(LogisticRegression(C=1.0, max_iter=1000))
        return {
            "nearest neighbours": make_pipeline(StandardScaler(), votes),
            "logistic regression": make_pipeline(StandardScaler(), linear),
        }

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """How often each class is there."""
        return targets.mean(axis=0)

    def tensor(self, targets: np.ndarray) -> Tensor:
        """``(N, K)`` float32."""
        return torch.from_numpy(targets).float()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over classes."""
        return F.binary_cross_entropy_with_logits(outputs, targets)

    def link(self, outputs: Tensor) -> Tensor:
        """Sigmoid."""
        return outputs.sigmoid()


def at_half(there: np.ndarray, score: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each weighting ``(R,)``: accuracy where both answers count alike; F1 of both answers by how many there are.

    The first is CMU-MOSEI's weighted accuracy, ``(TP * N / P + TN) / (2 N)`` of P samples with the class and N without.
    """
    called = score > 0.5
    cells = {(a, b): weights @ ((there == a) & (called == b)) for a in (True, False) for b in (True, False)}
    recalls, scores, total = [], [], np.zeros(len(weights))
    for own in (True, False):
        hit, missed, other = cells[own, own], cells[own, not own], cells[not own, own]
        recalls.append(hit / (hit + missed))
        scores.append(
            np.divide(2 * hit, 2 * hit + missed + other, out=np.zeros_like(hit), where=hit > 0) * (hit + missed)
        )
        total = total + hit + missed
    return np.mean(recalls, axis=0), np.sum(scores, axis=0) / total


def _average_precision(there: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each weighting ``(R,)``: precision where a sample has the class, tied scores taken together."""
    order = np.argsort(-score, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(score[order]) != 0])  # where each run of equal scores begins
    ranked = weights[:, order]
    ours, everyone = (np.add.reduceat(part, first, axis=1) for part in (ranked * there[order], ranked))  # (R, runs)
    found, named = np.cumsum(ours, axis=1), np.cumsum(everyone, axis=1)
    total = found[:, -1]
    average = (np.divide(found, named, out=np.zeros_like(found), where=named > 0) * ours).sum(axis=1) / total
    return np.where(total < named[:, -1], average, np.nan)  # of a class that all have there is nothing to say
