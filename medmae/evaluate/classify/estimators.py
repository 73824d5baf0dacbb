"""What is compared: each learns from the samples of a fold, and answers for those that are tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from torch import nn

from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.predict import predict
from medmae.evaluate.classify.task import Task, trainable
from medmae.training.reading import Items


class Estimator(Protocol):
    """Something that learns from labels."""

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """Predictions ``(len(fold.test), K)``, learnt from ``fold.train``; ``targets`` are those of all samples."""


@dataclass(frozen=True, kw_only=True)
class OnFeatures:
    """A model of scikit-learn on features that were computed once; nothing is drawn, and ``fold.val`` is not used.

    Args:
        features: Of all samples, ``(N, D)``.
        model: Cloned for every fit; see :meth:`medmae.evaluate.classify.task.Task.models`.
    """

    features: np.ndarray
    model: BaseEstimator

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """See :class:`Estimator`."""
        model = clone(self.model).fit(self.features[fold.train], targets[fold.train])
        return task.answer(model, self.features[fold.test], targets[fold.test])


@dataclass(frozen=True)
class Constant:
    """The same answer to every sample: the majority, the mean. Who does not beat it has learnt nothing."""

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """See :class:`Estimator`."""
        return np.tile(task.constant(targets[fold.train]), (len(fold.test), 1))


@dataclass(frozen=True, kw_only=True)
class PerSeed:
    """An estimator for each repetition, such as one that begins with random weights.

    Args:
        of: By seed.
    """

    of: Mapping[int, Estimator]

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """See :class:`Estimator`."""
        return self.of[seed](fold, targets, task=task, seed=seed)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network that has learnt already: what a fold offers to learn from, it does not look at.

    Args:
        network: ``(B, C, *size)``, or several kinds by name, -> outputs ``(B, K)``.
        samples: By number, items with data of the name.
        name: Of the kind of data that the network takes; names, if it takes them by name.
        device: Where to compute.
        batch_size: Samples at once.
    """

    network: nn.Module
    samples: Items[Mapping[str, Any]]
    name: str | Sequence[str]
    device: torch.device | str = "cpu"
    batch_size: int = 64

    def __call__(self, fold: Fold, targets: np.ndarray, *, task: Task, seed: int) -> np.ndarray:
        """See :class:`Estimator`; nothing is drawn."""
        return predict(
            self.network,
            self.samples,
            fold.test.tolist(),
            name=self.name,
            link=trainable(task).link,
            device=self.device,
            batch_size=self.batch_size,
        )
