"""Bundles of skeletons: pre-training, its evaluations, what weights know of how they were read, recognition."""

import csv
import json
from pathlib import Path

import h5py
import pytest

from data_prep.tiny.skeletons import make
from medmae.bundle.run import run_bundle
from medmae.errors import DataError
from medmae.weights.about import read_about

MAE, ACTIONS = "skeleton_mae_pretraining", "skeleton_action_recognition"
TINY = {"frames": 16, "joints": 25, "least": 8}
METHOD = {"method::_target_": "medmae.methods.skeleton_mae.skeleton_mae_tiny"}
BACKBONE = {"backbone::_target_": "medmae.methods.skeleton_mae.skeleton_mae_tiny", "hidden": 8}
QUICK = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0, "base_lr": 0.02}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("skeletons"))[0]


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    run(MAE, "train", prepared, out, **TINY, **METHOD, **QUICK, rate=7.5, origin="frame")
    return out


@pytest.fixture(scope="module")
def classifier(prepared, trained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("classifier")
    weights = str(trained / "models" / "pretraining.safetensors")
    run(ACTIONS, "train", prepared, out, **BACKBONE, **QUICK, least=8, pretrained=weights)
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def models(folder):
    return {"model_dir": str(folder / "models")}


def test_hidden_joints_are_told_in_metres_beside_what_needs_no_network(trained):
    record = json.loads((trained / "evaluation" / "hidden_joints.json").read_text())
    assert record["unit"] == "m"
    told = "model told the mean and size of the whole"
    names = ("model", told, "straight in time", "mean of training")
    assert set(record["scores"]) == {*names, "gain over straight in time"}
    assert all(0 < record["scores"][name]["mean"] < 2 for name in names)
    assert len(record["joints"]) == 25
    page = (trained / "report.html").read_text()
    assert "Hidden joints" in page
    assert page.count('<animate attributeName="d"') > 20
    assert "<script" not in page
    assert "among the worst" in page


def test_weights_know_how_skeletons_were_read_and_are_evaluated_as_at_the_end_of_training(prepared, trained, tmp_path):
    view = read_about(trained / "models" / "pretraining.safetensors")["view"]
    assert (view["cut"]["rate"], view["cut"]["origin"]) == (7.5, "frame")
    run(MAE, "evaluate", prepared, tmp_path, **models(trained))  # neither frames nor rate are said again
    mine, then = (json.loads((path / "evaluation" / "hidden_joints.json").read_text()) for path in (tmp_path, trained))
    for name in ("model", "straight in time", "mean of training"):
        assert mine["scores"][name]["mean"] == pytest.approx(then["scores"][name]["mean"], rel=1e-4)


def test_other_joints_than_those_of_the_weights_are_refused(prepared, trained, tmp_path):
    with pytest.raises(DataError, match="joints"):
        run(MAE, "evaluate", prepared, tmp_path, **models(trained), joints=20)


def test_every_body_has_an_embedding(prepared, trained, tmp_path):
    run(MAE, "inference", prepared, tmp_path, **models(trained))
    rows = (prepared / "manifest.jsonl").read_text().splitlines()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert len(file["features"]) == len(rows)


@pytest.mark.parametrize("target", ["label", "value"])
def test_the_protocol_compares_with_raw_joints_and_velocities(prepared, trained, tmp_path, target):
    few = {"fine_tune": False, "attentive": False, "few": 2, "seeds": [0]}
    run(MAE, "downstream", prepared, tmp_path, **models(trained), target=target, **few)
    record = json.loads((tmp_path / "evaluation" / "protocol.json").read_text())
    names = {name for task in record["tasks"].values() for name in task["scores"]}
    for plain in ("raw joints", "joint velocities", "mean pose"):
        assert any(name.startswith(plain) for name in names)
    assert any(name.startswith("untrained") for name in names)


def test_a_classifier_begins_with_the_sizes_and_the_reading_of_its_encoder(prepared, classifier, tmp_path):
    view = read_about(classifier / "models" / "classifier.safetensors")["view"]
    assert (view["cut"]["frames"], view["cut"]["rate"], view["cut"]["origin"]) == (16, 7.5, "frame")
    run(ACTIONS, "evaluate", prepared, tmp_path / "held_out", **models(classifier))
    record = json.loads((tmp_path / "held_out" / "evaluation" / "protocol.json").read_text())
    assert any("raw joints" in name for task in record["tasks"].values() for name in task["scores"])
    run(ACTIONS, "inference", prepared, tmp_path / "new", **models(classifier))
    with (tmp_path / "new" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert {row["predicted"] for row in rows} <= {"even", "limp"}


def test_two_people_are_read_side_by_side(prepared, tmp_path):
    run(ACTIONS, "train", prepared, tmp_path, **BACKBONE, **QUICK, **TINY, bodies=2)
    assert (tmp_path / "evaluation" / "protocol.json").is_file()
