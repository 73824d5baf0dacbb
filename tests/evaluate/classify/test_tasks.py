"""Tasks beside one class a sample: several labels, numbers, and retrieval."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from medmae.evaluate.classify.attentive_probe import AttentiveProbe
from medmae.evaluate.classify.estimators import Constant, OnFeatures
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.lars_probe import LarsProbe
from medmae.evaluate.classify.multi_label import MultiLabel
from medmae.evaluate.classify.regression import Regression
from medmae.evaluate.classify.retrieval import Retrieval, expected_ranks, found_within, standings
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.classify.task import trainable

LABELS, EF = MultiLabel(classes=("effusion", "nodule", "mass")), Regression(names=("ef",), unit="%")
FOLD = Fold(train=np.arange(120), val=np.empty(0, int), test=np.arange(120, 200))


def rng(seed=0):
    return np.random.default_rng(seed)


def weights_of(count, *, draws=5):
    return rng(3).integers(0, 3, size=(draws, count))


# ------------------------------------------------------------------------------------------------- several labels
@pytest.mark.parametrize("decimals", [1, 8])
def test_precision_and_areas_of_labels_are_scikit_learn_s_for_the_samples_repeated(decimals):
    truth = (rng(0).random((60, 3)) < [0.5, 0.2, 0.8]).astype(float)
    said = np.round(0.4 * truth + rng(1).random((60, 3)), decimals)  # of one decimal there are many ties
    weights = weights_of(60)
    found = LABELS.weighted(truth, said, weights.astype(float))
    for draw, weight in enumerate(weights):
        y, x = np.repeat(truth, weight, axis=0), np.repeat(said, weight, axis=0)
        assert found["map"][draw] == pytest.approx(average_precision_score(y, x, average="macro"), rel=1e-9)
        assert found["auroc"][draw] == pytest.approx(roc_auc_score(y, x, average="macro"), rel=1e-9)
        assert found["auroc_nodule"][draw] == pytest.approx(roc_auc_score(y[:, 1], x[:, 1]), rel=1e-9)


def test_labels_that_nobody_or_everybody_has_are_left_out_of_the_means_and_named():
    truth = np.array([[0, 1, 1], [1, 1, 0], [0, 1, 1]], dtype=float)
    truth[:, 0] = 0
    found = LABELS.scores(truth, rng().random((3, 3)))
    assert np.isnan(found["auroc_effusion"])
    assert np.isnan(found["auroc_nodule"])
    assert found["auroc"] == found["auroc_mass"]
    assert LABELS.extras(truth, np.zeros((1, 3, 3))) == {"without_figure": ["effusion", "nodule"]}


def test_every_probe_learns_several_labels():
    truth = (rng(0).random((200, 3)) < 0.4).astype(np.float32)
    features = np.concatenate([2.5 * truth, np.zeros((200, 5))], axis=1) + rng(1).normal(size=(200, 8))
    for model in LABELS.models(neighbours=5).values():
        said = OnFeatures(features=features, model=model)(FOLD, truth, task=LABELS, seed=0)
        assert said.shape == (80, 3)
        assert LABELS.scores(truth[FOLD.test], said)["auroc"] > 0.85
    said = LarsProbe(features=features.astype(np.float32))(FOLD, truth, task=LABELS, seed=0)
    assert LABELS.scores(truth[FOLD.test], said)["map"] > 0.8
    said = Constant()(FOLD, truth, task=LABELS, seed=0)
    np.testing.assert_allclose(said[0], truth[FOLD.train].mean(axis=0), rtol=1e-6)


# ------------------------------------------------------------------------------------------------------- numbers
def test_errors_of_numbers_are_scikit_learn_s_for_the_samples_repeated():
    truth = 55 + 10 * rng(0).normal(size=(50, 1))
    said = 0.5 * truth + 30 + 4 * rng(1).normal(size=(50, 1))
    weights = weights_of(50)
    found = EF.weighted(truth, said, weights.astype(float))
    for draw, weight in enumerate(weights):
        y, x = np.repeat(truth[:, 0], weight), np.repeat(said[:, 0], weight)
        assert found["mae"][draw] == pytest.approx(np.abs(y - x).mean())
        assert found["r2"][draw] == pytest.approx(r2_score(y, x))
        assert found["r"][draw] == pytest.approx(pearsonr(y, x)[0])


def test_numbers_that_do_not_vary_have_no_share_of_variance_and_a_constant_answer_no_correlation():
    assert np.isnan(EF.scores(np.full((4, 1), 50.0), rng().random((4, 1)))["r2"])
    found = EF.scores(np.arange(4.0)[:, None], np.full((4, 1), 1.5))
    assert np.isnan(found["r"])
    assert found["r2"] == pytest.approx(0)


def test_every_regressor_learns_a_number_in_its_own_unit():
    features = rng(0).normal(size=(200, 6))
    truth = (55 + 8 * features[:, :1]).astype(np.float32)
    for name, model in EF.models(neighbours=5).items():
        said = OnFeatures(features=features, model=model)(FOLD, truth, task=EF, seed=0)
        assert EF.scores(truth[FOLD.test], said)["mae"] < (0.5 if "ridge" in name else 5.5)
    assert Constant()(FOLD, truth, task=EF, seed=0)[0] == pytest.approx(truth[FOLD.train].mean())


def test_networks_learn_standardised_numbers_and_answer_in_the_unit():
    truth = np.array([[40.0], [60.0]])
    task = EF.fitted(truth)
    assert task.tensor(truth).tolist() == [[-1.0], [1.0]]
    torch.testing.assert_close(task.link(task.tensor(truth)), torch.tensor([[40.0], [60.0]]))
    assert float(task.loss(torch.zeros(2, 1), task.tensor(truth))) == 1.0
    assert not EF.higher_is_better("mae")
    assert EF.validation(truth, truth + 1) < EF.validation(truth, truth)


# ----------------------------------------------------------------------------------------------------- retrieval
def test_ranks_count_what_is_more_similar_and_ties_are_in_random_order():
    similarity = np.array([[0.9, 0.5, 0.1], [0.5, 0.5, 0.9], [0.2, 0.9, 0.9], [0.5, 0.5, 0.5]])
    belongs = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 1, 0]], dtype=bool)
    found = standings(similarity, belongs)
    assert found.tolist() == [[1, 0, 1], [1, 1, 1], [0, 0, 2], [0, 1, 2]]
    assert expected_ranks(found).tolist() == pytest.approx([2, 2.5, 1, 4 / 3])
    assert found_within(found, 1).tolist() == pytest.approx([0, 0, 1, 2 / 3])
    assert found_within(found, 2).tolist() == pytest.approx([1, 0.5, 1, 1])


def test_similarities_that_are_no_numbers_are_refused_and_not_ranked_first():
    with pytest.raises(ValueError, match="1 of 2 similarities are no numbers"):
        standings(np.array([[np.nan, 0.5]]), np.array([[True, False]]))


def test_recall_and_ranks_of_weighted_queries():
    task, answers = Retrieval(labels="abc"), np.array([[0, 0, 1], [2, 0, 1], [11, 2, 1], [6, 0, 1]], dtype=float)
    found = task.scores(np.zeros(4, int), answers)
    wanted = {"r_at_1": 0.25, "r_at_5": 0.5, "r_at_10": 0.75, "median_rank": 5.0, "mean_rank": 6.0, "tied": 0.25}
    assert found == wanted
    twice = task.weighted(np.zeros(4, int), answers, np.array([[2.0, 0, 1, 0]]))
    assert twice["median_rank"].tolist() == [1]
    assert twice["r_at_1"].tolist() == [pytest.approx(2 / 3)]


def test_features_that_know_the_label_find_it_and_those_that_do_not_are_tied():
    labels = np.arange(200) % 4
    task = Retrieval(labels="abcd")
    for features, wanted in ((np.eye(4)[labels], [0, 0, 30]), (np.ones((200, 4)), [0, 90, 30])):
        (model,) = task.models(neighbours=5).values()
        said = OnFeatures(features=features, model=model)(FOLD, labels, task=task, seed=0)
        assert said[0].tolist() == wanted
    assert Constant()(FOLD, labels, task=task, seed=0)[0].tolist() == [0, 90, 30]
    assert task.each(labels[:1], np.array([[0.0, 90, 30]])).tolist() == pytest.approx([0.25])


def test_what_trains_a_network_refuses_a_task_that_no_network_is_trained_for():
    features = np.ones((200, 4), np.float32)
    for probe in (LarsProbe(features=features), AttentiveProbe(tokens=features[:, None])):
        with pytest.raises(ValueError, match="no network is trained for retrieval"):
            probe(FOLD, np.arange(200) % 4, task=Retrieval(labels="abcd"), seed=0)
    assert trainable(EF) is EF


# ------------------------------------------------------------------------------------------------ attentive probe
def test_an_attentive_probe_finds_the_token_that_tells_and_draws_only_by_its_seed():
    labels = np.arange(200) % 2
    tokens, place = rng().normal(size=(200, 9, 16)).astype(np.float16), rng(1).integers(9, size=200)
    tokens[:, :, 0] *= 2  # so that a mean hardly sees the one that is marked
    tokens[np.arange(200), place, :2] = np.stack([np.where(labels, 3, -3), np.full(200, 8)], axis=1)
    probe, task = AttentiveProbe(tokens=tokens, num_heads=3, epochs=60, lr=5e-3), SingleLabel(classes="ab")
    state = torch.get_rng_state()
    first, again = (probe(FOLD, labels, task=task, seed=2) for _ in range(2))
    assert np.array_equal(first, again)
    assert torch.equal(state, torch.get_rng_state())
    assert (first.argmax(axis=1) == labels[FOLD.test]).mean() > 0.85
    model = task.models(neighbours=5)["logistic regression"]
    mean = OnFeatures(features=tokens.mean(axis=1), model=model)(FOLD, labels, task=task, seed=0)
    assert (mean.argmax(axis=1) == labels[FOLD.test]).mean() < 0.75
    said = AttentiveProbe(tokens=tokens)(FOLD, 50 + 10.0 * labels[:, None], task=Regression(names="x"), seed=0)
    assert 40 < said.min() < 55 < said.max() < 70
