"""How often each sample should be drawn so that rare classes are seen as often as frequent ones."""

from __future__ import annotations

import numpy as np

from medmae.data.labels import UNLABELLED
from medmae.errors import DataError

_SOFT = 0.01  # of AST, Audio-MAE and CAV-MAE, whose weights are 1000 / (count + 0.01)


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """A weight a sample: the sum over its classes of one over how many samples have that class.

    For supervised training; pre-training takes data as they come.

    Args:
        labels: Classes int64 ``(N,)``, -1 where there is none; or 0 and 1 ``(N, K)``, NaN where one is not known.

    Returns:
        ``(N,)`` float64 that add up to 1; 0 of samples without any class, which are never drawn.

    Raises:
        DataError: If no sample has a class, or labels are numbers to be predicted.
    """
    if labels.ndim == 1:
        known = labels[labels != UNLABELLED]
        there = np.zeros((len(labels), int(known.max(initial=-1)) + 1))
        there[labels != UNLABELLED, known] = 1
    else:
        there = np.nan_to_num(labels.astype(np.float64))
    if not there.any() or not np.isin(there, (0, 1)).all():
        raise DataError(
            "classes can be balanced only where samples have some",
            field="labels",
            value=labels.shape,
            remedy="draw samples as they come (balanced: false), or label them",
        )
    counts = there.sum(axis=0)
    weights = there @ np.where(counts > 0, 1 / (counts + _SOFT), 0.0)
    return np.asarray(weights / weights.sum())
