"""Skeletons prepared: official splits and lists, people never on both sides, units stated, what is odd told."""

from __future__ import annotations

import csv
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from data_prep import skeleton_case
from data_prep.skeleton import prepare
from data_prep.skeleton_ntu import belongs, fields_of, in_train, is_missing, missing
from data_prep.tiny.skeletons import Walker, walk, write, write_ntu
from medmae.data.manifest import Manifest
from medmae.data.skeletons.layouts import KINECT_20, MSR_20, NTU_25
from medmae.errors import DataError, ExitCode
from tests.conftest import shared_folder

AS_20 = [NTU_25.joints.index(name) for name in KINECT_20.joints]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(skeleton_case, "run_in_child", lambda _, task, **__: skeleton_case.store_skeleton(task))


def run(source, out, **options):
    console = Console(record=True, width=200, file=io.StringIO())
    result = prepare(source=source, out=out, console=console, workers=0, **options)
    return result, " ".join(console.export_text().split())


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out)}


def lines_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def body(seed=0, seconds=1.0):
    return walk(Walker.of(seed, limp=False), seconds=seconds, seed=seed)


@pytest.mark.parametrize(
    ("option", "value"), [("layout", KINECT_20.name), ("bones", "bones.csv"), ("axes", "y up"), ("rate", 25.0)]
)
def test_what_is_said_of_files_that_do_not_take_it_is_refused(option, value, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.bvh").write_text("HIERARCHY\n")
    with pytest.raises(ValueError, match=rf"--{option} .* is taken by no file here \(\.bvh\)"):
        run(tmp_path / "raw", tmp_path / "out", **{option: value})


# ---------------------------------------------------------------------------------------------------------------- NTU
PEOPLE = Path(__file__).with_name("ntu_people.json")  # who performed in each setup, as the names of all files have it


def ntu_names():
    """All names of NTU RGB+D 120, made of the people of each setup: three cameras, two takes, sixty actions."""
    people = json.loads(PEOPLE.read_text())
    for setup, performers in people.items():
        actions = range(1, 61) if int(setup) <= 17 else range(61, 121)
        for person in performers:
            for camera in (1, 2, 3):
                for take in (1, 2):
                    for action in actions:
                        yield f"S{int(setup):03d}C{camera:03d}P{person:03d}R{take:03d}A{action:03d}"


def test_splits_of_ntu_have_the_published_counts():
    names = [name for name in ntu_names() if not is_missing(name)]
    assert len(list(ntu_names())) == 114_480
    assert len(names) == 113_945
    counts = {}
    for split in ("xsub60", "xview60", "xsub120", "xset120"):
        some = [fields for fields in map(fields_of, names) if belongs(fields, split)]
        train = sum(in_train(fields, split) for fields in some)
        counts[split] = (train, len(some) - train)
    assert counts == {
        "xsub60": (40_091, 16_487),
        "xview60": (37_646, 18_932),
        "xsub120": (63_026, 50_919),
        "xset120": (54_468, 59_477),
    }


def test_the_missing_list_has_302_and_535_names():
    assert len(missing()) == 535
    assert sum(belongs(fields_of(name), "xsub60") for name in missing()) == 302
    assert is_missing("S001C002P005R002A008.skeleton")
    assert not is_missing("S001C001P001R001A001")


def ntu_folder(folder):
    for name in (
        "S001C001P001R001A001",
        "S001C002P001R001A002",
        "S001C001P003R001A001",
        "S001C002P005R002A008",  # missing
        "S018C001P045R001A061",  # of 120
    ):
        write_ntu(folder / f"{name}.skeleton", {"7": body(int(name[-3:]) + int(name[9:12]))})
    return folder


def test_official_splits_leave_out_what_is_missing_and_say_it(tmp_path):
    result, said = run(ntu_folder(tmp_path / "raw"), tmp_path / "out", ntu_split="xsub60", fractions=(1.0, 0.0, 0.0))
    assert result.exit_code == ExitCode.OK
    rows = rows_of(tmp_path / "out")
    assert {case: (row["subject"], row["split"], row["label"]) for case, row in rows.items()} == {
        "S001C001P001R001A001": ("P001", "train", "A001"),
        "S001C002P001R001A002": ("P001", "train", "A002"),
        "S001C001P003R001A001": ("P003", "test", "A001"),
    }
    assert rows["S001C002P001R001A002"]["camera"] == "2"
    left = {line["file"].rpartition("/")[2]: line["reason"] for line in lines_of(tmp_path / "out" / "left_out.csv")}
    assert "missing or incomplete" in left["S001C002P005R002A008.skeleton"]
    assert "the split is of NTU RGB+D" in left["S018C001P045R001A061.skeleton"]
    assert "2 samples of NTU RGB+D are left out" in said


def test_a_split_by_camera_says_that_people_are_in_both_halves(tmp_path):
    _, said = run(ntu_folder(tmp_path / "raw"), tmp_path / "out", ntu_split="xview60", fractions=(1.0, 0.0, 0.0))
    rows = rows_of(tmp_path / "out")
    assert {(row["subject"], row["split"]) for row in rows.values()} == {
        ("P001_camera001", "test"),
        ("P001_camera002", "train"),
        ("P003_camera001", "test"),
    }
    assert all("person_in_both_halves" in row["flags"] for row in rows.values())
    assert "people are in both halves" in said
    _, said = run(tmp_path / "raw", tmp_path / "kept", keep_missing=True)
    assert len(rows_of(tmp_path / "kept")) == 5


def test_names_that_are_not_ntus_have_no_official_split(tmp_path):
    write_ntu(tmp_path / "raw" / "walk1.skeleton", {"7": body()})
    with pytest.raises(DataError, match="1 names are not NTU's"):
        run(tmp_path / "raw", tmp_path / "out", ntu_split="xsub60")


# ------------------------------------------------------------------------------------------- MSR, UTKinect, others
def test_msr_action3d_is_known_by_its_names(tmp_path):
    order = [KINECT_20.joints.index(name) for name in MSR_20.joints]
    (tmp_path / "raw").mkdir()
    for number, name in enumerate(("a01_s01_e01", "a02_s01_e01", "a01_s02_e01")):
        table = np.concatenate([body(number)[:, AS_20][:, order], np.ones((30, 20, 1))], axis=2)
        if number == 0:
            table[4:6] = 0  # nobody was found
        np.savetxt(tmp_path / "raw" / f"{name}_skeleton3D.txt", table.reshape(-1, 4))
    _, said = run(tmp_path / "raw", tmp_path / "out", fractions=(0.5, 0.0, 0.5))
    rows = rows_of(tmp_path / "out")
    assert {(row["subject"], row["label"], row["layout"], row["rate"]) for row in rows.values()} == {
        ("s01", "a01", "msr20", 15.0),
        ("s01", "a02", "msr20", 15.0),
        ("s02", "a01", "msr20", 15.0),
    }
    first = rows["a01_s01_e01_skeleton3D"]
    assert (first["unseen"], first["longest_gap"]) == (40, 2)
    assert "read as MSR Action3D" in said
    assert "1 of 3 recordings have joints that were not seen" in said


def test_real_msr_files_are_read(tmp_path):
    folder = shared_folder() / "data" / "skeleton" / "msr_raw_txt"
    if not folder.is_dir():
        pytest.skip("the real files are not beside this repository")
    run(folder, tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    rows = rows_of(tmp_path / "out")
    assert [row["count"] for row in rows.values()] == [54, 34, 40, 31, 44, 39]
    assert {row["subject"] for row in rows.values()} == {"s01"}
    assert not any(flag.startswith("bones") for row in rows.values() for flag in row["flags"])
    assert all(0.15 < row["bone"] < 0.3 for row in rows.values())


def test_utkinect_is_cut_by_its_list_of_actions(tmp_path):
    positions = body(seconds=3)[:, AS_20].reshape(90, 60)
    (tmp_path / "raw").mkdir()
    np.savetxt(tmp_path / "raw" / "joints_s01_e01.txt", np.c_[np.arange(90) + 100, positions])
    (tmp_path / "raw" / "actionLabel.txt").write_text("s01_e01\nwalk: 100 139\nsitDown: 140 189\ncarry: NaN NaN\n")
    run(tmp_path / "raw", tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    rows = rows_of(tmp_path / "out")
    assert {row["label"]: (row["first"], row["count"]) for row in rows.values()} == {
        "walk": (0, 40),
        "sitDown": (40, 50),
    }
    assert {row["subject"] for row in rows.values()} == {"s01"}
    values = np.load(tmp_path / "out" / rows["joints_s01_e01_1_sitDown"]["shard"])
    assert np.allclose(values[40, 0, :, :3].ravel(), positions[40], atol=1e-5)
    centre = rows["joints_s01_e01_1_sitDown"]["centre"]
    assert np.allclose(centre, values[40, 0, 1, :3], atol=1e-5)  # of the part, and not of the file


def test_millimetres_become_metres_and_the_row_says_so(tmp_path):
    (tmp_path / "raw").mkdir()
    joints = np.array(KINECT_20.joints)
    for number, unit in enumerate(("mm", "m")):
        scale = 1000 if unit == "mm" else 1
        np.savez(
            tmp_path / "raw" / f"patient{number}_0.npz",
            positions=body(number)[:, AS_20] * scale,
            joints=joints,
            rate=30.0,
            unit=unit,
            axes="z up",
        )
    _, said = run(tmp_path / "raw", tmp_path / "out", subject_from=r"(patient\d)_", fractions=(1.0, 0.0, 0.0))
    rows = rows_of(tmp_path / "out")
    assert {(row["unit"], row["source_unit"], row["axes"]) for row in rows.values()} == {
        ("m", "mm", "z up"),
        ("m", "m", "z up"),
    }
    assert all(0.1 < row["bone"] < 0.3 for row in rows.values())
    assert "1 of 2 recordings were brought to metres" in said


def test_openpose_clips_pickles_and_odd_files_are_each_told(tmp_path):
    raw = tmp_path / "raw"
    write(raw)
    places = np.random.default_rng(0).uniform(1, 300, (25, 2))
    for frame in range(4):
        (raw / "even" / f"patient20_0_{frame:012d}_keypoints.json").write_text(
            json.dumps({"people": [{"pose_keypoints_2d": np.c_[places + frame, np.ones(25)].ravel().tolist()}]})
        )
    (raw / "even" / "patient21_0.pkl").write_bytes(pickle.dumps({}))
    write_ntu(raw / "limp" / "patient22_0.skeleton", {"1": np.tile(body()[:1], (20, 1, 1))})
    (raw / "limp" / "patient23_0.skeleton").write_text("30\n")
    (raw / "limp" / "notes.md").write_text("x")
    result, _ = run(raw, tmp_path / "out", subject_from=r"(patient\d+)_", rate=25.0)
    assert result.exit_code == ExitCode.SOME_FAILED
    rows = rows_of(tmp_path / "out")
    assert len(rows) == 25
    clip = rows["patient20_0"]
    assert (clip["count"], clip["unit"], clip["coordinates"], clip["rate"]) == (4, "px", ["x", "y"], 25.0)
    reasons = {line["case"]: line["reason"] for line in lines_of(tmp_path / "out" / "quarantine.csv")}
    assert "a pickle can run any code" in reasons["patient21_0"]
    assert "nothing moves" in reasons["patient22_0"]
    assert "should stand here" in reasons["patient23_0"]
    left = {line["file"].rpartition("/")[2] for line in lines_of(tmp_path / "out" / "left_out.csv")}
    assert "notes.md" in left


def test_a_table_names_recordings_parts_and_people(tmp_path):
    raw = tmp_path / "raw"
    write_ntu(raw / "one.skeleton", {"1": body(0, seconds=3)})
    write_ntu(raw / "two.skeleton", {"1": body(1, seconds=3)})
    (raw / "table.csv").write_text(
        "path,label,subject,start,end\none.skeleton,walk,p1,0,1\none.skeleton,turn,p1,1,3\ntwo.skeleton,walk,p2,,\n"
    )
    run(raw / "table.csv", tmp_path / "out", fractions=(0.5, 0.0, 0.5))
    found = {(row["label"], row["subject"], row["first"], row["count"]) for row in rows_of(tmp_path / "out").values()}
    assert found == {("walk", "p1", 0, 30), ("turn", "p1", 30, 60), ("walk", "p2", 0, 90)}


def test_cadence_comes_of_the_sequence_itself_and_says_so(tmp_path):
    write(tmp_path / "raw")
    still = np.tile(body()[:1], (60, 1, 1)) + np.random.default_rng(0).normal(size=(60, 25, 3)) * 0.01
    write_ntu(tmp_path / "raw" / "even" / "patient30_0.skeleton", {"1": still})
    options = {"subject_from": r"(patient\d+)_", "origin": "simulated"}
    _, said = run(tmp_path / "raw", tmp_path / "out", value_from="cadence", **options)
    rows = rows_of(tmp_path / "out")
    for patient in range(12):
        true = Walker.of(patient, limp=patient % 2 == 1).cadence
        row = rows[f"patient{patient:02d}_0"]
        assert row["value"] == pytest.approx(true, abs=3)
        assert row["value"] == row["walk"]["cadence"]
        assert row["value_is"] == "cadence by the distance of both ankles"
    assert rows["patient30_0"]["value"] is None
    assert "no_rhythm" in rows["patient30_0"]["flags"]
    assert "no instrument's" in said
    run(tmp_path / "raw", tmp_path / "time", value_from="step_time", **options)
    assert rows_of(tmp_path / "time")["patient00_0"]["value"] == pytest.approx(
        60 / Walker.of(0, limp=False).cadence, abs=0.02
    )


def test_a_second_run_keeps_what_is_there_and_other_options_do_not(tmp_path):
    write_ntu(tmp_path / "raw" / "patient0_0.skeleton", {"1": body(), "2": body(1) + np.array([1, 0, 0])})
    options = {"subject_from": r"(patient\d)_", "fractions": (1.0, 0.0, 0.0)}
    run(tmp_path / "raw", tmp_path / "out", **options)
    shard = tmp_path / "out" / "shards" / "patient0_0.npy"
    stamp = shard.stat().st_mtime_ns
    run(tmp_path / "raw", tmp_path / "out", **options)
    assert shard.stat().st_mtime_ns == stamp
    run(tmp_path / "raw", tmp_path / "out", bodies=1, **options)
    assert shard.stat().st_mtime_ns != stamp
    assert rows_of(tmp_path / "out")["patient0_0"]["bodies"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"unit": "furlong"}, "unit"),
        ({"layout": "smpl"}, "layout"),
        ({"bodies": 0}, "bodies must be positive"),
        ({"ntu_split": "xsub"}, "ntu_split"),
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path, options, said):
    write_ntu(tmp_path / "raw" / "a.skeleton", {"1": body()})
    with pytest.raises(ValueError, match=said):
        run(tmp_path / "raw", tmp_path / "out", **options)


def test_a_folder_without_skeletons_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match="no skeleton is here"):
        run(tmp_path / "raw", tmp_path / "out")
