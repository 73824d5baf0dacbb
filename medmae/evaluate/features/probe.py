"""How much a frozen encoder's features say about a label: a linear probe, and nearest neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


def probe_accuracy(
    *,
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
    penalty: float = 1.0,
) -> float:
    """Accuracy of a logistic regression on standardised features; deterministic.

    Args:
        features_train: ``(N, D)``; they alone give mean and deviation.
        labels_train: ``(N,)``, at least two classes.
        features_test: ``(K, D)``.
        labels_test: ``(K,)``.
        penalty: Strength of the L2 penalty (the inverse of scikit-learn's ``C``).

    Raises:
        ValueError: If features and labels differ in number, or there is one class only.
    """
    return _accuracy(linear_probe(penalty=penalty), features_train, labels_train, features_test, labels_test)


def knn_accuracy(
    *,
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
    neighbours: int = 5,
) -> float:
    """Accuracy of a vote of the nearest training samples by cosine, on standardised features; nothing is fitted.

    Args:
        features_train: ``(N, D)``, N at least ``neighbours``.
        labels_train: ``(N,)``.
        features_test: ``(K, D)``.
        labels_test: ``(K,)``.
        neighbours: How many vote.

    Raises:
        ValueError: If features and labels differ in number, or there are fewer samples than neighbours.
    """
    return _accuracy(
        nearest_neighbours(neighbours=neighbours), features_train, labels_train, features_test, labels_test
    )


def linear_probe(*, penalty: float = 1.0) -> Pipeline:
    """Logistic regression on standardised features.

    Args:
        penalty: Strength of the L2 penalty (the inverse of scikit-learn's ``C``).
    """
    return make_pipeline(StandardScaler(), LogisticRegression(C=1 / penalty, max_iter=1000))


def nearest_neighbours(*, neighbours: int = 5, temperature: float | None = None, standardise: bool = True) -> Pipeline:
    """A vote of the nearest training samples by cosine.

    MMAE votes with 10 or 20 neighbours, a temperature of 0.07, and features as they are.

    Args:
        neighbours: How many vote.
        temperature: Weighs each vote by ``exp(cosine / temperature)``; None counts votes alike.
        standardise: Whether features are standardised first.
    """
    # A partial of a module's function, not a lambda, so that the pipeline can be cloned and sent to a process.
    weights = "uniform" if temperature is None else partial(_by_similarity, temperature=temperature)
    model = KNeighborsClassifier(n_neighbors=neighbours, metric="cosine", weights=weights)
    return make_pipeline(StandardScaler() if standardise else FunctionTransformer(), model)


def _by_similarity(distances: np.ndarray, *, temperature: float) -> np.ndarray:
    """Weights of votes at cosine distances; divided by that of distance 0, which changes no vote, none overflows."""
    return np.exp(-distances / temperature)


def _accuracy(
    model: Pipeline,
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
) -> float:
    return float(model.fit(features_train, labels_train).score(features_test, labels_test))
