"""What is asked of encoders: how samples are labelled, what is learnt from them, and how answers are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor

Row = dict[str, object]


class Question(ABC):
    """What is asked and how answers are scored, as a value; a sample's answer is a row of numbers.

    Attributes:
        kind: Of the question, in words.
        item: What :meth:`each` gives of one sample, in words; paired comparisons are of its mean.
    """

    kind: ClassVar[str]
    item: ClassVar[str]

    @property
    @abstractmethod
    def definitions(self) -> Mapping[str, str]:
        """What each figure means, by its name; the first is the headline."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the figures."""
        return tuple(self.definitions)

    @property
    def headline(self) -> str:
        """The figure that stands for all."""
        return self.metrics[0]

    def higher_is_better(self, metric: str) -> bool:
        """Which way is better."""
        return True

    @abstractmethod
    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """Figures of many weightings of the same predictions at once; a bootstrap is a weighting.

        Args:
            targets: ``(N, ...)``.
            predictions: ``(N, K)``.
            weights: ``(R, N)``: how often each sample was drawn.

        Returns:
            ``(R,)`` by name; NaN where a figure has no value.
        """

    def scores(self, targets: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        """Figures of one set of predictions; NaN where one has no value."""
        found = self.weighted(targets, predictions, np.ones((1, len(targets))))
        return {name: float(values[0]) for name, values in found.items()}

    @abstractmethod
    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """One figure a sample, ``(N,)``."""

    def extras(self, targets: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
        """What else a record holds of runs ``(R, N, K)``."""
        return {}

    @abstractmethod
    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401 - a class, a row, a number
        """Target and prediction of a sample, or of a patient's samples, in tables."""

    def about(self) -> dict[str, Any]:
        """For the record."""
        return {"kind": self.kind, "headline": self.headline, "higher_is_better": self.higher_is_better(self.headline)}


class Task(Question):
    """A question that is asked of encoders: what learns from labels and an encoder's frozen features answers it."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """K, numbers that answer for a sample."""

    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Which samples folds and draws of few labels are to have alike, ``(N,)`` from 0; one stratum by default."""
        return np.zeros(len(targets), dtype=np.int64)

    def budget(self, labels: int | None) -> str:
        """Name of an evaluation with so many labels a stratum; None is all of them."""
        return "all labels" if labels is None else f"{labels} labels"

    @abstractmethod
    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """What learns from frozen features, by name: estimators of scikit-learn, cloned before they are fitted."""

    def answer(self, model: Any, features: np.ndarray, targets: np.ndarray) -> np.ndarray:  # noqa: ANN401
        """Predictions ``(T, K)`` of a fitted model; ``targets`` are looked at only where they are part of the query."""
        said = model.predict_proba(features) if hasattr(model, "predict_proba") else model.predict(features)
        return np.reshape(said, (len(features), self.outputs))

    @abstractmethod
    def constant(self, targets: np.ndarray) -> np.ndarray:
        """The best answer to samples that nobody looks at, ``(K,)``."""


class Trainable(Task):
    """A task that networks are trained for by gradients; ask with :func:`trainable`.

    Attributes:
        mixes: Whether mixed samples have mixed targets, as mixup and CutMix suppose.
        by_lars: Whether MAE's linear probe suits it, whose rate is one of cross-entropies.
    """

    mixes: ClassVar[bool] = False
    by_lars: ClassVar[bool] = True

    def fitted(self, targets: np.ndarray) -> Self:
        """The task as one that learns from these targets needs it, such as with their scale."""
        return self

    @abstractmethod
    def tensor(self, targets: np.ndarray) -> Tensor:
        """Targets as :meth:`loss` takes them, ``(N, K)`` or ``(N,)``."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of a network's outputs ``(B, K)``."""

    @abstractmethod
    def link(self, outputs: Tensor) -> Tensor:
        """Predictions ``(B, K)`` of a network's outputs."""

    def validation(self, targets: np.ndarray, predictions: np.ndarray) -> tuple[float, float]:
        """What the best epoch is chosen by: the greater, the better; the second where the first is equal."""
        value = self.scores(targets, predictions)[self.headline]
        return (value if self.higher_is_better(self.headline) else -value), 0.0


def trainable(task: Task) -> Trainable:
    """The same, for what trains a network.

    Raises:
        ValueError: If no network can be trained for it.
    """
    if not isinstance(task, Trainable):
        raise ValueError(f"no network is trained for {task.kind}: compare frozen features, or pass fine_tune=False")
    return task
