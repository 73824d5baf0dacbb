"""Videos to a prepared data set."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep import tiny, video_case
from data_prep.video import main, prepare
from medmae.data.manifest import Manifest
from medmae.data.video.read import read_video
from medmae.errors import DataError, ExitCode
from tests.videos import cut, dicom_video, numbered, numbers_of, sound_only, textured, write_video

QUIET = Console(quiet=True)


@pytest.fixture(autouse=True)
def here(monkeypatch, request):
    """The work of the child in this process, which saves the start of another one."""
    if "child" not in request.keywords:

        def call(work, task, *, path, limit_s):
            return json.loads(json.dumps(video_case.store_video(json.loads(json.dumps(task)))))

        monkeypatch.setattr(video_case, "run_in_child", call)


def run(source, out, **options):
    return prepare(source=source, out=out, console=QUIET, **{"workers": 0, **options})


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out, verify=True)}


def frames_of(out, row):
    return np.load(out / row["shard"])[row["first"] : row["first"] + row["count"]]


@pytest.fixture
def videos(tmp_path):
    """Videos ``raw/<label>/<patient>_<n>.mkv``, all different: ``videos({"a": ["p1", "p2"]}, each=2)``."""

    def make(patients, *, each=1, folder="raw"):
        number = 0
        for label, names in patients.items():
            for name in names:
                for n in range(each):
                    path = tmp_path / folder / label / f"{name}_{n}.mkv"
                    write_video(path, numbered(4 + number), codec="ffv1", pixels="yuv444p")
                    number += 1
        return tmp_path / folder

    return make


BY_PATIENT = {"subject_from": r"^(\w+?)_"}


# ------------------------------------------------------------------------------------------------------- what is made
def test_frames_times_and_labels_are_stored_and_patients_stay_together(videos, tmp_path):
    source = videos({"left": ["p1", "p2", "p3"], "right": ["p1", "p4", "p5"]}, each=2)
    result = run(source, tmp_path / "out", **BY_PATIENT)
    assert result.exit_code == ExitCode.OK
    assert result.cases == 12
    rows = rows_of(tmp_path / "out")
    row = rows["left_p1_0"]
    assert row["subject"] == "p1"
    assert row["label"] == "left"
    assert (row["fps"], row["times"], row["count"], row["size"]) == (25, None, 4, [32, 48])
    assert row["status"] == "ok"
    assert len({row["split"] for row in rows.values() if row["subject"] == "p1"}) == 1
    assert numbers_of(frames_of(tmp_path / "out", row)) == [0, 1, 2, 3]
    assert {row["split"] for row in rows.values()} == {"train", "val", "test"}


def test_grey_videos_keep_one_channel_and_colour_has_three(tmp_path):
    write_video(tmp_path / "raw" / "grey.mkv", numbered(4), codec="ffv1", pixels="yuv444p")
    late = numbered(4)
    late[3, :, :, 0] = 255  # colour comes with the last frame
    write_video(tmp_path / "raw" / "late.mkv", late, codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert (rows["grey"]["channels"], rows["late"]["channels"]) == (1, 3)
    whole = read_video(tmp_path / "raw" / "late.mkv").frames
    np.testing.assert_array_equal(frames_of(tmp_path / "out", rows["late"]), whole)
    run(tmp_path / "raw", tmp_path / "out", channels="1")
    assert {row["channels"] for row in rows_of(tmp_path / "out").values()} == {1}


def test_frames_are_reduced_to_the_short_side_and_never_enlarged(tmp_path):
    write_video(tmp_path / "raw" / "a.mkv", textured(3, size=(64, 96)), codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out", short_side=32)
    assert rows_of(tmp_path / "out")["a"]["size"] == [32, 48]
    run(tmp_path / "raw", tmp_path / "out", short_side=100)
    assert rows_of(tmp_path / "out")["a"]["size"] == [64, 96]


def test_frames_are_chosen_by_time(tmp_path):
    times = [0, 0.1, 0.2, 0.5, 0.55, 1.0, 1.5, 1.51]
    write_video(tmp_path / "raw" / "a.mkv", numbered(8), times=times, codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out", fps=2)
    row = rows_of(tmp_path / "out")["a"]
    assert numbers_of(frames_of(tmp_path / "out", row)) == [0, 3, 5, 6]
    assert row["fps"] == pytest.approx(2)


def test_frames_without_times_are_chosen_by_a_stated_rate_only(tmp_path):
    (tmp_path / "raw").mkdir()
    np.save(tmp_path / "raw" / "a.npy", numbered(20)[..., 0])
    with pytest.raises(DataError, match="nothing tells when they are shown"):
        run(tmp_path / "raw", tmp_path / "out", fps=2)
    (tmp_path / "t.csv").write_text("path,fps\nraw/a.npy,10\n")
    run(tmp_path / "t.csv", tmp_path / "out", fps=2)
    row = rows_of(tmp_path / "out")["a"]
    assert numbers_of(frames_of(tmp_path / "out", row)) == [0, 5, 10, 15]
    assert row["fps"] == pytest.approx(2)


def test_varying_times_are_written_down(tmp_path):
    write_video(tmp_path / "raw" / "a.mkv", numbered(4), times=[0, 0.1, 0.5, 0.6], codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out")
    assert rows_of(tmp_path / "out")["a"]["times"] == pytest.approx([0, 0.1, 0.5, 0.6])


def ultrasound(count=8):
    """A sector of noise with text above it and a black surround."""
    rng = np.random.default_rng(0)
    frames = np.zeros((count, 96, 128, 3), dtype=np.uint8)
    frames[:, 30:90, 30:100] = rng.integers(40, 255, (count, 60, 70, 1))
    frames[:, 4:10, 4:40] = 200
    return frames


def test_borders_and_overlays_are_found_and_masked_only_when_asked(tmp_path):
    write_video(tmp_path / "raw" / "a.mkv", ultrasound(), codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["a"]
    assert row["box"] == [30, 30, 90, 100]
    assert any(flag.startswith("static_overlay:") for flag in row["flags"])
    np.testing.assert_allclose(frames_of(tmp_path / "out", row)[..., 0], ultrasound()[..., 0], atol=1)
    run(tmp_path / "raw", tmp_path / "out", mask_static=True)
    row = rows_of(tmp_path / "out")["a"]
    frames = frames_of(tmp_path / "out", row)
    assert frames[:, :28].max() == 0
    np.testing.assert_allclose(frames[:, 30:90, 30:100, 0], ultrasound()[:, 30:90, 30:100, 0], atol=1)
    assert "static_masked" in row["flags"]


def test_what_does_not_move_at_all_is_not_masked(tmp_path):
    write_video(tmp_path / "raw" / "a.mkv", ultrasound()[[0] * 5], codec="ffv1", pixels="yuv444p")
    run(tmp_path / "raw", tmp_path / "out", mask_static=True)
    row = rows_of(tmp_path / "out")["a"]
    assert "frozen" in row["flags"]
    assert frames_of(tmp_path / "out", row).max() == 254


# ------------------------------------------------------------------------------------------------------ what is wrong
def test_bad_files_are_quarantined_with_a_reason_and_the_others_go_on(videos, tmp_path):
    source = videos({"": ["p1", "p2"]})
    (source / "empty.mp4").touch()
    (source / "page.mp4").write_text("<!doctype html>404")
    sound_only(source / "talk.mp4")
    shutil.copy(cut(write_video(tmp_path / "whole.mp4", textured(20)), 0.5), source / "cut.mp4")
    (source / "._p1_0.mkv").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    write_video(source / "still.mkv", numbered(1))
    result = run(source, tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert set(rows_of(tmp_path / "out")) == {"p1_0", "p2_0"}
    reasons = {row["case"]: row["reason"] for row in table(tmp_path / "out" / "quarantine.csv")}
    assert set(reasons) == {"empty", "page", "talk", "cut", "still"}
    assert "the file is empty" in reasons["empty"]
    assert "web page" in reasons["page"]
    assert "only sound" in reasons["talk"]
    assert "cannot open it as a video" in reasons["cut"]
    assert "single frame" in reasons["still"]
    assert all(row["remedy"] for row in table(tmp_path / "out" / "quarantine.csv"))


def test_frames_before_the_damage_are_kept_and_flagged_or_refused(tmp_path):
    path = write_video(tmp_path / "whole.mkv", textured(40), codec="libx264")
    (tmp_path / "raw").mkdir()
    shutil.copy(cut(path, 0.7), tmp_path / "raw" / "a.mkv")
    write_video(tmp_path / "raw" / "b.mkv", textured(5, seed=1))
    run(tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["a"]
    assert row["status"] == "damaged"
    assert "ended prematurely" in row["reason"]
    assert 0 < row["count"] < 40
    assert run(tmp_path / "raw", tmp_path / "out", damaged="refuse").quarantined == 1
    assert set(rows_of(tmp_path / "out")) == {"b"}


def test_the_same_frames_under_two_subjects_are_refused_whatever_holds_them(tmp_path):
    write_video(tmp_path / "raw" / "p1_a.mkv", numbered(5), codec="ffv1", pixels="yuv444p")
    write_video(tmp_path / "raw" / "p2_b.avi", numbered(5), codec="ffv1", pixels="yuv444p")
    with pytest.raises(DataError, match=r"same content under different subjects: p1_a \(p1\) = p2_b \(p2\)"):
        run(tmp_path / "raw", tmp_path / "out", **BY_PATIENT)
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    shutil.move(tmp_path / "raw" / "p2_b.avi", tmp_path / "raw" / "p1_b.avi")
    write_video(tmp_path / "raw" / "p2_c.mkv", numbered(6))
    assert run(tmp_path / "raw", tmp_path / "out", **BY_PATIENT).cases == 3


def test_nothing_usable_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match="no video is here"):
        run(tmp_path / "raw", tmp_path / "out")
    (tmp_path / "raw" / "a.mp4").touch()
    with pytest.raises(DataError, match="the file is empty"):
        run(tmp_path / "raw", tmp_path / "out")


def test_the_limit_of_size_is_kept(videos, tmp_path):
    source = videos({"": ["p1"]})
    with pytest.raises(DataError, match="more than the limit of 1e-06 GB"):
        run(source, tmp_path / "out", limit_gb=1e-6)


# ------------------------------------------------------------------------------------------------ patients and splits
def test_without_patients_each_video_counts_as_one_and_that_is_flagged_and_told(videos, tmp_path):
    source = videos({"left": ["a", "b", "c"], "right": ["d", "e", "f"]})
    console = Console(file=io.StringIO(), width=300)
    prepare(source=source, out=tmp_path / "out", workers=0, console=console)
    rows = rows_of(tmp_path / "out")
    assert all("no_patient" in row["flags"] for row in rows.values())
    assert "no patient is known" in console.file.getvalue()
    test = [row["label"] for row in rows.values() if row["split"] == "test"]
    assert sorted(test) == ["left", "right"]  # each class by itself


def test_folders_of_splits_are_kept_and_a_missing_val_is_drawn(tmp_path):
    for number, name in enumerate(("train/a/p1_0", "train/a/p2_0", "train/b/p3_0", "train/b/p4_0", "test/a/p5_0")):
        write_video(tmp_path / "raw" / f"{name}.mkv", numbered(4 + number))
    run(tmp_path / "raw", tmp_path / "out", **BY_PATIENT)
    splits = {row["subject"]: row["split"] for row in rows_of(tmp_path / "out").values()}
    assert splits.pop("p5") == "test"
    assert sorted(splits.values()) == ["train", "train", "train", "val"]


def test_a_file_of_splits_is_used_and_does_not_go_with_folders_of_splits(videos, tmp_path):
    source = videos({"a": ["p1", "p2"]})
    (tmp_path / "splits.csv").write_text("subject,split\np1,test\np2,train\n")
    run(source, tmp_path / "out", split=tmp_path / "splits.csv", **BY_PATIENT)
    assert {row["subject"]: row["split"] for row in rows_of(tmp_path / "out").values()} == {"p1": "test", "p2": "train"}
    shutil.move(source / "a", tmp_path / "other" / "train" / "a")
    with pytest.raises(DataError, match="both name splits"):
        run(tmp_path / "other", tmp_path / "out2", split=tmp_path / "splits.csv", **BY_PATIENT)


def test_a_patient_in_two_folders_of_splits_is_refused(tmp_path):
    write_video(tmp_path / "raw" / "train" / "a" / "p1_0.mkv", numbered(4))
    write_video(tmp_path / "raw" / "test" / "a" / "p1_1.mkv", numbered(5))
    with pytest.raises(DataError, match=r"p1 \(test, train\)"):
        run(tmp_path / "raw", tmp_path / "out", **BY_PATIENT)


def test_a_pattern_with_a_slash_is_matched_against_the_path(tmp_path):
    write_video(tmp_path / "raw" / "patient7" / "one.mkv", numbered(4))
    write_video(tmp_path / "raw" / "patient8" / "one.mkv", numbered(5))
    run(tmp_path / "raw", tmp_path / "out", subject_from=r"(patient\d+)/")
    rows = rows_of(tmp_path / "out")
    assert {case: row["subject"] for case, row in rows.items()} == {
        "patient7_one": "patient7",
        "patient8_one": "patient8",
    }


# ------------------------------------------------------------------------------------------------------------- resume
def test_what_is_done_is_kept_and_what_changed_is_done_again(videos, tmp_path):
    source = videos({"": ["p1", "p2"]})
    run(source, tmp_path / "out", **BY_PATIENT)
    again = run(source, tmp_path / "out", **BY_PATIENT)
    assert (again.prepared, again.kept) == (0, 2)
    write_video(source / "p2_0.mkv", numbered(9))
    (tmp_path / "out" / "shards" / "p1_0.npy").write_bytes(b"damaged")
    assert run(source, tmp_path / "out", **BY_PATIENT).prepared == 2
    assert rows_of(tmp_path / "out")["p2_0"]["count"] == 9
    assert run(source, tmp_path / "out", short_side=16, **BY_PATIENT).prepared == 2


# ------------------------------------------------------------------------------------------------------ command line
def test_the_module_is_a_command_with_exit_codes(videos, tmp_path):
    source = videos({"left": ["p1"], "right": ["p2"]})
    with pytest.raises(SystemExit) as stop:
        main([str(source), str(tmp_path / "out"), "--subject-from", r"^(\w+?)_", "--workers", "0", "--channels", "3"])
    assert stop.value.code == ExitCode.OK
    assert {row["channels"] for row in rows_of(tmp_path / "out").values()} == {3}
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "gone"), str(tmp_path / "out")])
    assert stop.value.code == ExitCode.REFUSED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": "2"}, "channels"),
        ({"damaged": "mend"}, "damaged"),
        ({"fps": -1.0}, "fps"),
        ({"limit_s": 0.0}, "limit"),
        ({"limit_gb": float("nan")}, "limit"),
        ({"fps": float("nan")}, "fps"),
    ],
)
def test_options_out_of_range_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, tmp_path / "out", **options)


@pytest.mark.parametrize("out", ["prepared", "."])
def test_what_was_written_below_the_source_is_no_video_of_it(videos, tmp_path, out):
    source = videos({"left": ["p1"], "right": ["p2"]})
    run(source, source / out, **BY_PATIENT)
    first = rows_of(source / out)
    run(source, source / out, **BY_PATIENT)
    assert rows_of(source / out) == first
    (source / out / "manifest.jsonl").unlink()  # as of a run that was stopped
    run(source, source / out, **BY_PATIENT)
    assert rows_of(source / out) == first
    run(source, tmp_path / "elsewhere", **BY_PATIENT)
    assert rows_of(tmp_path / "elsewhere").keys() == first.keys()


def test_folders_of_frames_beside_files_are_videos_too(videos, tmp_path):
    source = videos({"left": ["p1"]})
    (source / "right" / "p2_1").mkdir(parents=True)
    for number, frame in enumerate(numbered(4), start=8):
        Image.fromarray(frame).save(source / "right" / "p2_1" / f"frame_{number}.png")
    (source / "notes.md").write_text("x")
    result = run(source, tmp_path / "out", **BY_PATIENT)
    row = rows_of(tmp_path / "out")["p2_1"]
    assert (row["label"], row["count"], row["fps"]) == ("right", 4, None)
    assert numbers_of(frames_of(tmp_path / "out", row)) == [0, 1, 2, 3]
    assert [one.path.name for one in result.left_out] == ["notes.md"]


def test_thumbnails_and_masks_are_no_videos_and_a_clip_is_called_as_its_folder(videos, tmp_path):
    source = videos({"left": ["p1", "p2"]})
    for name in ("left/p1_0.jpg", "left/p2_0.jpg"):
        Image.fromarray(numbered(1)[0]).save(source / name)
    for kind in ("images", "masks"):
        (source / "right" / "p3_1" / kind).mkdir(parents=True)
        for number, frame in enumerate(numbered(7)):
            Image.fromarray(frame).save(source / "right" / "p3_1" / kind / f"{number}.png")
    result = run(source, tmp_path / "out", **BY_PATIENT)
    labels = {case: row["label"] for case, row in rows_of(tmp_path / "out").items()}
    assert labels == {"p1_0": "left", "p2_0": "left", "p3_1": "right"}
    assert len(result.left_out) == 2 + 7


def test_files_of_one_dicom_patient_belong_together_and_no_identifier_is_written(tmp_path):
    for number, patient in enumerate(("DOE-77 ", " DOE-77", "ROE-5")):
        data = dicom_video(numbered(4 + number)[..., 0], PatientID=patient)
        (tmp_path / "raw").mkdir(exist_ok=True)
        data.save_as(tmp_path / "raw" / f"{number}.dcm", enforce_file_format=True)
    run(tmp_path / "raw", tmp_path / "out", subject_from="PatientID")
    subjects = {case: row["subject"] for case, row in rows_of(tmp_path / "out").items()}
    assert subjects["0"] == subjects["1"] != subjects["2"]
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"DOE" not in written
    run(tmp_path / "raw", tmp_path / "other")
    assert len({row["subject"] for row in rows_of(tmp_path / "other").values()}) == 3
    assert all("no_patient" in row["flags"] for row in rows_of(tmp_path / "other").values())


def test_tiny_clips_have_both_classes_in_every_split(tmp_path):
    prepared, _ = tiny.make("clips", tmp_path)
    manifest = Manifest.read(prepared, verify=True)
    for split in ("train", "val", "test"):
        assert {row["label"] for row in manifest.select(split=split)} == {"left", "right"}
    assert {row["channels"] for row in manifest} == {1}


def test_a_decoder_that_hangs_loses_its_video_only(videos, tmp_path, monkeypatch):
    from medmae.child import run_in_child

    (tmp_path / "slow_store.py").write_text(
        "from data_prep.video_case import store_video\n"
        "def work(task):\n    while 'p2' in task['path']:\n        pass\n    return store_video(task)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **o: run_in_child("slow_store:work", task, **o))
    result = run(videos({"": ["p1", "p2", "p3"]}), tmp_path / "out", limit_s=3.0)
    assert (result.cases, result.quarantined) == (2, 1)
    assert "not finished after 3 s" in table(tmp_path / "out" / "quarantine.csv")[0]["reason"]


def test_masks_are_no_videos_and_what_was_joined_by_cat_is_flagged(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a/x1", "a/x1_mask", "a/masks/x1", "no_mask/y1"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "raw" / f"{name}.npy", rng.integers(0, 255, (4, 16, 16), dtype=np.uint8))
    frames = [Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8)) for _ in range(4)]
    gif = tmp_path / "raw" / "a" / "z.gif"
    frames[0].save(gif, save_all=True, append_images=frames[1:])
    gif.write_bytes(gif.read_bytes() * 2)
    write_video(tmp_path / "raw" / "a" / "w.mp4", textured(4), codec="mpeg4")
    joined = (tmp_path / "raw" / "a" / "w.mp4").read_bytes() * 3
    (tmp_path / "raw" / "a" / "w.mp4").write_bytes(joined)
    result = run(tmp_path / "raw", tmp_path / "out")
    flags = {name: row["flags"] for name, row in rows_of(tmp_path / "out").items()}
    assert sorted(one.path.as_posix().partition("raw/")[2] for one in result.left_out) == [
        "a/masks/x1.npy",
        "a/x1_mask.npy",
    ]
    assert "joined_files:2" in flags["z"]
    assert "joined_files:3" in flags["w"]
    assert not any("joined" in flag for name in ("x1", "y1") for flag in flags[name])
