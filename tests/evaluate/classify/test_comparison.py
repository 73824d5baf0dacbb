"""Few labels: a feature that knows the class wins, colour stands beside it, and intervals are over patients."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from medmae.evaluate.classify.comparison import Folds, compare_estimators
from medmae.evaluate.classify.estimators import Constant, OnFeatures
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.labelled import Labelled
from medmae.evaluate.classify.protocol_tables import print_scores, write_protocol
from medmae.evaluate.classify.regression import Regression
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours

CLASSES = ("ADI", "LYM", "TUM")
TASK = SingleLabel(classes=CLASSES)


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
    groups = groups if grouped else None
    items = [[{"image": np.zeros(1)}] * len(labels)]
    return Labelled(sets=items, targets=labels, names=names, groups=groups, test=test, item="tile")


def evaluate(out, data, *, console=None, **options):
    good, bad = (OnFeatures(features=features(data.targets, apart=a), model=linear_probe()) for a in (4, 0))
    found = compare_estimators(
        {"encoder, probe": good},
        baselines={"mean colour, probe": bad},
        data=data,
        task=TASK,
        folds=Folds(each=10, **options),
        resamples=200,
    )
    if console is not None:
        print_scores("few", found, TASK, console)
    write_protocol({"few": found}, data=data, task=TASK, out=out)
    return found.record


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_feature_that_knows_the_class_beats_one_that_does_not_and_the_interval_says_so(tmp_path):
    record = evaluate(tmp_path, cohort(), count=5, seeds=(0, 1))
    ours, theirs = (record["scores"][name]["metrics"] for name in ("encoder, probe", "mean colour, probe"))
    assert ours["balanced_accuracy"]["mean"] > 0.9
    assert theirs["auroc"]["mean"] == pytest.approx(0.5, abs=0.15)
    gain = record["scores"]["encoder, probe"]["gains"]["balanced_accuracy"]
    assert gain["over"] == "mean colour, probe"
    assert 0.2 < gain["ci_low"] < gain["mean"] < gain["ci_high"]
    assert "gains" not in record["scores"]["mean colour, probe"]
    assert record["unit"] == "patient"
    assert list(record["scores"]) == ["encoder, probe", "mean colour, probe"]  # baselines last
    assert ours["auroc"]["n_units"] == 10
    assert ours["auroc"]["fits"]["n"] == 10  # 5 folds, 2 seeds


def test_everything_is_written_and_adds_up(tmp_path):
    record = evaluate(tmp_path, cohort(), count=5, seeds=(0, 1))
    assert json.loads((tmp_path / "protocol.json").read_text())["tasks"]["few"] == record
    assert len(rows(tmp_path / "protocol" / "few" / "fits.csv")) == 2 * 10
    predictions = rows(tmp_path / "protocol" / "few" / "predictions.csv")
    assert len(predictions) == 2 * 90
    assert set(predictions[0]) == {
        "encoder",
        "classifier",
        "case",
        "tile",
        "label",
        "predicted",
        "p_ADI",
        "p_LYM",
        "p_TUM",
    }
    assert sum(float(predictions[0][f"p_{name}"]) for name in CLASSES) == pytest.approx(1)
    patients = [row for row in rows(tmp_path / "protocol" / "few" / "patients.csv") if row["encoder"] == "mean colour"]
    assert sum(int(row["samples"]) for row in patients) == 90
    right = sum(row["label"] == row["predicted"] for row in predictions if row["encoder"] == "mean colour")
    assert sum(int(row["samples"]) * float(row["accuracy"]) for row in patients) == pytest.approx(right)
    assert np.array(record["scores"]["encoder, probe"]["confusion"]).sum(axis=1).tolist() == [30, 30, 30]


def test_two_evaluations_give_identical_figures(tmp_path):
    assert evaluate(tmp_path / "a", cohort(), count=3) == evaluate(tmp_path / "b", cohort(), count=3)


def test_with_a_test_set_of_its_own_every_fit_is_judged_on_all_of_it(tmp_path):
    test = np.arange(90) >= 54
    record = evaluate(tmp_path, cohort(test=test), count=3)
    fits = rows(tmp_path / "protocol" / "few" / "fits.csv")
    assert {row["tested"] for row in fits} == {"36"}
    assert record["scores"]["encoder, probe"]["metrics"]["accuracy"]["n_units"] == 4
    over_fits = np.mean([float(row["auroc"]) for row in fits if row["encoder"] == "mean colour"])
    assert record["scores"]["mean colour, probe"]["metrics"]["auroc"]["mean"] == pytest.approx(over_fits)


def test_without_patients_tiles_are_drawn_and_no_patient_is_listed(tmp_path):
    record = evaluate(tmp_path, cohort(grouped=False), count=3)
    assert record["unit"] == "tile"
    assert record["scores"]["encoder, probe"]["metrics"]["auroc"]["n_units"] == 90
    assert not (tmp_path / "protocol" / "few" / "patients.csv").exists()


def test_the_interval_is_as_wide_as_patients_differ_not_as_many_tiles_as_they_have():
    labels, groups = np.tile([0, 1], 300), np.repeat(["a", "b", "c", "d", "e", "f"], 100)
    right = np.isin(groups, ["a", "b", "c"])  # of half of the patients every tile is right, of the others none
    called = np.where(right, labels, 1 - labels)
    fit = Fit(seed=0, fold=0, samples=np.arange(600), predictions=np.eye(2)[called])
    for patients, width in ((groups, 0.6), (None, 0.1)):
        scores = score_all(
            {"x": [fit]},
            labels,
            task=SingleLabel(classes="ab"),
            groups=patients,
            pool_folds=True,
            baselines=["x"],
            resamples=500,
        )
        figure = scores["x"]["metrics"]["accuracy"]
        assert figure["mean"] == 0.5
        assert figure["ci_high"] - figure["ci_low"] == pytest.approx(width, abs=0.25 * width + 0.02)


def test_colour_is_printed_beside_every_score(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    evaluate(tmp_path, cohort(), count=3, console=console)
    text = console.file.getvalue()
    assert "encoder" in text
    assert "mean colour" in text
    assert all(metric.replace("_", " ") in text for metric in TASK.metrics)


def test_an_evaluation_without_a_baseline_is_refused():
    with pytest.raises(ValueError, match="give baselines"):
        compare_estimators({}, baselines={}, data=cohort(), task=TASK, folds=Folds())


def test_the_same_answer_to_all_is_the_majority_of_those_to_learn_from():
    labels = np.array([0, 2, 2, 2, 1, 0])
    fold = Fold(train=np.arange(4), val=np.empty(0, int), test=np.array([4, 5]))
    assert Constant()(fold, labels, task=TASK, seed=0).tolist() == [[0.25, 0, 0.75]] * 2


def test_the_best_baseline_is_the_best_of_those_that_have_the_figure():
    fit = {name: [Fit(seed=0, fold=0, samples=np.arange(2), predictions=np.array(said))] for name, said in {
        "x": [[1.0], [3.0]], "mean": [[2.0], [2.0]], "worse": [[3.0], [1.0]]}.items()}  # fmt: skip
    task = Regression(names=["ef"])
    options = {"task": task, "groups": None, "pool_folds": False, "baselines": ["mean", "worse"], "resamples": 20}
    found = score_all(fit, np.array([[1.0], [3.5]]), **options)
    assert found["mean"]["metrics"]["r"]["mean"] is None
    assert found["x"]["gains"]["r"]["over"] == "worse"
    assert found["x"]["gains"]["mae"] | {"ci_low": 0, "ci_high": 0} == {
        "over": "mean", "mean": pytest.approx(1.0), "ci_low": 0, "ci_high": 0,
    }  # fmt: skip


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
