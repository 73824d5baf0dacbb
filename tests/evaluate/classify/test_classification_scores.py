"""Figures of classification: scikit-learn's, and the same ones for many weightings at once."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from medmae.evaluate.classify.classification_scores import DEFINITIONS, weighted_scores
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.statistics import patient_draws


def classification_scores(truth, probabilities):
    return {name: values[0] for name, values in weighted_scores(truth, probabilities, np.ones((1, len(truth)))).items()}


def predictions(*, count=200, classes=4, ties=False, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=count)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), truth] += 0.8
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, np.round(probabilities, 1) if ties else probabilities


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
def test_many_weightings_give_what_scikit_learn_gives_for_the_samples_repeated(ties, classes):
    truth, probabilities = predictions(classes=classes, ties=ties)
    weights = np.random.default_rng(1).integers(0, 3, size=(5, len(truth))).astype(float)
    found = weighted_scores(truth, probabilities, weights)
    for draw, weight in enumerate(weights.astype(int)):
        repeated = np.repeat(np.arange(len(truth)), weight)
        wanted = classification_scores(truth[repeated], probabilities[repeated])
        for name in DEFINITIONS:
            assert found[name][draw] == pytest.approx(wanted[name], abs=1e-12)


def test_figures_are_those_of_scikit_learn():
    truth, probabilities = predictions()
    scores, called = classification_scores(truth, probabilities), probabilities.argmax(axis=1)
    assert scores["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, called))
    assert scores["macro_f1"] == pytest.approx(f1_score(truth, called, average="macro"))
    assert scores["auroc"] == pytest.approx(roc_auc_score(truth, probabilities, multi_class="ovr"))
    assert scores["accuracy"] == (truth == called).mean()


def test_a_class_that_no_sample_has_counts_nowhere():
    truth, probabilities = np.array([0, 0, 1, 1]), np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0, 1, 0], [0, 1, 0]])
    scores = classification_scores(truth, probabilities)
    assert scores["balanced_accuracy"] == pytest.approx(0.75)
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.filterwarnings("error")
def test_one_class_has_no_area_under_a_curve():
    truth, probabilities = np.zeros(3, dtype=int), np.array([[1.0, 0.0], [0.9, 0.1], [0.2, 0.8]])
    assert np.isnan(classification_scores(truth, probabilities)["auroc"])
    assert classification_scores(truth, probabilities)["balanced_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.filterwarnings("error")
def test_a_draw_without_one_of_the_classes_has_no_mean_over_them_as_the_same_answer_to_all_would_be_right_there():
    truth, probabilities = np.array([0, 0, 1]), np.tile([0.8, 0.1, 0.1], (3, 1))
    found = weighted_scores(truth, probabilities, np.array([[2.0, 1.0, 0.0], [1.0, 0.0, 2.0]]))
    for name in ("balanced_accuracy", "macro_f1", "auroc"):
        assert np.isnan(found[name]).tolist() == [True, False]
    assert found["balanced_accuracy"][1] == 0.5
    assert found["accuracy"] == pytest.approx([1, 1 / 3])


@pytest.mark.parametrize(("owners", "known"), [(1, False), (2, False), (5, True)])
def test_there_is_no_interval_where_many_draws_of_patients_lack_a_class(owners, known):
    truth = (np.arange(10) < owners).astype(int)  # a sample a patient
    predictions = np.tile([0.7, 0.3], (10, 1))
    fits = {"same answer": [Fit(seed=0, fold=0, samples=np.arange(10), predictions=predictions)]}
    task = SingleLabel(classes=("healthy", "ill"))
    found = score_all(fits, truth, task=task, groups=np.arange(10), pool_folds=False, baselines=["same answer"])
    metrics = found["same answer"]["metrics"]
    assert metrics["balanced_accuracy"]["mean"] == 0.5
    assert metrics["balanced_accuracy"]["ci_low"] == (0.5 if known else None)
    assert metrics["accuracy"]["ci_low"] is not None


def test_a_bootstrap_draws_whole_patients_and_as_many_as_there_are():
    groups = np.array(["b", "a", "b", "c", "c", "c"])
    draws, member = patient_draws(groups, resamples=50)
    assert member.tolist() == [1, 0, 1, 2, 2, 2]
    assert (draws.sum(axis=1) == 3).all()
    assert draws.std() > 0
    assert np.array_equal(draws, patient_draws(groups, resamples=50)[0])
