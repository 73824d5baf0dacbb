"""A map of embeddings: many dimensions as two, to see what lies together. For the eye, not a measurement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.preprocessing import StandardScaler

from medmae.errors import check_choice
from medmae.files import write_text

RECORD = "embedding_map.json"
Layout = Literal["pca", "tsne"]


def write_embedding_map(
    features: np.ndarray,
    *,
    labels: np.ndarray,
    classes: Sequence[str],
    out: str | Path,
    layout: Layout = "pca",
    encoder: str = "encoder",
    item: str = "tile",
    max_points: int = 1500,
    seed: int = 0,
) -> None:
    """Writes ``<out>/embedding_map.json``, which the report draws.

    Args:
        features: ``(N, D)``; they are standardised.
        labels: Class of each, ``(N,)``; -1 has none.
        classes: Names.
        out: Evaluation folder of a run.
        layout: ``pca``, the plane in which the features spread most; or ``tsne`` of their first 50 components, where
            only what lies close together means anything.
        encoder: Whose features these are.
        item: What a point is.
        max_points: More are thinned by chance.
        seed: Of that, and of the layout.

    Raises:
        ValueError: If there are fewer than three features, or labels of another number.
    """
    check_choice(layout, get_args(Layout), name="layout")
    if len(features) < 3 or len(labels) != len(features):
        raise ValueError(f"a map needs three features and a label each, got {len(features)} and {len(labels)}")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(features))[:max_points])
    scaled = StandardScaler().fit_transform(features[chosen])
    components = PCA(min(50, *scaled.shape), random_state=seed).fit(scaled)
    points = components.transform(scaled)
    if layout == "tsne":
        perplexity = min(30.0, (len(chosen) - 1) / 3)
        points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
    record = {
        "layout": layout,
        "encoder": encoder,
        "item": item,
        "classes": list(classes),
        "shown": len(chosen),
        "of": len(features),
        "explained": components.explained_variance_ratio_[:2].tolist() if layout == "pca" else None,
        "points": np.round(points[:, :2].astype(float), 4).tolist(),
        "labels": labels[chosen].tolist(),
    }
    write_text(Path(out) / RECORD, json.dumps(record))
