"""Units of test people, whole and occluded: who says what, figures by occlusion, and pages that show no face."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.data import Faces, Samples
from medmae.evaluate.faces.evaluation import RECORD, evaluate_units
from medmae.evaluate.faces.face_cases import veiled
from medmae.evaluate.faces.occluded import hidden_at
from medmae.evaluate.faces.plain_units import COLOUR, POINTS, RATE, PlainUnits
from medmae.evaluate.faces.readers import LEFT_OUT, OWN, TEACHER, patches_of, readers_of
from medmae.evaluate.faces.timeline import write_timelines
from medmae.evaluate.faces.units_section import units, units_cards, units_notes
from medmae.methods.action_units import teacher_resnet50, teacher_small_faces
from medmae.methods.occlusion_au import OcclusionAU
from medmae.report.evaluations import read_run

NAMES = ("AU1", "AU4", "AU12")
SIZES = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "unit_dim": 8}
GRID = (4, 4)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make("faces", tmp_path_factory.mktemp("faces"))[0]


@pytest.fixture(scope="module")
def samples(prepared):
    view = Faces(size=32, units=NAMES)
    return {split: Samples(source=prepared, view=view, split=split) for split in ("train", "val", "test")}


def student():
    torch.manual_seed(0)
    method = OcclusionAU(names=NAMES, **SIZES)
    method.learn_from(teacher_small_faces(names=NAMES, image_size=32, unit_dim=8).network)
    return method.eval()


@pytest.fixture(scope="module")
def evaluated(samples, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "evaluation"
    record = evaluate_units(
        method=student(),
        held_out=samples["test"],
        validation=samples["val"],
        train=samples["train"],
        out=out,
        occlusions=("block", "hand"),
        levels=(0.25, 0.5),
        seeds=(0, 1),
        resamples=50,
    )
    return out, record


def test_hidden_patches_depend_on_case_kind_level_and_seed_alone():
    one = hidden_at("hand", 0.5, cases=["a", "b"], grid=GRID, seed=1)
    assert torch.equal(hidden_at("hand", 0.5, cases=["b"], grid=GRID, seed=1)[0], one[1])
    assert one.sum(dim=1).tolist() == [8, 8]
    assert not torch.equal(
        hidden_at("patches", 0.5, cases=["a"], grid=GRID, seed=1),
        hidden_at("patches", 0.5, cases=["a"], grid=GRID, seed=2),
    )
    assert not torch.equal(
        hidden_at("patches", 0.5, cases=["a"], grid=GRID), hidden_at("patches", 0.5, cases=["b"], grid=GRID)
    )
    assert not hidden_at("block", 0, cases=["a"], grid=GRID).any()


def test_nobody_sees_what_is_hidden(samples):
    teacher = teacher_small_faces(names=NAMES, image_size=32, unit_dim=8).eval()
    face = torch.stack([samples["test"][index]["image"] for index in range(2)])
    for method in (student(), teacher):
        patches = patches_of(method)
        hidden = hidden_at("block", 0.5, cases=["a", "b"], grid=patches.grid)
        other = torch.where(patches.paint(hidden), torch.rand(face.shape), face)
        for read in readers_of(method).values():
            torch.testing.assert_close(read(other, hidden).units, read(face, hidden).units)
            assert not torch.allclose(read(face, hidden).units, read(face, None).units)


def test_what_is_painted_over_is_nothing_to_the_network():
    teacher = teacher_small_faces(names=NAMES, image_size=32, unit_dim=8).eval()
    given = []
    teacher.network.register_forward_pre_hook(lambda _, faces: given.append(faces[0]))
    hidden = hidden_at("block", 0.5, cases=["a"], grid=GRID)
    readers_of(teacher)[OWN](torch.rand(1, 3, 32, 32), hidden)
    seen = teacher.network.encoder.scaling(given[0])
    over = patches_of(teacher).paint(hidden).expand_as(seen)
    assert seen[over].abs().max() < 1e-6  # the mean colour, and not black
    assert given[0][over].min() > 0.3


def test_everyone_is_named():
    assert set(readers_of(student())) == {OWN, TEACHER}
    assert set(readers_of(teacher_small_faces(names=NAMES, image_size=32))) == {OWN, LEFT_OUT}
    with torch.device("meta"):
        network = teacher_resnet50(names=NAMES)
    assert set(readers_of(network)) == {OWN}
    assert patches_of(network).grid == (14, 14)


def test_figures_stand_beside_baselines_by_kind_and_level(evaluated):
    out, record = evaluated
    task = record["tasks"]["whole faces"]
    assert set(task["scores"]) == {OWN, TEACHER, RATE, COLOUR, POINTS}
    assert task["baselines"] == [RATE, COLOUR, POINTS]
    assert set(task["thresholds"]) == set(task["scores"])
    own = task["scores"][OWN]["metrics"]["f1"]
    assert own["n_units"] == 2
    rows = [row for row in record["occluded"] if row["contestant"] == OWN]
    assert {(row["occlusion"], row["level"]) for row in rows} == {
        (k, x) for k in ("block", "hand") for x in (0.25, 0.5)
    }
    for row in record["occluded"]:
        whole = task["scores"][row["contestant"]]["metrics"]["f1"]["mean"]
        assert row["kept"] is None if not whole else row["kept"] == pytest.approx(row["f1"] / whole)
    blind = {row["f1"] for row in record["occluded"] if row["contestant"] == RATE}
    assert blind == {task["scores"][RATE]["metrics"]["f1"]["mean"]}  # who looks at nothing loses nothing
    table = list(csv.DictReader((out / "action_units" / "units.csv").open()))
    assert len(table) == 3 * task["frames"]


def test_the_page_shows_no_face_and_its_bars(evaluated, samples):
    out, _ = evaluated
    told = json.loads((out / "face_cases" / "panels.json").read_text())
    assert {one["shown"] for one in told} == {"landmarks"}
    with np.load(out / "face_cases" / "panels.npz") as pictures:
        colours = {name: len(np.unique(pictures[name].reshape(-1, 3), axis=0)) for name in pictures}
    assert {name.partition("/")[2] for name in colours} == {"face", *NAMES}
    # Paper, ink, two greys where something is hidden; under a map both of the former in six strengths.
    assert all(count <= (4 if name.endswith("face") else 2 + 2 * 6) for name, count in colours.items())
    (out.parent / "run.json").write_text(json.dumps({"title": "faces", "method": "OcclusionAU"}))
    folder = read_run(out.parent)
    html = str(units(folder).blocks)
    assert "F1, block" in html
    assert html.count("<meter") == 2 * 3 * len(told)
    assert "drawn as their landmarks" in html
    assert html.count("<figcaption>AU4</figcaption>") == len(told)
    assert "gradient times what is seen" in html
    assert units_cards(folder)[0][0].label == "F1, whole faces"
    assert any("to test on" in one for one in units_notes(folder))


def test_thresholds_come_from_validation_alone(samples, tmp_path):
    how = {
        "method": student(),
        "held_out": samples["test"],
        "train": samples["train"],
        "occlusions": (),
        "resamples": 10,
    }
    with_ = evaluate_units(validation=samples["val"], out=tmp_path / "a", **how)
    empty = Samples(source=samples["val"].source, view=samples["val"].view, split="val", limit=1)
    empty._items = empty._items[:0]
    without = evaluate_units(validation=empty, out=tmp_path / "b", **how)
    limits = [each["tasks"]["whole faces"]["thresholds"].get(OWN) for each in (with_, without)]
    assert set(limits[1].values()) == {0.5}
    assert limits[0] != limits[1]
    assert without["tasks"]["whole faces"]["threshold_from"] == "one half"
    assert (tmp_path / "a" / RECORD).is_file()


def test_a_veiled_face_shows_neither_its_pixels_nor_more_than_a_few():
    face = torch.rand(3, 64, 64)
    unknown = torch.full((68, 2), float("nan"))
    coarse = veiled(face, unknown)
    assert len(torch.unique(coarse[0])) <= 64
    points = torch.rand(68, 2)
    assert torch.equal(veiled(face, points), veiled(torch.rand(3, 64, 64), points))


def test_plain_regressions_learn_from_what_was_coded():
    rng = np.random.default_rng(0)
    given = rng.normal(size=(80, 3))
    targets = (given[:, :2] > 0).astype(float)
    targets[:40, 1] = np.nan
    plain = PlainUnits.of(targets, {COLOUR: given})
    said = plain.said(COLOUR, given)
    assert ((said >= 0.5) == (given[:, :2] > 0)).mean() > 0.9
    assert plain.constant(2)[0].tolist() == pytest.approx([targets[:, 0].mean(), np.nanmean(targets[:, 1])])


def test_intensities_are_judged_where_they_are_learnt(samples, tmp_path):
    torch.manual_seed(0)
    method = OcclusionAU(names=NAMES, intensities=True, **SIZES)
    record = evaluate_units(
        method=method,
        held_out=samples["test"],
        validation=samples["val"],
        train=samples["train"],
        out=tmp_path,
        occlusions=(),
        resamples=10,
    )
    assert -1 <= record["tasks"]["intensities"]["scores"][OWN]["metrics"]["icc"]["mean"] <= 1


def test_time_lines_are_a_table_and_a_picture_a_recording(prepared, tmp_path):
    data = Samples(source=prepared, view=Faces(size=32, learn="nothing"), split="test")
    table = write_timelines(student(), data, out=tmp_path)
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == len(data)
    assert set(rows[0]) == {"case", "frame", *NAMES}
    assert len(list((tmp_path / "timelines").glob("*.png"))) == 2
