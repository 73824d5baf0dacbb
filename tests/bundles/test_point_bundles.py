"""Bundles of shapes: pre-training, completion, classification; what is written, and what weights know."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.tiny.shapes import make
from medmae.bundle.run import run_bundle
from medmae.report.build import write_report

pytestmark = pytest.mark.slow
TINY = {"method::_target_": "medmae.methods.mae3d.mae3d_tiny", "millimetres": 20.0}
QUICK = {"epochs": 1, "batch_size": 6}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("shapes"))[0]


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run("points_mae3d_pretraining", "train", prepared, out, **TINY, **QUICK)
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def test_weights_complete_as_at_the_end_of_training_and_need_not_be_told_their_scale(prepared, trained, tmp_path):
    run("points_mae3d_pretraining", "evaluate", prepared, tmp_path, model_dir=str(trained / "models"))
    then, mine = (json.loads((one / "evaluation" / "completion.json").read_text()) for one in (trained, tmp_path))
    assert (mine["unit"], mine["within"], set(mine["shares"])) == ("mm", 1.0, {"0.3", "0.5", "0.7"})
    for share, found in mine["shares"].items():
        for fill in ("model", "what_is_left"):  # shapes of the training were turned there
            wanted = then["shares"][share]["cd_l1"][fill]["mean"]
            assert found["cd_l1"][fill]["mean"] == pytest.approx(wanted, rel=1e-5)
    page = (tmp_path / "report.html").read_text()
    assert "Completed clouds" in page
    assert "not clearly nearer to the whole" in page  # of a network that has learnt next to nothing


def test_an_encoder_is_fine_tuned_beside_volume_and_box(prepared, trained, tmp_path):
    begun = {"pretrained": str(trained / "models" / "pretraining.safetensors")}
    backbone = {"backbone::_target_": "medmae.methods.mae3d.mae3d_tiny"}
    run("points_classification", "train", prepared, tmp_path / "train", **begun, **backbone, **QUICK)
    record = json.loads((tmp_path / "train" / "evaluation" / "protocol.json").read_text())
    [task] = record["tasks"].values()
    assert {"volume and box, logistic regression", "coordinates, logistic regression"} <= task["scores"].keys()
    models = str(tmp_path / "train" / "models")
    run("points_classification", "inference", prepared, tmp_path / "said", model_dir=models)
    with (tmp_path / "said" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len((prepared / "manifest.jsonl").read_text().splitlines())


def test_completed_clouds_are_files_where_the_shapes_were(prepared, tmp_path):
    tiny = {"method::_target_": "medmae.methods.point_mae.point_mae_tiny", "millimetres": 20.0}
    run("points_completion", "train", prepared, tmp_path / "train", **tiny, **QUICK, warmup_epochs=0)
    run("points_completion", "inference", prepared, tmp_path / "out", model_dir=str(tmp_path / "train" / "models"))
    row = json.loads((prepared / "manifest.jsonl").read_text().splitlines()[0])
    parts = [tmp_path / "out" / "completed" / f"{row['case']}_{part}.ply" for part in ("given", "hidden", "completed")]
    given, hidden, completed = map(points_of, parts)
    assert len(given) + len(hidden) == row["points"]
    assert np.allclose(np.concatenate([given, hidden]).mean(axis=0), row["centre"], atol=0.01)
    assert "comment units: mm" in parts[0].read_text()
    # What was given stays: all of its points that lie in a patch are among those of the completed cloud.
    shared = {tuple(point) for point in completed.tolist()} & {tuple(point) for point in given.tolist()}
    assert len(shared) > len(given) / 2


def points_of(path):
    lines = path.read_text().split("end_header\n")[1].splitlines()
    return np.array([[float(word) for word in line.split()[:3]] for line in lines])


def test_a_page_is_made_again_from_its_folder(trained):
    assert "what was hidden, what was made" in write_report(trained).read_text()
