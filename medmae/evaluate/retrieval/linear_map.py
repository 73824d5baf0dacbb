"""What a linear map between plain descriptions of two kinds finds: no network has to be better than that by itself."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PENALTIES = np.logspace(-1, 5, 13)


def mapped_similarity(first: np.ndarray, second: np.ndarray, *, asked: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Cosine of what is expected of each of ``gallery`` and what each of ``asked`` is, around the mean of all.

    Ridge regression from the second kind to the first; its penalty is chosen by leaving out training pairs.

    Args:
        first: Of training pairs, ``(P, D)``, such as counts of words.
        second: Their partners, ``(P, E)``, such as mean colours.
        asked: Of the first kind, ``(N, D)``.
        gallery: Of the second, ``(M, E)``.

    Returns:
        ``(N, M)``; 0 where nothing is known of one of them.
    """
    mean = first.mean(axis=0)
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=_PENALTIES)).fit(second, first - mean)
    return _unit(asked - mean) @ _unit(model.predict(gallery).reshape(len(gallery), -1)).T


def nearest_value(first: np.ndarray, second: np.ndarray, *, asked: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """As :func:`mapped_similarity`, of one number, such as a length: how near it is to what is expected of the other.

    Args:
        first: ``(P,)``.
        second: ``(P, E)``.
        asked: ``(N,)``.
        gallery: ``(M, E)``.
    """
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=_PENALTIES)).fit(second, first)
    return -np.abs(asked[:, None] - model.predict(gallery)[None])


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 1e-9, rows / np.maximum(lengths, 1e-9), 0.0)
