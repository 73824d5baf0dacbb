"""How answers to questions are scored: the share that is right, of all and by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmae.evaluate.classify.task import Question, Row

MOST_TYPES = 6  # of which figures of their own are given


@dataclass(frozen=True, kw_only=True)
class AnswerAccuracy(Question):
    """Of predictions ``(N, 1)``, 1 where an answer is right; targets are numbers of types.

    Args:
        types: By their numbers, the most frequent first.
    """

    types: Sequence[str]

    kind, item = "question answering", "right"

    @property
    def definitions(self) -> Mapping[str, str]:
        """Accuracy of all, and by type where there are several."""
        match = (
            "share of questions whose answer is one of those accepted, compared in small letters, with numbers as "
            "digits, without articles and punctuation"
        )
        shown = self.types[:MOST_TYPES] if len(self.types) > 1 else ()
        return {"accuracy": match, **{f"accuracy, {name}": f"the same of answers of type {name}" for name in shown}}

    def weighted(self, targets: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
        """See :class:`Question`."""
        right = predictions[:, 0]
        found = {"accuracy": weights @ right / weights.sum(axis=1)}
        for number, name in enumerate(self.types[:MOST_TYPES] if len(self.types) > 1 else ()):
            own = weights * (targets == number)
            total = own.sum(axis=1)
            found[f"accuracy, {name}"] = np.where(total > 0, own @ right / np.maximum(total, 1e-12), np.nan)
        return found

    def each(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Whether it is right."""
        return predictions[:, 0]

    def columns(self, target: Any, prediction: np.ndarray) -> Row:  # noqa: ANN401
        """Type, and whether it is right."""
        return {"type": self.types[int(target)], "right": bool(prediction[0])}
