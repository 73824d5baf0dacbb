"""Figures of CMU-MOSEI: weighted accuracy is balanced accuracy of a class, and the F1 of both answers is weighted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from medmae.evaluate.classify.multi_label import MultiLabel, at_half


def test_weighted_accuracy_and_weighted_f1_are_the_reference_s(golden):
    known = golden("pair_emotion")
    said, truth = known["in.wacc_p"].double().numpy(), known["in.wacc_y"].numpy() > 0.5
    accuracy, f1 = at_half(truth, said, np.ones((1, len(truth))))
    assert accuracy[0] == pytest.approx(float(known["out.wacc"]), abs=1e-6)
    assert accuracy[0] == pytest.approx(0.509375)
    assert f1[0] == pytest.approx(float(known["out.weighted_f1"]), abs=1e-6)


def test_they_are_those_of_scikit_learn_and_an_emotion_without_positives_is_named_and_left_out():
    rng = np.random.default_rng(0)
    truth, said = rng.random((80, 3)) < 0.3, rng.random((80, 3))
    truth[:, 2] = False
    task = MultiLabel(classes=["happy", "sad", "fear"])
    found = task.scores(truth.astype(float), said)
    wanted = [balanced_accuracy_score(truth[:, k], said[:, k] > 0.5) for k in range(2)]
    assert found["weighted_accuracy"] == pytest.approx(np.mean(wanted))
    f1 = [f1_score(truth[:, k], said[:, k] > 0.5, average="weighted") for k in range(2)]
    assert found["weighted_f1"] == pytest.approx(np.mean(f1))
    assert task.extras(truth.astype(float), said[None])["without_figure"] == ["fear"]


def test_d_prime_is_what_the_mean_area_tells():
    task, truth = MultiLabel(classes=["a"]), np.array([[0.0], [1], [0], [1]])
    found = task.scores(truth, np.array([[0.1], [0.9], [0.6], [0.4]]))
    assert found["auroc"] == 0.75
    assert found["d_prime"] == pytest.approx(0.95387, abs=1e-4)  # sqrt(2) * 0.67449
    assert task.scores(truth, np.full((4, 1), 0.5))["d_prime"] == 0.0
