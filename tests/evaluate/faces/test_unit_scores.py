"""Scores of action units: the reference's F1, areas, ICC(3,1), thresholds from validation alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from medmae.evaluate.faces.unit_scores import IntensityScores, UnitScores, at_half, best_thresholds

NAMES = ("AU1", "AU2", "AU4")


def drawn(count=60, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random((count, 3)) < [0.4, 0.2, 0.6]).astype(float)
    return targets, np.clip(0.6 * targets + rng.random((count, 3)) * 0.6, 0, 1)


def test_figures_are_those_of_scikit_learn():
    targets, shares = drawn()
    found = UnitScores(names=NAMES).scores(targets, shares)
    each = [f1_score(targets[:, k], shares[:, k] >= 0.5) for k in range(3)]
    assert found["f1"] == pytest.approx(np.mean(each))
    assert found["f1_AU2"] == pytest.approx(each[1])
    assert found["auroc_AU4"] == pytest.approx(roc_auc_score(targets[:, 2], shares[:, 2]))
    assert found["accuracy"] == pytest.approx(((shares >= 0.5) == targets).mean())


def test_the_two_conventions_differ_where_nobody_shows_a_unit():
    targets, shares = drawn()
    targets[:, 1] = 0
    found = UnitScores(names=NAMES).scores(targets, shares)
    assert found["f1_AU2"] == 0
    assert found["f1"] == pytest.approx((found["f1_AU1"] + found["f1_AU4"]) / 3)
    assert found["f1_shown"] == pytest.approx((found["f1_AU1"] + found["f1_AU4"]) / 2)
    assert np.isnan(found["auroc_AU2"])
    assert UnitScores(names=NAMES).extras(targets, shares[None]) == {"nobody_shows": ["AU2"], "nobody_coded": []}


def test_what_nobody_coded_counts_nowhere():
    targets, shares = drawn()
    part = targets.copy()
    part[::3, 0] = np.nan
    whole = UnitScores(names=NAMES).scores(part, shares)
    some = np.arange(60) % 3 != 0
    assert whole["f1_AU1"] == pytest.approx(f1_score(targets[some, 0], shares[some, 0] >= 0.5))
    assert whole["auroc_AU1"] == pytest.approx(roc_auc_score(targets[some, 0], shares[some, 0]))
    assert whole["f1_AU2"] == UnitScores(names=NAMES).scores(targets, shares)["f1_AU2"]


def test_weights_are_how_often_a_frame_was_drawn():
    targets, shares = drawn()
    weights = np.random.default_rng(1).integers(0, 3, (1, 60)).astype(float)
    drawn_again = np.repeat(np.arange(60), weights[0].astype(int))
    for task in (UnitScores(names=NAMES), IntensityScores(names=NAMES)):
        weighted = task.weighted(targets, shares, weights)
        for name, value in task.scores(targets[drawn_again], shares[drawn_again]).items():
            assert weighted[name][0] == pytest.approx(value)


def test_thresholds_maximise_f1_and_half_is_where_they_are_brought():
    targets, shares = drawn()
    shares = shares * 0.4  # far from one half
    limits = best_thresholds(targets, shares)
    moved = at_half(shares, limits)
    for k in range(3):
        best = max(f1_score(targets[:, k], shares[:, k] >= limit) for limit in np.unique(shares[:, k]))
        assert f1_score(targets[:, k], moved[:, k] >= 0.5) == pytest.approx(best)
        assert np.array_equal(np.argsort(moved[:, k], kind="stable"), np.argsort(shares[:, k], kind="stable"))
    assert best_thresholds(np.zeros((5, 1)), np.random.default_rng(0).random((5, 1))).tolist() == [0.5]


def test_icc_is_that_of_an_analysis_of_variance():
    rng = np.random.default_rng(3)
    true = rng.uniform(0, 5, (30, 1))
    said = np.clip(true + rng.normal(0, 1, (30, 1)), 0, 5)
    both = np.concatenate([true, said], axis=1)
    rows = 2 * ((both.mean(axis=1) - both.mean()) ** 2).sum() / 29
    columns = 30 * ((both.mean(axis=0) - both.mean()) ** 2).sum()
    rest = (((both - both.mean()) ** 2).sum() - 29 * rows - columns) / 29
    task = IntensityScores(names=("AU1",))
    assert task.scores(true, said)["icc"] == pytest.approx((rows - rest) / (rows + rest))
    assert task.scores(true, true + 1)["icc"] == pytest.approx(1)
    assert task.scores(true, 0.2 * true)["icc"] < 0.5
    assert task.scores(true, said)["mae"] == pytest.approx(np.abs(true - said).mean())
