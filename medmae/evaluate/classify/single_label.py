"""One class a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.metrics import confusion_matrix
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.classify.classification_scores import DEFINITIONS, weighted_scores
from medmae.evaluate.classify.task import Row, Trainable
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours


@dataclass(frozen=True, kw_only=True)
class SingleLabel(Trainable):
    """Classes that exclude each other; targets are their numbers ``(N,)``, predictions probabilities ``(N, K)``.

    Args:
        classes: K names.
    """

    classes: Sequence[str]

    kind, item, mixes = "single label", "accuracy", True

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.classes)

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """The classes."""
        return targets

    def budget(self, labels: int | None) -> str:
        """Labels are counted by class."""
        return "all labels" if labels is None else f"{labels} labels a class"

    @property
    def definitions(self) -> Mapping[str, str]:
        """See :mod:`medmae.evaluate.classify.classification_scores`."""
        return DEFINITIONS

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Trainable`."""
        return weighted_scores(targets, predictions, weights)

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """1 where the most probable class is right."""
        return (predictions.argmax(axis=1) == targets).astype(float)

    def extras(self, targets: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
        """Mean counts over runs, a row a true class."""
        numbers = np.arange(self.outputs)
        counts = [confusion_matrix(targets, run.argmax(axis=1), labels=numbers) for run in runs]
        return {"confusion": np.mean(counts, axis=0).tolist()}

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """``label``, ``predicted``, and the probability of each class."""
        shares = {f"p_{name}": float(share) for name, share in zip(self.classes, prediction, strict=True)}
        return {"label": self.classes[int(target)], "predicted": self.classes[int(prediction.argmax())], **shares}

    def about(self) -> dict[str, Any]:
        """Classes, too."""
        return {**super().about(), "classes": list(self.classes)}

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """See :mod:`medmae.evaluate.features.probe`."""
        return {
            "nearest neighbours": nearest_neighbours(neighbours=neighbours),
            "logistic regression": linear_probe(),
        }

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Shares of the classes: the majority is predicted."""
        return np.bincount(targets, minlength=self.outputs) / len(targets)

    def tensor(self, targets: np.ndarray) -> Tensor:
        """``(N,)`` int64."""
        return torch.from_numpy(targets).long()

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy with classes ``(B,)``, or with their shares ``(B, K)``."""
        return F.cross_entropy(outputs, targets)

    def link(self, outputs: Tensor) -> Tensor:
        """Softmax."""
        return outputs.softmax(dim=1)

    def validation(self, targets: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
        """Balanced accuracy, then likelihood."""
        own = predictions[np.arange(len(targets)), targets].clip(1e-30)
        return super().validation(targets, predictions)[0], float(np.log(own).mean())
