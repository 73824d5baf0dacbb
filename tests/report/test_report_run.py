"""What the page says of the run itself: whose pictures these are, how it was made, and whether it is any good."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from medmae.report import write_report
from medmae.report.figures import film
from tests.report.conftest import run_info
from tests.report.test_report import edit_json, visible_text

SPLITS = (("sub-01", "sub-02", "sub-03"), ("sub-06",), ("sub-04", "sub-05"))


def data(**more):
    found = run_info(*SPLITS)["data"]
    return {**found, "subjects": dict(zip(("train", "val", "test"), map(list, SPLITS), strict=True)), **more}


def first_words(page):
    """The first paragraph below the title."""
    return re.search(r'</h1>\s*<p class="\w+">(.*?)</p>', page.read_text(), re.DOTALL)[1]


# ------------------------------------------------------------------------------------------------------------- origin
def test_a_page_of_simulated_subjects_says_so_before_anything_else(make_run):
    everyone = [name for names in SPLITS for name in names]
    page = write_report(make_run(data=data(origins={"simulated": everyone})))
    assert first_words(page).startswith("All subjects are simulated: nothing here was measured on a patient.")
    assert "Origin: 6\u00a0subjects simulated." in page.read_text()


def test_where_some_are_simulated_they_are_counted(make_run):
    page = write_report(make_run(data=data(origins={"simulated": ["sub-01", "sub-04"]})))
    assert first_words(page).startswith("2 of 6\u00a0subjects are simulated.")


@pytest.mark.parametrize("origins", [{}, {"real": ["sub-01"]}, None])
def test_of_measured_subjects_and_where_nobody_knows_nothing_is_said(make_run, origins):
    assert "simulated" not in write_report(make_run(data=data(origins=origins))).read_text()


def test_weights_that_have_seen_simulated_subjects_are_told_of_where_others_are_evaluated(make_run):
    told = "The weights that this began with have seen simulated subjects."
    page = write_report(make_run(data=data(origins={"real": ["sub-01"]}), weights_origins=["simulated"]))
    assert first_words(page).startswith(told)


# ------------------------------------------------------------------------------------------------------- what it is of
def test_subjects_and_samples_are_those_that_were_learnt_from(make_run):
    told = {"samples": 301, "noun": "slice", "subjects": ["sub-01", "sub-02"]}
    text = visible_text(write_report(make_run(trained_on=told)))
    assert "was trained on 301 slices of 2 subjects (" in text
    assert "Trained on 301 slices of 2 subjects." in text
    assert "Not used for training: sub-03" in text
    assert "Slices per second" in text


def test_of_clips_the_speed_is_told_in_clips_and_old_logs_are_read(make_run):
    run = make_run(trained_on={"samples": 9, "noun": "clip", "subjects": ["sub-01"]})
    assert "Clips per second" in visible_text(write_report(run))
    log = run / "logs" / "metrics.csv"
    log.write_text(log.read_text().replace("images_per_second", "samples_per_second", 1))
    assert "Clips per second" in visible_text(write_report(run))


def test_held_out_subjects_are_those_that_were_scored(make_run):
    run = make_run(test=("sub-04", "sub-05", "sub-07"), evaluated=("sub-04", "sub-05"))
    assert "2 subjects were held out" in visible_text(write_report(run))


def test_hashes_of_contents_are_not_spread_over_the_page(make_run):
    run = make_run(data=data(contents=["abc0123" * 2], made_of="9d" * 32, unit="patients"))
    text = visible_text(write_report(run))
    assert "abc0123" not in text
    assert "9d" * 32 in text.split("SHA-256 of files")[1]


# ----------------------------------------------------------------------------------------------------------- this run
def test_the_page_tells_when_where_and_how_it_was_made_and_how_its_encoder_is_loaded(make_run):
    told = {
        "finished": "2026-11-30T19:57:00+00:00",
        "command": "medmae run x train --epochs 3",
        "hardware": "2 x NVIDIA H200, Xeon, 16 cores, 128 GiB of memory",
        "code": "medmae 0.1.0, commit 1a2b3c4-dirty",
        "paths": {"output_dir": "/runs/x", "weights": "/runs/x/models/pretraining.safetensors"},
    }
    text = visible_text(write_report(make_run(**told))).split("This run")[-1]
    for value in (told["command"], told["hardware"], told["code"], "/runs/x", "2026-11-30 19:57:00+00:00"):
        assert value in text
    assert "medmae.load_encoder('/runs/x/models/pretraining.safetensors')" in text


def test_a_record_that_says_nothing_of_it_has_no_such_section(make_run):
    assert "Load the encoder" not in write_report(make_run()).read_text()


# ------------------------------------------------------------------------------------------------------------ verdict
def test_a_network_that_rebuilds_better_on_everyone_works(make_run):
    text = first_words(write_report(make_run()))
    assert text.startswith("The training works: hidden parts of pictures of 2\u00a0subjects that it has never seen")
    less = re.search(
        r"its error is (\d+) % smaller than that of neighbour interpolation \(the background left out\)", text
    )
    assert 0 < int(less[1]) < 100
    assert "only a task can tell" in text


def test_the_share_of_the_error_is_that_of_its_root(make_run):
    run = make_run()
    scores = list(csv.DictReader((run / "evaluation" / "reconstruction.csv").open()))
    for row in scores:
        row |= {"psnr_model_foreground": 26.0206, "psnr_neighbour_foreground": 20.0, "psnr_mean_fill_foreground": 10.0}
    write_scores(run, scores)
    assert "its error is 50 % smaller" in first_words(write_report(run))


def test_one_that_loses_is_not_trained_enough_and_one_that_wins_on_some_is_not_clearly_better(make_run):
    run = make_run()
    scores = list(csv.DictReader((run / "evaluation" / "reconstruction.csv").open()))
    for row in scores:
        row["psnr_model_foreground"] = 40.0 if row["subject"] == "sub-04" else 1.0
    write_scores(run, scores)
    assert "it wins on 1 of 2 only" in first_words(write_report(run))
    for row in scores:
        row["psnr_model_foreground"] = 1.0
    write_scores(run, scores)
    assert first_words(write_report(run)).startswith("Not trained enough: hidden parts of pictures of 2")


def test_subjects_that_were_trained_on_are_not_called_unseen(make_run):
    assert "never seen;" not in first_words(write_report(make_run(evaluated=("sub-01", "sub-02"))))


def test_without_scores_there_is_no_verdict(make_run):
    assert first_words(write_report(make_run(evaluation=False))).startswith("EdgeMAE was trained")


def write_scores(run, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (run / "evaluation" / "reconstruction.csv").write_text(text.getvalue())
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    kept = {name: value for name, value in summary.items() if "foreground" not in name}
    (run / "evaluation" / "summary.json").write_text(json.dumps(kept))


# ----------------------------------------------------------------------------------------------------------- pictures
def test_right_and_left_are_marked_on_every_slice_and_explained(make_run):
    run = make_run()
    html = write_report(run).read_text()
    assert html.count('class="side left">R<') == html.count('class="side right">L<') == 4 * 6
    assert "right and left of the patient" in html


def test_pictures_that_are_no_slices_have_no_sides(make_run):
    run = make_run()
    path = run / "evaluation" / "panels.json"
    path.write_text(
        json.dumps([{k: v for k, v in row.items() if k != "slice"} for row in json.loads(path.read_text())])
    )
    html = write_report(run).read_text()
    assert 'class="side' not in html
    assert "right and left of the patient" not in html


def test_the_sheet_of_a_row_has_the_letters_too(make_run):
    run = make_run()
    write_report(run)
    sheet = np.asarray(Image.open(sorted((run / "figures").glob("panel_00*.png"))[0]).convert("L"))
    assert sheet[:12, :12].max() > 200  # a corner of the phantom is black
    assert sheet[:12, 52:64].max() > 200


def test_there_is_a_line_between_the_frames_of_a_film(make_run):
    strip = film(Image.new("L", (40, 10)), frames=4)
    white = np.flatnonzero(np.asarray(strip.convert("L")).min(axis=0) == 255)
    assert (strip.size, white.tolist()) == ((43, 10), [10, 21, 32])
    assert film(Image.new("L", (4 * 128, 10)), frames=4).size == (4 * 128 + 3 * 2, 10)
    run = make_run()
    plain = write_report(run).read_text()
    path = run / "evaluation" / "panels.json"
    path.write_text(json.dumps([{**row, "frames": 8} for row in json.loads(path.read_text())]))
    assert "width=71" in write_report(run).read_text()
    assert "width=71" not in plain


def test_the_first_rows_are_shown_where_not_all_have_room(make_run):
    html = write_report(make_run(rows=16)).read_text()
    assert "12 of 16 rows are shown" in html
    assert [f"slice {70 + 7 * i}" in html for i in (0, 11, 12)] == [True, True, False]


# -------------------------------------------------------------------------------------------------------------- charts
def test_the_curve_of_probes_has_what_it_must_beat(make_run):
    run = make_run()
    edit_json(run / "run.json", method="MAE")
    (run / "logs" / "metrics.csv").write_text(
        "step,train/loss,probe/neighbours,probe_baseline/neighbours,probe_baseline/most_frequent_class\n"
        "9,0.9,0.6,0.5,0.4\n19,0.8,0.7,0.5,0.4\n"
    )
    html = write_report(run).read_text()
    assert "neighbours, untrained" in html
    assert "most frequent class" in html
    chart = html.split("<b>Accuracy of frozen features</b>")[1].split("</figure>")[0]
    assert chart.count("dashed") == 4  # two curves and their keys


def test_every_gain_of_a_column_that_promises_intervals_has_one():
    from medmae.evaluate.reconstruct.reconstruction_scores import summary_of

    fills = {"model": 20.0, "mean_fill": 9.0, "neighbour": 15.0}
    figures = {f"psnr_{who}{where}": value for who, value in fills.items() for where in ("", "_foreground")}
    rows = [{"subject": name, **{k: v + i for k, v in figures.items()}} for i, name in enumerate("abc")]
    summary = summary_of(rows)
    for name in ("gain_over_neighbour", "gain_over_neighbour_psnr_foreground", "gain_over_mean_fill_psnr_foreground"):
        assert summary[name]["ci_low"] is not None
    assert "gain_over_neighbour_psnr_foreground" not in summary_of(
        [{k: v for k, v in row.items() if "foreground" not in k} for row in rows]
    )
