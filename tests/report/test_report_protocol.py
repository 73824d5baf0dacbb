"""What encoders that were judged, and images, add to the page."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from medmae.evaluate.classify.few_label_scores import Fit, Samples, score_all
from medmae.evaluate.segmentation.segmentation_tables import DiceRow, write_segmentation
from medmae.report import build_report, write_report


def titles(run):
    return [section.title for section in build_report(run).sections]


@pytest.fixture
def judged(make_run):
    """A run with two encoders by one classifier, on images without patients."""
    run = make_run(evaluation=False)
    rng, labels = np.random.default_rng(0), np.arange(30) % 3
    samples = Samples(labels=labels, classes=["a", "b", "c"], names=[{}] * 30)

    def fits(chance):
        each = [np.eye(3)[np.where(rng.random(30) < chance, (labels + 1) % 3, labels)] for _ in range(2)]
        return [Fit(seed=i, fold=0, samples=np.arange(30), probabilities=rows) for i, rows in enumerate(each)]

    found = {"one<b>, knn": fits(0.1), "raw pixels, knn": fits(0.5)}
    scores = score_all(found, labels, groups=None, pool_folds=False, baselines=["raw pixels, knn"], resamples=20)
    record = {
        "scores": scores, "baselines": ["raw pixels, knn"], "classes": ["a", "b", "c"], "labels": 12, "seeds": [0, 1],
        "unit": "image", "definitions": {}, "folds": 1,
    }  # fmt: skip
    row = {"task": "all labels", "classifier": "knn", "a": "one<b>", "b": "raw pixels", "b_minus_a": -0.4}
    paired = [{**row, "ci_low": -0.5, "ci_high": -0.3, "p_wilcoxon": 0.001, "n": 30}]
    (run / "evaluation").mkdir(exist_ok=True)
    (run / "evaluation" / "protocol.json").write_text(json.dumps({"tasks": {"all labels": record}, "paired": paired}))
    assert samples.item == "tile"
    return run


def test_the_protocol_stands_in_the_place_of_reconstructions_and_their_scores(judged):
    found = titles(judged)
    assert "Protocol" in found
    assert not {"Reconstructions", "Baselines"} & set(found)


def test_every_encoder_stands_beside_the_baseline_with_its_interval_and_names_are_text(judged):
    html = write_report(judged).read_text()
    assert "one&lt;b&gt;" in html
    assert "one<b>" not in html
    assert "-0.400" in html or "\u22120.400" in html
    assert "Guessing is right once in 3" in html
    assert "No patient is known" in html


def test_dice_of_a_segmentation_is_shown_with_its_paired_differences(make_run):
    run = make_run()
    rows = [
        DiceRow(name, seed, 0, f"p{k}", "tumour", base + 0.1 * k + 0.01 * seed, True)
        for name, base in (("mine", 0.5), ("from scratch", 0.3))
        for seed in (0, 1)
        for k in range(3)
    ]
    write_segmentation(rows, out=run / "evaluation")
    html = write_report(run).read_text()
    assert "Segmentation" in titles(run)
    assert "0.605" in html  # mean over seeds and patients
    assert "from scratch minus mine" in html


def test_a_patient_without_a_class_counts_for_nobody_but_as_a_false_alarm(tmp_path):
    rows = [
        DiceRow("x", 0, 0, "p1", "a", 0.5, True), DiceRow("x", 0, 0, "p2", "a", float("nan"), False),
        DiceRow("y", 0, 0, "p1", "a", 0.7, True), DiceRow("y", 0, 0, "p2", "a", 0.0, False),
    ]  # fmt: skip
    write_segmentation(rows, out=tmp_path)
    summary = {
        (r["encoder"], r["class"]): r for r in csv.DictReader((tmp_path / "segmentation" / "summary.csv").open())
    }
    assert [summary[name, "a"]["n_subjects"] for name in "xy"] == ["1", "1"]
    assert [float(summary[name, "a"]["false_alarms"]) for name in "xy"] == [0.0, 1.0]
    (paired,) = [r for r in csv.DictReader((tmp_path / "segmentation" / "paired.csv").open()) if r["class"] == "a"]
    assert float(paired["b_minus_a"]) == pytest.approx(0.2)
    assert paired["n_subjects"] == "1"


def test_accuracies_of_probes_are_a_curve_of_their_own(make_run):
    run = make_run()
    rows = list(csv.DictReader((run / "logs" / "metrics.csv").open()))
    with (run / "logs" / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "probe/neighbours"])
        writer.writeheader()
        writer.writerows({**row, "probe/neighbours": 0.5} for row in rows)
    html = write_report(run).read_text()
    assert "Accuracy of frozen features" in html


def test_attention_maps_are_shown_where_there_are_any(make_run):
    from medmae.evaluate.reconstruct.panels import write_panels

    run = make_run()
    assert "Attention maps" not in titles(run)
    picture = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    write_panels(run / "evaluation" / "attention", [({"case": "x"}, {"input": picture, "head 1": picture})])
    assert "Attention maps" in titles(run)
    assert list((run / "figures").glob("attention_*.png"))


def test_images_without_patients_are_counted_as_images_and_their_names_are_not_listed(make_run):
    cases = [
        {"case": f"{s} a", "subject": f"{s} a", "split": s, "images": n, "flags": "no_patient split_by_image"}
        for s, n in (("train", 900), ("val", 50), ("test", 270))
    ]
    subjects = {"train": [f"train/{number:06d}" for number in range(900)], "val": [], "test": ["test/000000"]}
    run = make_run(evaluation=False, data={"cases": cases, "subjects": subjects, "quarantine": []})
    html = write_report(run).read_text().replace("\u00a0", " ")
    assert "was trained on 900 images, whose patients are not known; 270 images were held out" in html
    assert "No patient is known" in html
    assert "train/000003" not in html
    assert "No subject is in two splits" not in html
