"""Draws by class: rare ones as often as frequent ones, the same on every machine and after every restart."""

from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import Dataset

from medmae.errors import DataError
from medmae.training.balance import balanced_weights
from medmae.training.loader import ResumableLoader
from medmae.training.sampler import SeededSampler


class Labelled(Dataset):
    def __init__(self, labels):
        self.labels = np.asarray(labels)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return {"index": index}


def test_a_sample_of_a_rare_class_weighs_as_many_times_more_as_its_class_is_rarer():
    weights = balanced_weights(np.array([0] * 90 + [1] * 10 + [-1]))
    assert weights[95] / weights[0] == pytest.approx(9, rel=1e-3)
    assert weights[-1] == 0
    assert weights.sum() == pytest.approx(1)


def test_a_sample_of_several_classes_weighs_their_sum():
    labels = np.array([[1, 0, 0]] * 8 + [[0, 1, 0]] * 2 + [[1, 1, 0], [np.nan] * 3], dtype=np.float32)
    weights = balanced_weights(labels)
    assert weights[10] == pytest.approx(weights[0] + weights[8])
    assert weights[11] == 0


def test_classes_without_samples_and_samples_without_classes_are_refused_where_nothing_is_left():
    for labels in (np.array([-1, -1]), np.array([[0.5], [1.0]])):
        with pytest.raises(DataError, match="balanced"):
            balanced_weights(labels)


@pytest.mark.parametrize("replacement", [True, False])
def test_both_classes_are_drawn_alike_and_an_epoch_is_a_function_of_its_number(replacement):
    labels = np.array([0] * 900 + [1] * 100)
    weights = balanced_weights(labels)
    sampler = SeededSampler(samples=1000, weights=weights, replacement=replacement, num_samples=100)
    shares = [labels[sampler.order(epoch)].mean() for epoch in range(30)]
    assert np.mean(shares) == pytest.approx(0.5 if replacement else 0.45, abs=0.06)
    again = SeededSampler(samples=1000, weights=weights, replacement=replacement, num_samples=100)
    assert np.array_equal(sampler.order(3), again.order(3))
    assert not np.array_equal(sampler.order(3), sampler.order(4))
    if not replacement:
        assert len(set(sampler.order(0).tolist())) == 100


def test_more_than_have_a_weight_need_replacement():
    weights = np.array([1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="replacement=True"):
        SeededSampler(samples=3, weights=weights)
    assert set(SeededSampler(samples=3, weights=weights, replacement=True).order(0).tolist()) <= {0, 1}


def test_a_position_is_that_of_its_weights():
    loader = ResumableLoader(dataset=Labelled([0] * 8 + [1] * 4), batch_size=2, balanced=True)
    other = ResumableLoader(dataset=Labelled([0] * 6 + [1] * 6), batch_size=2, balanced=True)
    plain = ResumableLoader(dataset=Labelled([0] * 6 + [1] * 6), batch_size=2)
    assert "weights" not in plain.describe_order()
    with pytest.raises(DataError, match="another order"):
        loader.load_state_dict(other.state_dict())
