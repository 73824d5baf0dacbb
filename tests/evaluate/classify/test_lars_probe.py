"""MAE's linear probe on frozen features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.lars_probe import LarsProbe
from medmae.evaluate.classify.single_label import SingleLabel

THREE = SingleLabel(classes=("a", "b", "c"))


@pytest.fixture
def task():
    """Features of three classes, two noisy directions of sixteen; scales differ by a thousand."""
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    features = rng.normal(size=(300, 16)).astype(np.float32)
    features[:, :2] += 2.5 * np.array([[0, 0], [1, 0], [0, 1]])[labels]
    features *= np.logspace(-1.5, 1.5, 16)
    return features, labels, Fold(train=np.arange(150), val=np.empty(0, int), test=np.arange(150, 300))


def test_it_learns_whatever_the_scale_of_each_feature(task):
    features, labels, fold = task
    found = LarsProbe(features=features, epochs=40, batch_size=32)(fold, labels, task=THREE, seed=0)
    assert found.shape == (150, 3)
    assert np.allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1) == labels[fold.test]).mean() > 0.72


def test_the_seed_decides_everything_and_torch_s_own_generator_is_left_alone(task):
    features, labels, fold = task
    probe, before = LarsProbe(features=features, epochs=2), torch.get_rng_state()
    first, again = (probe(fold, labels, task=THREE, seed=4) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, probe(fold, labels, task=THREE, seed=5))
    assert torch.equal(torch.get_rng_state(), before)
