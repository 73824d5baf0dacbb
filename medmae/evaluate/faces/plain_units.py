"""What needs no network: how often units are active, the mean colour of what is seen, and landmarks of whole faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

RATE, COLOUR = "how often units are active", "mean colour of what is seen"
POINTS = "landmarks, of the whole face"


@dataclass(frozen=True)
class PlainUnits:
    """Regressions of units on a few numbers; frames of which a unit was not coded do not teach it.

    Attributes:
        rates: Share of training frames in which each unit is active, ``(K,)``.
        models: By name, one a unit; None of a unit that was never coded.
    """

    rates: np.ndarray
    models: Mapping[str, Sequence[Pipeline | None]]

    @classmethod
    def of(cls, targets: np.ndarray, features: Mapping[str, np.ndarray]) -> PlainUnits:
        """Learnt from training frames.

        Args:
            targets: ``(N, K)``, 0, 1 or NaN.
            features: ``(N, D)`` by name.
        """
        coded = np.isfinite(targets)
        rates = np.where(coded.any(axis=0), np.nansum(targets, axis=0) / np.maximum(coded.sum(axis=0), 1), 0.0)
        models = {
            name: [_fitted(given, targets[:, k]) for k in range(targets.shape[1])] for name, given in features.items()
        }
        return cls(rates, models)

    def said(self, name: str, given: np.ndarray) -> np.ndarray:
        """Shares of units ``(N, K)`` of numbers ``(N, D)``."""
        said = [
            np.full(len(given), rate) if model is None else np.clip(model.predict(given), 0, 1)
            for rate, model in zip(self.rates, self.models[name], strict=True)
        ]
        return np.stack(said, axis=1)

    def constant(self, count: int) -> np.ndarray:
        """The rate of each unit, whatever is shown: ``(N, K)``."""
        return np.tile(self.rates, (count, 1))


def _fitted(features: np.ndarray, target: np.ndarray) -> Pipeline | None:
    own = np.isfinite(target) & np.isfinite(features).all(axis=1)
    return make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(features[own], target[own]) if own.any() else None
