"""Faults 20 and 24 to 27 of faces: from the file to the loss and the figure."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console
from torch.utils.data import default_collate

from data_prep.faces import prepare
from data_prep.tiny.faces import write_faces
from medmae.data import Faces, Manifest, Samples
from medmae.errors import DataError, ExitCode
from medmae.evaluate.faces.unit_scores import UnitScores
from medmae.methods.occlusion_au import OcclusionAU
from medmae.objectives.action_units import unit_weights

NAMES = ("AU1", "AU12")
SIZES = {"image_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2, "unit_dim": 8}


def run(source, out, **options):
    return prepare(source=source, out=out, size=32, workers=0, console=Console(file=io.StringIO()), **options)


def raw(folder, *, people=3, each=2, units=NAMES):
    return write_faces(folder, people=people, each=each, size=48, units=units)


def changed(table, change):
    lines = list(csv.DictReader(table.open()))
    for number, line in enumerate(lines):
        change(number, line)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def batch_of(out, **options):
    data = Samples(source=out, view=Faces(size=32, **options), split=None)
    return default_collate([data[number] for number in range(len(data))])


def student(**options):
    torch.manual_seed(0)
    return OcclusionAU(names=NAMES, **SIZES, **options)


def test_fault_20_damaged_pictures_among_good_ones_are_named_and_the_others_train(tmp_path):
    table = raw(tmp_path / "raw")
    pictures = sorted((tmp_path / "raw").glob("p*/*.png"))
    pictures[0].write_bytes(pictures[0].read_bytes()[:300])
    pictures[2].write_bytes(b"")
    result = run(table, tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        named = [row["file"] for row in csv.DictReader(file)]
    assert {str(pictures[0]), str(pictures[2])} == set(named)
    counts = {row["case"]: row["count"] for row in Manifest.read(tmp_path / "out").rows}
    assert counts == {"p0000": 1, "p0001": 1, "p0002": 2}
    assert student()(batch_of(tmp_path / "out"), generator=torch.Generator().manual_seed(0)).loss.isfinite()


def test_fault_20_a_picture_that_a_table_names_and_is_not_there_takes_its_person_and_no_other(tmp_path):
    table = raw(tmp_path / "raw")
    sorted((tmp_path / "raw").glob("p0001/*.png"))[0].unlink()
    run(table, tmp_path / "out")
    assert {row["case"] for row in Manifest.read(tmp_path / "out").rows} == {"p0000", "p0002"}


def test_fault_24_a_face_without_landmarks_is_occluded_as_a_mean_one_and_reaches_no_loss_as_nan(tmp_path):
    table = raw(tmp_path / "raw")

    def forget(number, line):
        if number < 2:
            line.update({name: "" for name in line if name[:2] in ("x_", "y_")})

    changed(table, forget)
    run(table, tmp_path / "out", align="none")
    batch = batch_of(tmp_path / "out")
    known = batch["landmarks"].isfinite().all(dim=2).all(dim=1)
    assert known.tolist() == [False, False, True, True, True, True]
    method = student(occlusions=("hand",))
    out = method(batch, generator=torch.Generator().manual_seed(0))
    assert out.loss.isfinite()
    alone = {**batch, "landmarks": torch.full_like(batch["landmarks"], float("nan"))}
    drawn = [
        method.draw_masks(some, generator=torch.Generator().manual_seed(0))["image"].as_bool()
        for some in (batch, alone)
    ]
    assert torch.equal(drawn[0][:2], drawn[1][:2])


def test_fault_25_units_that_nobody_coded_teach_nothing_and_are_named(tmp_path):
    table = raw(tmp_path / "raw")
    changed(table, lambda number, line: line.update({"AU12_r": "9" if number < 4 else "-1"}))
    run(table, tmp_path / "out")
    batch = batch_of(tmp_path / "out", units=NAMES)
    assert batch["target"][:, 1].isnan().all()
    method = student()
    method(batch, generator=torch.Generator().manual_seed(0)).loss.backward()
    assert not method.head.prototypes.grad[1].any()
    assert method.head.prototypes.grad[0].any()
    with pytest.raises(DataError, match="never active") as fault:
        unit_weights(batch["target"], names=NAMES)
    assert "AU12" in str(fault.value)
    scores = UnitScores(names=NAMES)
    targets = batch["target"].numpy()
    assert scores.extras(targets, np.zeros((1, *targets.shape)))["nobody_coded"] == ["AU12"]


def test_fault_25_recordings_with_other_units_are_read_together_with_what_each_has(tmp_path):
    for name, units in (("a", ("AU1", "AU12")), ("b", ("AU12", "AU4"))):
        run(raw(tmp_path / name, units=units), tmp_path / f"{name}_out")
    rows = []
    for name in ("a", "b"):
        for row in Manifest.read(tmp_path / f"{name}_out").rows:
            own = {key: f"{name}_out/{row[key]}" for key in ("shard", "coords")}
            rows.append({**row, **own, "case": f"{name}{row['case']}", "subject": f"{name}{row['subject']}"})
    if len({row["content_sha256"] for row in rows}) < len(rows):
        rows = [row | {"split": "train"} for row in rows]  # of one drawing no leak is made here
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = Samples(source=tmp_path, view=Faces(size=32), split=None)
    assert data.classes == ("AU1", "AU12", "AU4")
    known = np.isfinite(data.labels)
    assert known[:6].all(axis=0).tolist() == [True, True, False]
    assert known[6:].all(axis=0).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ["one"]}, "'names' must have 2 entries"),
        ({"units": ["AU1", "AU1"]}, "'units' are"),
        ({"coords": 7}, "'coords' is 7"),
        ({"count": 0}, "'count' is 0"),
    ],
)
def test_fault_26_bad_rows_are_refused_by_name(tmp_path, change, said):
    run(raw(tmp_path / "raw"), tmp_path / "out")
    path = tmp_path / "out" / "manifest.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | change), *rest]) + "\n")
    with pytest.raises(DataError, match=said):
        Manifest.read(tmp_path / "out")


def test_fault_26_other_codes_than_were_written_are_found_and_mended_by_preparing_again(tmp_path):
    table = raw(tmp_path / "raw")
    run(table, tmp_path / "out")
    measures = tmp_path / "out" / Manifest.read(tmp_path / "out").rows[0]["coords"]
    before = measures.read_bytes()
    values = np.load(measures)
    values[:, 136:] = 1
    np.save(measures, values)
    with pytest.raises(DataError, match="its hash is another one"):
        Samples(source=tmp_path / "out", view=Faces(size=32), split=None)
    run(table, tmp_path / "out")
    assert measures.read_bytes() == before


def test_fault_27_one_picture_of_two_people_is_refused(tmp_path):
    table = raw(tmp_path / "raw", each=1)
    first, second, _ = sorted((tmp_path / "raw").glob("p*/*.png"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(DataError, match=r"p0000.*p0001|p0001.*p0000"):
        run(table, tmp_path / "out", align="none")


def test_fault_27_frames_of_a_person_are_never_on_both_sides(tmp_path):
    table = raw(tmp_path / "raw", people=6, each=3)
    run(table, tmp_path / "out")
    rows = Manifest.read(tmp_path / "out").rows
    path = tmp_path / "out" / "manifest.jsonl"
    moved = [{**rows[0], "case": "again", "content_sha256": "0", "source_sha256": "0"}]
    moved[0]["split"] = "test" if rows[0]["split"] != "test" else "train"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*rows, *moved)))
    with pytest.raises(DataError, match="subject"):
        Manifest.read(tmp_path / "out")
