"""What evaluated encoders, and images, add to the page."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest

from medmae.evaluate.classify.comparison import Comparison
from medmae.evaluate.classify.labelled import Labelled
from medmae.evaluate.classify.protocol_tables import write_protocol
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.segmentation.segmentation_tables import DiceRow, write_segmentation
from medmae.report import build_report, write_report


def titles(run):
    return [section.title for section in build_report(run).sections]


CLASSES, BASELINE = ("a", "b", "c"), "raw pixels, knn"
DEFAULTS = {
    "labels": 12,
    "labels_each": 4,
    "validation": 0,
    "folds": 1,
    "tested_on": "a test set of its own",
    "views": 1,
    "unlabelled": 0,
}


@pytest.fixture
def evaluated(make_run):
    """Returns a function that writes a run with two encoders by one classifier."""

    def write(*, ours=0.1, theirs=0.5, patients=True, **options):
        run = make_run(evaluation=False)
        rng, labels = np.random.default_rng(0), np.arange(30) % 3
        groups = np.array([f"p-{place // 3}" for place in range(30)]) if patients else None
        test = np.ones(30, bool)
        data = Labelled(sets=[[]], targets=labels, names=[{"case": "x"}] * 30, groups=groups, test=test, item="image")
        task = SingleLabel(classes=CLASSES)

        def fits(chance):
            each = [np.eye(3)[np.where(rng.random(30) < chance, (labels + 1) % 3, labels)] for _ in range(2)]
            return [Fit(seed=i, fold=0, samples=np.arange(30), predictions=rows) for i, rows in enumerate(each)]

        found = {"one<b>, knn": fits(ours), BASELINE: fits(theirs)}
        scores = score_all(
            found, labels, task=task, groups=groups, pool_folds=False, baselines=[BASELINE], resamples=20
        )
        record = {
            **DEFAULTS, "scores": scores, "baselines": [BASELINE], "task": task.about(), "seeds": [0, 1],
            "pooled": False,
            "unit": "patient" if patients else "image", "definitions": dict(task.definitions), **options,
        }  # fmt: skip
        comparison = Comparison(record=record, fits=found)
        write_protocol({"all labels": comparison}, data=data, task=task, out=run / "evaluation")
        return run

    return write


def text_of(run):
    html = write_report(run).read_text()
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).replace("\xa0", " ")


def test_the_protocol_stands_in_the_place_of_reconstructions_and_their_scores(evaluated):
    found = titles(evaluated())
    assert "Protocol" in found
    assert not {"Reconstructions", "Baselines"} & set(found)


def test_every_encoder_stands_beside_the_baseline_with_its_interval_and_names_are_text(evaluated):
    run = evaluated()
    html = write_report(run).read_text()
    assert "one&lt;b&gt;" in html
    assert "one<b>" not in html
    text = text_of(run)
    for expected in ("Guessing is right once in 3", "was evaluated on a, b and c by 12 labels", "over 10 patients"):
        assert expected in text
    assert "Paired differences of accuracy" in text
    assert "p-7" in text
    assert "Balanced accuracy: mean over classes" in text
    assert "has not been evaluated" not in text
    assert "Confusion, one" in text


def test_dots_are_fits_and_ours_comes_in_colour(evaluated):
    html = write_report(evaluated()).read_text()
    assert re.search(r"<title>seed 1, fold 0: 0\.\d+ higher is better</title>", html)
    assert html.count('<g class="ours">') == 1
    assert html.count('<g class="theirs">') == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ours": 0.7}, "Nothing here beats raw pixels, knn"),
        ({"ours": 0.35}, "may be chance: its interval,"),
        ({"patients": False}, "No patient is known"),
        ({"pooled": True}, "predictions of all folds are scored together"),
        ({"views": 5}, "means over 5 views of a sample"),
        ({"unlabelled": 3}, "3 samples without a value were left out"),
    ],
)
def test_what_limits_a_figure_is_said(evaluated, tmp_path, options, told):
    assert told in text_of(evaluated(**options))
    shutil.rmtree(tmp_path / "run")
    assert told not in text_of(evaluated())


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


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (0.0, 0.9, r"one&lt;b&gt;, knn is better than every baseline: balanced accuracy \d\.\d+ against 0\.\d+ of raw"),
        (
            0.9,
            0.1,
            r"nothing that was trained is better than raw pixels, knn \(balanced accuracy 0\.\d+ against 0\.\d+\)",
        ),
    ],
)
def test_the_first_words_say_whether_anything_trained_is_better_than_what_is_not(evaluated, ours, theirs, words):
    html = write_report(evaluated(ours=ours, theirs=theirs)).read_text()
    assert re.search(r'<p class="verdict">With all labels, ' + words, html)


def test_a_lead_that_chance_may_explain_is_called_that(evaluated):
    run = evaluated(ours=0.5, theirs=0.52)
    path = run / "evaluation" / "protocol.json"
    record = json.loads(path.read_text())
    gain = record["tasks"]["all labels"]["scores"]["one<b>, knn"]["gains"]["balanced_accuracy"]
    gain |= {"mean": 0.02, "ci_low": -0.1, "ci_high": 0.1}
    path.write_text(json.dumps(record))
    assert "With all labels, chance may explain why one&lt;b&gt;, knn is ahead" in write_report(run).read_text()
