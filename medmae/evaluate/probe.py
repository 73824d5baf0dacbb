"""How much a frozen encoder's features say about a label: a linear probe, and nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from medmae.nn.heads import FeatureMap, pooled
from medmae.nn.vit import MaskedViT


@torch.no_grad()
def frozen_features(encoder: MaskedViT, images: Tensor, *, batch_size: int = 128) -> np.ndarray:
    """Mean of the patch tokens after the final norm, of whole images: no mask, no gradient.

    Args:
        encoder: Left in the mode (train or eval) in which it was.
        images: ``(N, C, *size)``, on the encoder's device.
        batch_size: Images at once.

    Returns:
        ``(N, D)`` float32.
    """
    network, training = FeatureMap(encoder=encoder), encoder.training
    network.eval()
    parts = [pooled(network(part)).float().cpu() for part in images.split(batch_size)]
    encoder.train(training)
    return torch.cat(parts).numpy()


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
    model = LogisticRegression(C=1 / penalty, max_iter=1000)
    return _accuracy(model, features_train, labels_train, features_test, labels_test)


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
    model = KNeighborsClassifier(n_neighbors=neighbours, metric="cosine")
    return _accuracy(model, features_train, labels_train, features_test, labels_test)


def _accuracy(
    model: LogisticRegression | KNeighborsClassifier,
    features_train: np.ndarray,
    labels_train: np.ndarray,
    features_test: np.ndarray,
    labels_test: np.ndarray,
) -> float:
    pipeline = make_pipeline(StandardScaler(), model)
    return float(pipeline.fit(features_train, labels_train).score(features_test, labels_test))
