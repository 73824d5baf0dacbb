"""A number, or several, a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.classify.task import Row, Trainable


@dataclass(frozen=True, kw_only=True)
class Regression(Trainable):
    """Numbers such as an ejection fraction; targets and predictions are ``(N, K)`` in their own unit.

    Networks learn numbers that are standardised by those of the training set. Of several numbers figures are means.

    Args:
        names: K names.
        unit: Of all of them.
        mean: See :meth:`fitted`.
        std: Likewise.
    """

    names: Sequence[str]
    unit: str = ""
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)

    kind, item, by_lars = "regression", "absolute error", False

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.names)

    def fitted(self, targets: np.ndarray) -> Self:
        """With mean and deviation of these targets; a number that does not vary is left as it is."""
        deviation = targets.std(axis=0)
        return replace(self, mean=targets.mean(axis=0).tolist(), std=np.where(deviation > 0, deviation, 1.0).tolist())

    @property
    def definitions(self) -> Mapping[str, str]:
        """Error, share of the variance, correlation."""
        unit = f", in {self.unit}" if self.unit else ""
        return {
            "mae": f"mean absolute error{unit}",
            "r2": "1 minus squared error over the variance of the truth; 0 is what its mean is worth",
            "r": "Pearson's correlation, which does not see a wrong scale",
        }

    def higher_is_better(self, metric: str) -> bool:
        """Of errors the lower is."""
        return metric != "mae"

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Trainable`."""
        total = weights.sum(axis=1, keepdims=True)  # (R, 1)

        def mean(values: np.ndarray) -> np.ndarray:
            return weights @ values / total  # (R, K)

        truth, said = targets.astype(np.float64), predictions.astype(np.float64)
        # Around one value, so that large numbers lose no digits; figures do not depend on it.
        y, x = truth - truth.mean(axis=0), said - truth.mean(axis=0)
        spread, spread_said = (mean(own**2) - mean(own) ** 2 for own in (y, x))
        with np.errstate(invalid="ignore", divide="ignore"):
            spread, spread_said = (np.where(own > 1e-12, own, np.nan) for own in (spread, spread_said))
            r2 = 1 - mean((y - x) ** 2) / spread
            r = (mean(x * y) - mean(x) * mean(y)) / np.sqrt(spread * spread_said)
        return {name: values.mean(axis=1) for name, values in (("mae", mean(np.abs(y - x))), ("r2", r2), ("r", r))}

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Absolute error, the mean over numbers."""
        return np.abs(targets - predictions).mean(axis=1)

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Each number, and what was predicted."""
        known: Row = {name: float(own) for name, own in zip(self.names, target, strict=True)}
        return known | {f"predicted_{name}": float(said) for name, said in zip(self.names, prediction, strict=True)}

    def about(self) -> dict[str, Any]:
        """Names and unit, too."""
        return {**super().about(), "names": list(self.names), "unit": self.unit}

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """The mean of the neighbours, and a ridge regression."""
        near = KNeighborsRegressor(n_neighbors=neighbours, metric="cosine")
        return {
            "nearest neighbours": make_pipeline(StandardScaler(), near),
            "ridge regression": make_pipeline(StandardScaler(), Ridge(alpha=1.0)),
        }

    def constant(self, targets: np.ndarray) -> np.ndarray:
        """Their mean."""
        return targets.mean(axis=0)

    def tensor(self, targets: np.ndarray) -> Tensor:
        """Standardised, ``(N, K)`` float32."""
        return (torch.from_numpy(targets).float() - torch.tensor(self.mean)) / torch.tensor(self.std)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of standardised numbers."""
        return F.mse_loss(outputs, targets)

    def link(self, outputs: Tensor) -> Tensor:
        """In their own unit."""
        return outputs * torch.tensor(self.std) + torch.tensor(self.mean)
