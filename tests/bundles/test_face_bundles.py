"""The bundles of faces: a face MAE, a teacher, a student of both, evaluation and time lines; pages show no face."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from data_prep.faces import prepare
from data_prep.tiny.faces import make, write_faces
from medmae.bundle.run import run_bundle
from medmae.errors import DataError

BUNDLE = "face_action_units"
UNITS = ["AU1", "AU4", "AU12"]
QUICK = {"epochs": 1, "batch_size": 12, "warmup_epochs": 0, "image_size": 32}
TESTED = {"tested": ["block", "hand"], "levels": [0.5]}
SMALL = {"method::_target_": "medmae.methods.occlusion_au.occlusion_au_small_faces", "patch_size": 8}
TEACHER = {"method::_target_": "medmae.methods.action_units.teacher_small_faces", "method::image_size": 32}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("faces"))[0]


@pytest.fixture(scope="module")
def face_mae(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mae")
    sizes = {"embed_dim": 96, "depth": 4, "num_heads": 4, "decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 4}
    own = {f"method::{name}": value for name, value in sizes.items()}
    run("face_mae_pretraining", "train", prepared, out, **QUICK, patch_size=8, **own)
    return out


@pytest.fixture(scope="module")
def teacher(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    run(BUNDLE, "train,teacher", prepared, out, **QUICK, **TESTED, **TEACHER, units=UNITS)
    return out / "models" / "units.safetensors"


@pytest.fixture(scope="module")
def student(prepared, face_mae, teacher, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("student")
    begun = {"pretrained": str(face_mae / "models" / "pretraining.safetensors"), "teacher": str(teacher)}
    run(BUNDLE, "train", prepared, out, **QUICK, **TESTED, **SMALL, **begun, units=UNITS)
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={"dataset_dir": str(data), "output_dir": str(out), **more})


def refused(why, config, *args, **more):
    with pytest.raises(Exception) as fault:  # noqa: PT011 - MONAI's, around ours
        run(BUNDLE, config, *args, **more)
    error = fault.value
    while error is not None and not isinstance(error, DataError):
        error = error.__cause__
    assert error is not None, fault.value
    assert why in str(error)


def record_of(folder):
    return json.loads((folder / "evaluation" / "action_units.json").read_text())


@pytest.mark.slow
def test_a_student_is_taught_judged_beside_its_teacher_and_used(prepared, student, teacher, tmp_path):
    state = load_file(student / "models" / "units.safetensors")
    assert not [key for key in state if key.startswith("teacher")]
    record = record_of(student)
    assert "its teacher, hidden patches painted over" in record["tasks"]["whole faces"]["scores"]
    assert record["show_faces"] is False
    run(BUNDLE, "evaluate", prepared, tmp_path / "e", model_dir=str(student / "models"), teacher=str(teacher), **TESTED)
    again = record_of(tmp_path / "e")
    for name in ("this network", "its teacher, hidden patches painted over"):
        metrics = [each["tasks"]["whole faces"]["scores"][name]["metrics"]["auroc"]["mean"] for each in (record, again)]
        assert metrics[0] == pytest.approx(metrics[1])
    run(BUNDLE, "inference", prepared, tmp_path / "i", model_dir=str(student / "models"))
    assert "not judged" not in (tmp_path / "i" / "made_by.json").read_text()
    assert "f1, whole faces, this network" in (student / "models" / "quality.json").read_text()
    rows = list(csv.DictReader((tmp_path / "i" / "units.csv").open()))
    assert len(rows) == 48
    assert set(rows[0]) == {"case", "frame", *UNITS}
    assert len(list((tmp_path / "i" / "timelines").glob("*.png"))) == 12


@pytest.mark.slow
def test_no_page_shows_a_face_unless_it_is_asked_to(prepared, face_mae, student, tmp_path):
    assert not list(np.load(face_mae / "evaluation" / "panels.npz"))
    told = json.loads((student / "evaluation" / "face_cases" / "panels.json").read_text())
    assert {one["shown"] for one in told} == {"landmarks"}
    model = {"model_dir": str(student / "models"), **TESTED}
    run(BUNDLE, "evaluate", prepared, tmp_path, **model, show_faces=True)
    told = json.loads((tmp_path / "evaluation" / "face_cases" / "panels.json").read_text())
    assert {one["shown"] for one in told} == {"face"}


@pytest.mark.slow
def test_what_does_not_fit_is_refused(prepared, student, teacher, tmp_path):
    own = {"teacher": str(student / "models" / "units.safetensors"), "units": UNITS}
    refused("holds no teacher", "train", prepared, tmp_path / "a", **QUICK, **SMALL, **own)
    own = {"teacher": str(teacher), "units": UNITS}
    refused("a teacher is for a student", "train,teacher", prepared, tmp_path / "b", **QUICK, **TEACHER, **own)
    own = {"teacher": str(teacher), "units": UNITS[::-1]}
    refused("other units, or in another order", "train", prepared, tmp_path / "c", **QUICK, **SMALL, **own)


@pytest.mark.slow
def test_people_whom_its_teacher_has_seen_a_student_has_seen_too(prepared, student, tmp_path):
    table = write_faces(tmp_path / "raw", people=12, each=4, size=64, seed=1)
    table.write_text(table.read_text().replace(",p0", ",q0"))
    others = tmp_path / "others"
    prepare(source=table, out=others, size=64, workers=0, origin="simulated")
    run(BUNDLE, "train,teacher", others, tmp_path / "t", **QUICK, **TESTED, **TEACHER, units=UNITS)
    theirs = {"teacher": str(tmp_path / "t" / "models" / "units.safetensors")}
    run(BUNDLE, "train", prepared, tmp_path / "s", **QUICK, **TESTED, **SMALL, **theirs, units=UNITS)
    models = tmp_path / "s" / "models"
    why = "of the subjects to evaluate"
    refused(why, "evaluate", others, tmp_path / "e", split="train", model_dir=str(models), **TESTED)
    alone = shutil.copytree(models, tmp_path / "given" / "models")  # without the record: by the header of the weights
    refused(why, "evaluate", others, tmp_path / "f", split="train", model_dir=str(alone), **TESTED)
    own = {"model_dir": str(student / "models"), **theirs}  # of another student: the teacher is judged beside it
    refused(why, "evaluate", others, tmp_path / "g", split="train", **own, **TESTED)
    learnt = [line.split(",")[0] for line in (others / "splits.csv").read_text().splitlines() if line.endswith("train")]
    parted = [f"{name},{'test' if place < 2 else 'train'}\n" for place, name in enumerate(learnt)]
    (tmp_path / "parted.csv").write_text("".join(["subject,split\n", *parted]))
    some = table.with_name("some.csv")
    head, *lines = table.read_text().splitlines(keepends=True)
    some.write_text("".join([head, *(line for line in lines if line.split(",")[1] in learnt)]))
    prepare(source=some, out=tmp_path / "p", size=64, workers=0, origin="simulated", split=tmp_path / "parted.csv")
    refused(why, "train", tmp_path / "p", tmp_path / "h", **QUICK, **TESTED, **SMALL, **theirs, units=UNITS)
