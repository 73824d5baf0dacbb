"""A probe reads what is in the features, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.evaluate.features.probe import linear_probe, nearest_neighbours

PROBES = [linear_probe, nearest_neighbours]


def task(*, apart=4.0, seed=0, count=60):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    features = rng.normal(size=(count, 5))
    features[np.arange(count), labels] += apart
    return features, labels


def score(probe, train, test, **options):
    return probe(**options).fit(*train).score(*test)


@pytest.mark.parametrize("probe", PROBES)
def test_features_that_separate_the_classes_score_high_and_noise_scores_chance(probe):
    assert score(probe, task(), task(seed=1)) > 0.9
    assert score(probe, task(apart=0, count=600), task(apart=0, seed=1, count=600)) == pytest.approx(1 / 3, abs=0.08)


@pytest.mark.parametrize("probe", PROBES)
def test_the_scale_of_a_feature_does_not_matter(probe):
    units = np.array([1e-4, 1.0, 1e3, 1.0, 1e4])
    (a, labels), (b, others) = task(), task(seed=1)
    scaled = score(probe, (a * units, labels), (b * units, others))
    assert scaled == score(probe, (a, labels), (b, others))


@pytest.mark.parametrize("probe", PROBES)
def test_the_same_features_give_the_same_accuracy(probe):
    assert score(probe, task(apart=1), task(apart=1, seed=1)) == score(probe, task(apart=1), task(apart=1, seed=1))


@pytest.mark.parametrize("probe", PROBES)
def test_features_and_labels_of_different_number_are_refused(probe):
    features, labels = task()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        score(probe, (features, labels[:-1]), task(seed=1))


def test_one_class_is_refused():
    features, _ = task()
    with pytest.raises(ValueError, match="at least 2 classes"):
        score(linear_probe, (features, np.zeros(60)), task(seed=1))


def test_more_neighbours_than_samples_are_refused():
    with pytest.raises(ValueError, match="n_neighbors"):
        score(nearest_neighbours, task(count=6), task(seed=1), neighbours=7)
