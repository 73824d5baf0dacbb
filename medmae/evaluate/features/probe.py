"""How much a frozen encoder's features say about a label: a linear probe, and nearest neighbours."""

from __future__ import annotations

from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler


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
