"""Faults 21, 22, 25 and 26 of videos: from the file to the batch."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from data_prep import video_case
from data_prep.video import prepare
from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.data.video.clips import Clips
from medmae.data.video.sampling import DenseFrames, DenseSeconds
from medmae.errors import DataError, ExitCode
from medmae.training import ResumableLoader
from tests.videos import numbered, sound_only, write_video


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **__: video_case.store_video(task))


def run(source, out, **options):
    return prepare(source=source, out=out, console=Console(quiet=True), workers=0, **options)


def quarantined(out):
    with (out / "quarantine.csv").open(newline="") as file:
        return {row["case"]: row["reason"] for row in csv.DictReader(file)}


def lossless(path, count, **options):
    return write_video(path, numbered(count), codec="ffv1", pixels="yuv444p", **options)


@pytest.fixture
def prepared(tmp_path):
    """Five videos of 10 to 14 frames, one split."""
    for number in range(5):
        lossless(tmp_path / "raw" / "ab"[number % 2] / f"p{number}.mkv", 10 + number)
    run(tmp_path / "raw", tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    return tmp_path / "out"


CLIPS = Clips(size=16, channels=1, sampling=DenseFrames(frames=8, stride=2))


# ----------------------------------------------------------------------------------------------------------------- 21
def test_fault_21_missing_and_empty_videos_are_named_and_the_others_prepared(tmp_path):
    lossless(tmp_path / "a.mkv", 5)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "t.csv").write_text("path\na.mkv\nempty.mp4\ngone.mp4\n")
    assert run(tmp_path / "t.csv", tmp_path / "out").exit_code == ExitCode.SOME_FAILED
    reasons = quarantined(tmp_path / "out")
    assert set(reasons) == {"empty", "gone"}
    assert "empty" in reasons["empty"]
    assert "no such video" in reasons["gone"]


def test_fault_21_a_video_shorter_than_the_clip_is_padded_by_its_own_frames_and_never_by_zeros(prepared):
    data = Samples(source=prepared, view=Clips(size=16, channels=1, sampling=DenseFrames(frames=16, stride=4)))
    for index in range(len(data)):
        image = data[index]["image"]  # (1, 16, 16, 16)
        assert image.shape == (1, 16, 16, 16)
        assert (image.amax(dim=(0, 2, 3)) > 0.1).all()


def test_fault_21_a_variable_rate_is_sampled_by_its_times(tmp_path):
    times = [0, 0.1, 0.2, 1.2, 1.3, 2.0]
    lossless(tmp_path / "raw" / "a.mkv", 6, times=times)
    run(tmp_path / "raw", tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    view = Clips(size=16, channels=1, dtype="uint8", sampling=DenseSeconds(frames=9, step=0.3))
    levels = Samples(source=tmp_path / "out", view=view)[0]["image"].float().mean(dim=(0, 2, 3))
    assert torch.round((levels - 30) / 6).int().tolist() == [0, 2, 2, 2, 3, 4, 4, 5, 5]


def test_fault_21_a_shard_that_is_gone_is_replaced_counted_and_told(prepared):
    data = Samples(source=prepared, view=CLIPS)
    (prepared / "shards" / "p1.npy").unlink()
    with pytest.warns(UserWarning, match=r"sample 1 \(case p1.*is replaced by the next one"):
        (batch,) = list(ResumableLoader(dataset=data, batch_size=5, seed=0))
    assert batch["image"].shape == (5, 1, 8, 16, 16)
    assert 1 not in batch["index"].tolist()
    with pytest.raises(DataError, match=r"p1\.npy: the shard cannot be read"):
        data[1]


def test_fault_21_one_bad_video_ends_no_training_however_many_clips_are_drawn_of_it(prepared):
    data = [Samples(source=prepared, view=replace(CLIPS, clips_per_video=3)) for _ in range(2)]
    (prepared / "shards" / "p1.npy").unlink()
    with pytest.warns(UserWarning, match="is replaced by the next one"):
        found = [n for batch in ResumableLoader(dataset=data[0], batch_size=3) for n in batch["index"].tolist()]
    assert len(found) == len(data[0]) == 15
    (prepared / "shards" / "p2.npy").unlink()
    with pytest.raises(DataError, match="too many samples"), pytest.warns(UserWarning, match="is replaced"):
        list(ResumableLoader(dataset=data[1], batch_size=3))


# ----------------------------------------------------------------------------------------------------------------- 22
def test_fault_22_sound_without_pictures_is_no_video_and_pictures_need_no_sound(tmp_path):
    (tmp_path / "raw").mkdir()
    sound_only(tmp_path / "raw" / "talk.mp4")
    lossless(tmp_path / "raw" / "silent.mkv", 5)
    run(tmp_path / "raw", tmp_path / "out")
    assert "only sound" in quarantined(tmp_path / "out")["talk"]
    assert [row["count"] for row in Manifest.read(tmp_path / "out")] == [5]


# ----------------------------------------------------------------------------------------------------------------- 25
def test_fault_25_a_video_without_class_number_or_caption_is_there_and_says_so(tmp_path):
    for name in "ab":
        lossless(tmp_path / f"{name}.mkv", 8 + ord(name) % 7)
    (tmp_path / "t.csv").write_text("path,label,value,caption,split\na.mkv,x,1.5,seen,train\nb.mkv,,,,train\n")
    run(tmp_path / "t.csv", tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    rows = {row["case"]: row for row in Manifest.read(tmp_path / "out")}
    assert (rows["b"]["label"], rows["b"]["value"], rows["b"]["captions"]) == (None, None, [])
    data = Samples(source=tmp_path / "out", view=CLIPS)
    assert data.labels.tolist() == [0, -1]
    numbers = Samples(source=tmp_path / "out", view=Clips(size=16, channels=1, target="value"))
    assert np.isnan(numbers.labels[1, 0])
    assert len(Samples(source=tmp_path / "out", view=CLIPS, classes=["x"])) == 1


# ----------------------------------------------------------------------------------------------------------------- 26
def changed(folder, change):
    path = folder / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda rows: rows.append(rows[0]), "line 6: case 'p0' is also on line 1"),
        (lambda rows: rows[1].update(shard="../elsewhere.npy"), "line 2: .* lies outside"),
        (lambda rows: rows[1].update(shard="/etc/passwd"), "line 2: .* lies outside"),
        (lambda rows: rows[2].update(shard="shards/gone.npy"), "line 3: shard 'shards/gone.npy' does not exist"),
        (lambda rows: rows[3].pop("content_sha256"), "line 4: key 'content_sha256' is missing"),
        (lambda rows: rows[4].update(times=[0, 1]), "line 5: 'times' must be null or have 14 entries"),
    ],
)
def test_fault_26_bad_rows_are_refused_with_their_lines(prepared, change, fault):
    changed(prepared, change)
    with pytest.raises(DataError, match=fault):
        Manifest.read(prepared)


def test_fault_26_a_changed_shard_is_found_and_mended_by_preparing_again(prepared, tmp_path):
    shard = prepared / "shards" / "p2.npy"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 255
    shard.write_bytes(data)
    with pytest.raises(DataError, match=r"line 3: shard 'shards/p2\.npy' has sha256"):
        Manifest.read(prepared, verify=True)
    assert run(tmp_path / "raw", prepared, fractions=(1.0, 0.0, 0.0)).prepared == 1
    Manifest.read(prepared, verify=True)


def test_fault_27_copies_in_other_containers_are_refused(tmp_path):
    lossless(tmp_path / "raw" / "p1.mkv", 5)
    lossless(tmp_path / "raw" / "p2.avi", 5)
    with pytest.raises(DataError, match="same content under different subjects"):
        run(tmp_path / "raw", tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
