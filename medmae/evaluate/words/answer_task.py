"""How answers to questions are scored: the share that is right, of all and by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from sklearn.base import BaseEstimator
from torch import Tensor

from medmae.evaluate.classify.task import Row, Task

_NOT_TRAINED = "answers are right or wrong, and nothing is trained on that"
MOST_TYPES = 6  # of which figures of their own are given


@dataclass(frozen=True, kw_only=True)
class AnswerAccuracy(Task):
    """Of predictions ``(N, 1)``, 1 where an answer is right; targets are numbers of types.

    Args:
        types: By their numbers, the most frequent first.
    """

    types: Sequence[str]

    kind, item, trains, by_lars = "question answering", "right", False, False

    @property
    def outputs(self) -> int:
        """Right or not."""
        return 1

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
        """See :class:`Task`."""
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

    def models(self, *, neighbours: int) -> dict[str, BaseEstimator]:
        """None: answers are given by what was trained to give them."""
        return {}

    def constant(self, targets: np.ndarray) -> NoReturn:
        """There is none that suits all questions."""
        raise NotImplementedError(_NOT_TRAINED)

    def tensor(self, targets: np.ndarray) -> NoReturn:
        """See :meth:`constant`."""
        raise NotImplementedError(_NOT_TRAINED)

    def loss(self, outputs: Tensor, targets: Tensor) -> NoReturn:
        """See :meth:`constant`."""
        raise NotImplementedError(_NOT_TRAINED)

    def link(self, outputs: Tensor) -> NoReturn:
        """See :meth:`constant`."""
        raise NotImplementedError(_NOT_TRAINED)
