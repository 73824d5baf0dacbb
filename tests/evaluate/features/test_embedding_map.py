"""Embeddings as points in a plane."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medmae.evaluate.features.embedding_map import write_embedding_map


def groups(count=60):
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % 5 == 0).astype(int)
    features = rng.normal(size=(count, 10))
    features[:, :4] += 6 * labels[:, None]
    return features, labels


def written(tmp_path, features, labels, **options):
    write_embedding_map(features, labels=labels, classes=["a", "b"], out=tmp_path, **options)
    return json.loads((tmp_path / "embedding_map.json").read_text())


@pytest.mark.parametrize("layout", ["pca", "tsne"])
def test_groups_that_lie_apart_lie_apart_on_the_map(tmp_path, layout):
    found = written(tmp_path, *groups(), layout=layout)
    points, labels = np.array(found["points"]), np.array(found["labels"])
    centres = np.array([points[labels == k].mean(axis=0) for k in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.95
    assert (found["explained"] is None) == (layout == "tsne")


def test_the_same_seed_gives_the_same_map_of_a_part(tmp_path):
    first, second = (written(tmp_path / name, *groups(), max_points=20) for name in "ab")
    assert first == second
    assert (first["shown"], first["of"]) == (20, 60)
    assert len(first["points"]) == len(first["labels"]) == 20


def test_a_feature_of_great_scale_does_not_make_the_map(tmp_path):
    features, labels = groups()
    features[:, 9] *= 1e6
    found = written(tmp_path, features, labels)
    points = np.array(found["points"])
    apart = abs(points[labels == 0, 0].mean() - points[labels == 1, 0].mean())
    assert apart > 2 * points[labels == 0, 0].std()


def test_too_few_features_or_labels_are_refused(tmp_path):
    with pytest.raises(ValueError, match="got 2 and 2"):
        written(tmp_path, np.zeros((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match="got 4 and 3"):
        written(tmp_path, np.zeros((4, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="got 'umap'"):
        written(tmp_path, *groups(), layout="umap")
