"""Few labels: a feature that knows the class wins, colour stands beside it, and intervals are over patients."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from medmae.evaluate.classify.classification_scores import METRICS
from medmae.evaluate.classify.few_label_scores import Fit, Samples, score_all
from medmae.evaluate.classify.few_labels import OnFeatures, evaluate_few_labels
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours

CLASSES = ("ADI", "LYM", "TUM")
QUIET = Console(file=io.StringIO(), width=160)


def features(labels, *, apart, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(len(labels), 6))
    found[np.arange(len(labels)), labels] += apart
    return found


def cohort(*, patients=10, each=9, grouped=True, test=None):
    rows = np.tile(np.arange(each) % 3, (patients, 1))  # each patient has every class, in an order of their own
    labels = np.random.default_rng(0).permuted(rows, axis=1).ravel()
    groups = np.repeat([f"p{n}" for n in range(patients)], each)
    names = [{"case": str(group), "tile": f"{n}.png"} for n, group in enumerate(groups)]
    return Samples(labels=labels, classes=CLASSES, names=names, groups=groups if grouped else None, test=test)


def evaluate(out, samples, *, console=QUIET, **options):
    good, bad = (OnFeatures(features=features(samples.labels, apart=a), model=linear_probe()) for a in (4, 0))
    return evaluate_few_labels(
        {"encoder": good},
        baselines={"mean_colour": bad},
        samples=samples,
        out=out,
        budget=30,
        console=console,
        resamples=200,
        **options,
    )


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_feature_that_knows_the_class_beats_one_that_does_not_and_the_interval_says_so(tmp_path):
    record = evaluate(tmp_path, cohort(), folds=5, seeds=(0, 1))
    ours, theirs = (record["scores"][name]["metrics"] for name in ("encoder", "mean_colour"))
    assert ours["balanced_accuracy"]["mean"] > 0.9
    assert theirs["auroc"]["mean"] == pytest.approx(0.5, abs=0.15)
    gain = record["scores"]["encoder"]["gains"]["balanced_accuracy"]
    assert gain["over"] == "mean_colour"
    assert 0.2 < gain["ci_low"] < gain["mean"] < gain["ci_high"]
    assert "gains" not in record["scores"]["mean_colour"]
    assert record["unit"] == "patient"
    assert list(record["scores"]) == ["encoder", "mean_colour"]  # baselines last
    assert ours["auroc"]["n_units"] == 10
    assert ours["auroc"]["fits"]["n"] == 10  # 5 folds, 2 seeds


def test_everything_is_written_and_adds_up(tmp_path):
    record = evaluate(tmp_path, cohort(), folds=5, seeds=(0, 1))
    assert json.loads((tmp_path / "few_labels.json").read_text()) == record
    assert len(rows(tmp_path / "few_labels" / "fits.csv")) == 2 * 10
    predictions = rows(tmp_path / "few_labels" / "predictions.csv")
    assert len(predictions) == 2 * 90
    assert set(predictions[0]) == {"contender", "case", "tile", "label", "predicted", "p_ADI", "p_LYM", "p_TUM"}
    assert sum(float(predictions[0][f"p_{name}"]) for name in CLASSES) == pytest.approx(1)
    patients = [row for row in rows(tmp_path / "few_labels" / "patients.csv") if row["contender"] == "mean_colour"]
    assert sum(int(row["tiles"]) for row in patients) == 90
    right = sum(row["label"] == row["predicted"] for row in predictions if row["contender"] == "mean_colour")
    assert sum(int(row["right"]) for row in patients) == right
    assert np.array(record["scores"]["encoder"]["confusion"]).sum(axis=1).tolist() == [30, 30, 30]


def test_two_evaluations_give_identical_figures(tmp_path):
    assert evaluate(tmp_path / "a", cohort(), folds=3) == evaluate(tmp_path / "b", cohort(), folds=3)


def test_with_a_test_set_of_its_own_every_fit_is_judged_on_all_of_it(tmp_path):
    test = np.arange(90) >= 54
    record = evaluate(tmp_path, cohort(test=test), folds=3)
    fits = rows(tmp_path / "few_labels" / "fits.csv")
    assert {row["tested"] for row in fits} == {"36"}
    assert record["scores"]["encoder"]["metrics"]["accuracy"]["n_units"] == 4
    over_fits = np.mean([float(row["auroc"]) for row in fits if row["contender"] == "mean_colour"])
    assert record["scores"]["mean_colour"]["metrics"]["auroc"]["mean"] == pytest.approx(over_fits)


def test_without_patients_tiles_are_drawn_and_no_patient_is_listed(tmp_path):
    record = evaluate(tmp_path, cohort(grouped=False), folds=3)
    assert record["unit"] == "tile"
    assert record["scores"]["encoder"]["metrics"]["auroc"]["n_units"] == 90
    assert not (tmp_path / "few_labels" / "patients.csv").exists()


def test_the_interval_is_as_wide_as_patients_differ_not_as_many_tiles_as_they_have():
    labels, groups = np.tile([0, 1], 300), np.repeat(["a", "b", "c", "d", "e", "f"], 100)
    right = np.isin(groups, ["a", "b", "c"])  # of half of the patients every tile is right, of the others none
    called = np.where(right, labels, 1 - labels)
    fit = Fit(seed=0, fold=0, samples=np.arange(600), probabilities=np.eye(2)[called])
    for patients, width in ((groups, 0.6), (None, 0.1)):
        scores = score_all({"x": [fit]}, labels, groups=patients, pool_folds=True, baselines=["x"], resamples=500)
        figure = scores["x"]["metrics"]["accuracy"]
        assert figure["mean"] == 0.5
        assert figure["ci_high"] - figure["ci_low"] == pytest.approx(width, abs=0.25 * width + 0.02)


def test_colour_is_printed_beside_every_score(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    evaluate(tmp_path, cohort(), folds=3, console=console)
    text = console.file.getvalue()
    assert "encoder" in text
    assert "mean colour" in text
    assert all(metric.replace("_", " ") in text for metric in METRICS)


def test_an_evaluation_without_a_baseline_is_refused(tmp_path):
    with pytest.raises(ValueError, match="give baselines"):
        evaluate_few_labels({}, baselines={}, samples=cohort(), out=tmp_path)


def test_near_neighbours_vote_more_where_votes_are_weighed():
    x = np.array([[1, 0], [0.6, 0.8], [0.6, 0.8]], dtype=float)
    y = np.array([0, 1, 1])
    near = np.array([[0.99, 0.1]])
    assert nearest_neighbours(neighbours=3, standardise=False).fit(x, y).predict(near).tolist() == [1]
    weighed = nearest_neighbours(neighbours=3, temperature=0.07, standardise=False).fit(x, y)
    assert weighed.predict(near).tolist() == [0]
    cosines = (x @ near[0]) / np.linalg.norm(near)
    votes = np.exp(cosines / 0.07)
    np.testing.assert_allclose(weighed.predict_proba(near)[0], [votes[0], votes[1:].sum()] / votes.sum(), rtol=1e-6)
