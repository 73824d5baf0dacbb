"""Sounds prepared: collections by their own marks, speakers never on both sides, what is odd told."""

from __future__ import annotations

import csv
import io
import json

import h5py
import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("soundfile", reason="sounds are read by soundfile")
pytest.importorskip("av", reason="sound tracks are read by PyAV")

from data_prep import audio_case
from data_prep.audio import prepare
from medmae.data.audio.clips import AudioClips
from medmae.data.audio.cut import SoundCut
from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.errors import DataError, ExitCode
from tests.sounds import noise, sine, write_sound


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(audio_case, "run_in_child", lambda _, task, **__: audio_case.store_audio(task))


def run(source, out, **options):
    console = Console(record=True, width=200, file=io.StringIO())
    result = prepare(source=source, out=out, console=console, workers=0, **options)
    return result, " ".join(console.export_text().split())


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out)}


def tone(path, number=0, *, seconds=0.3, rate=8000):
    return write_sound(path, noise(seconds=seconds, rate=rate, seed=number), rate=rate)


def reasons(out):
    with (out / "quarantine.csv").open(newline="") as file:
        return {row["case"]: row["reason"] for row in csv.DictReader(file)}


# ------------------------------------------------------------------------------------------------------ from the files
def test_folders_are_classes_and_splits_and_sounds_are_stored_at_one_rate(tmp_path):
    for number, (split, label) in enumerate([("train", "dog"), ("train", "cat"), ("test", "dog"), ("test", "cat")]):
        tone(tmp_path / "raw" / split / label / f"p{number}_a.wav", number)
    result, said = run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)_", fractions=(1.0, 0.0, 0.0))
    assert result.exit_code == ExitCode.OK
    rows = rows_of(tmp_path / "out")
    assert {(row["split"], row["label"], row["subject"]) for row in rows.values()} == {
        ("train", "dog", "p0"),
        ("train", "cat", "p1"),
        ("test", "dog", "p2"),
        ("test", "cat", "p3"),
    }
    assert {(row["rate"], row["count"], row["dtype"]) for row in rows.values()} == {(16_000, 4800, "int16")}
    assert "upsampled:8000" in rows["p0_a"]["flags"]
    assert "4 of 4 sounds had a lower rate" in said
    data = Samples(source=tmp_path / "out", view=AudioClips(cut=SoundCut(frames=20)), split="test")
    assert data[0]["audio"].shape == (1, 20, 128)
    assert Manifest.read(tmp_path / "out", verify=True)


def test_a_second_run_keeps_what_is_done_and_another_rate_makes_it_anew(tmp_path):
    tone(tmp_path / "raw" / "a.wav")
    assert run(tmp_path / "raw", tmp_path / "out")[0].prepared == 1
    assert run(tmp_path / "raw", tmp_path / "out")[0].kept == 1
    assert run(tmp_path / "raw", tmp_path / "out", rate=4000)[0].prepared == 1
    assert rows_of(tmp_path / "out")["a"]["rate"] == 4000
    assert run(tmp_path / "raw", tmp_path / "out", rate=0)[0].prepared == 1
    assert rows_of(tmp_path / "out")["a"]["rate"] == 8000


def test_a_table_tells_several_classes_parts_folds_and_speakers(tmp_path):
    write_sound(tmp_path / "a.wav", noise(seconds=2))
    write_sound(tmp_path / "b.wav", noise(seconds=2, seed=1))
    (tmp_path / "t.csv").write_text(
        "sound,classes,start,end,fold,subject\na.wav,dog;rain,0,0.5,1,x\na.wav,,0.5,1.5,1,x\nb.wav,rain,0,1,2,y\n"
    )
    _, said = run(tmp_path / "t.csv", tmp_path / "out", test_fold=2)
    rows = rows_of(tmp_path / "out")
    assert {case: (row["classes"], row["split"], row["fold"]) for case, row in rows.items()} == {
        "a_0-0.5": (["dog", "rain"], "train", 1),
        "a_0.5-1.5": ([], "train", 1),
        "b_0-1": (["rain"], "test", 2),
    }
    assert rows["a_0.5-1.5"]["first"] == 8000
    assert rows["a_0.5-1.5"]["count"] == 16_000
    assert "test has no example of 1 of 2 classes: dog" in said
    data = Samples(source=tmp_path / "out", view=AudioClips(cut=SoundCut(frames=20), target="classes"), split="train")
    assert data.labels.tolist() == [[1, 1], [0, 0]]


def test_a_part_behind_the_end_is_quarantined_and_the_others_stay(tmp_path):
    write_sound(tmp_path / "a.wav", noise(seconds=1))
    (tmp_path / "t.csv").write_text("path,start,end\na.wav,0,0.5\na.wav,5,6\n")
    result, _ = run(tmp_path / "t.csv", tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    assert reasons(tmp_path / "out") == {"a_5-6": "no sound lies in this part: the sound is 1.00 s long"}


def test_what_cannot_be_used_is_quarantined_with_its_reason(tmp_path):
    raw = tmp_path / "raw"
    tone(raw / "good.wav")
    write_sound(raw / "silent.wav", 0 * noise())
    (raw / "empty.wav").touch()
    (raw / "page.mp3").write_text("<!doctype html>")
    write_sound(raw / "opposite.wav", np.stack([sine(), -sine()], axis=1))
    (raw / "notes.md").write_text("x")
    result, _ = run(raw, tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    found = reasons(tmp_path / "out")
    assert set(found) == {"silent", "empty", "page", "opposite"}
    assert "silent" in found["silent"]
    assert "web page" in found["page"]
    assert "cancel" in found["opposite"]
    assert "notes.md" in (tmp_path / "out" / "left_out.csv").read_text()
    assert run(raw, tmp_path / "out", mix="first")[0].quarantined == 3


def test_levels_are_told_and_counted(tmp_path):
    write_sound(tmp_path / "raw" / "clipped.wav", noise(level=1.0).clip(-0.5, 0.5))
    write_sound(tmp_path / "raw" / "offset.wav", noise() + 0.3)
    _, said = run(tmp_path / "raw", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert rows["clipped"]["clipped"] > 0.1  # in runs of three and more
    assert rows["offset"]["offset"] == pytest.approx(0.3, abs=0.01)
    assert "1 of 2 sounds are clipped" in said
    assert "1 of 2 sounds have an offset" in said


def test_damaged_sounds_are_kept_up_to_their_damage_or_refused(tmp_path):
    path = write_sound(tmp_path / "raw" / "a.wav", noise(seconds=2))
    path.write_bytes(path.read_bytes()[:32_000])
    run(tmp_path / "raw", tmp_path / "out")
    assert rows_of(tmp_path / "out")["a"]["status"] == "damaged"
    with pytest.raises(DataError, match="ends before its sound does"):
        run(tmp_path / "raw", tmp_path / "out", damaged="refuse")


def test_one_sound_under_two_speakers_is_refused(tmp_path):
    exact = (noise() * 30_000).astype(np.int16)
    for name in ("p1_a.wav", "p2_a.flac"):
        write_sound(tmp_path / "raw" / name, exact)
    with pytest.raises(DataError, match="same content under different subjects"):
        run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)_")


def test_a_speaker_in_two_splits_is_refused(tmp_path):
    for number, split in enumerate(("train", "test")):
        tone(tmp_path / "raw" / split / "dog" / f"p1_{number}.wav", number)
    with pytest.raises(DataError, match=r"p1 \(test, train\)"):
        run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)_")


def test_a_dry_run_shows_who_is_who_and_writes_nothing(tmp_path):
    tone(tmp_path / "raw" / "p1_a.wav")
    _, said = run(tmp_path / "raw", tmp_path / "out", subject_from=r"^(p\d)_", dry_run=True)
    assert "p1" in said
    assert "dry run" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"rate": -1}, {"mix": "loudest"}, {"starts": "now"}, {"limit_s": float("nan")}])
def test_options_out_of_range_are_refused(tmp_path, options):
    tone(tmp_path / "raw" / "a.wav")
    with pytest.raises(ValueError, match=next(iter(options))):
        run(tmp_path / "raw", tmp_path / "out", **options)


# ------------------------------------------------------------------------------------------------------- collections
def test_esc_by_names_has_folds_classes_and_recordings_that_no_split_cuts(tmp_path):
    for number, name in enumerate(["1-100-A", "1-100-B", "2-200-A", "3-300-A"]):
        tone(tmp_path / "raw" / "001 - Dog bark" / f"{name}.ogg", number, seconds=1)
    _, said = run(tmp_path / "raw", tmp_path / "out", test_fold=3)
    rows = rows_of(tmp_path / "out")
    assert {row["label"] for row in rows.values()} == {"Dog bark"}
    assert rows["1-100-A"]["subject"] == rows["1-100-B"]["subject"] == "100"
    assert {case for case, row in rows.items() if row["split"] == "test"} == {"3-300-A"}
    assert "read as esc" in said
    with pytest.raises(DataError, match=r"\[1, 2, 3\]"):
        run(tmp_path / "raw", tmp_path / "out", test_fold=5)


def test_esc_50_by_its_table(tmp_path):
    (tmp_path / "raw" / "meta").mkdir(parents=True)
    (tmp_path / "raw" / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-100032-A-0.wav,1,0,dog,True,100032,A\n"
        "2-99-A-1.wav,2,1,rooster,True,99,A\n"
    )
    for number, name in enumerate(["1-100032-A-0", "2-99-A-1"]):
        tone(tmp_path / "raw" / "audio" / f"{name}.wav", number)
    run(tmp_path / "raw", tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {row["label"]: (row["fold"], row["subject"]) for row in rows.values()} == {
        "dog": (1, "100032"),
        "rooster": (2, "99"),
    }


def test_ravdess_by_its_names(tmp_path):
    tone(tmp_path / "raw" / "Actor_12" / "03-01-06-02-02-01-12.wav")
    tone(tmp_path / "raw" / "Actor_01" / "03-01-01-01-01-01-01.wav", 1)
    _, said = run(tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["03-01-06-02-02-01-12"]
    assert (row["label"], row["subject"], row["recorded"]["intensity"]) == ("fearful", "actor_12", "strong")
    assert "acted emotions" in said


def test_spoken_digits_are_split_by_speaker(tmp_path):
    for number, speaker in enumerate(["anna", "bert", "carl", "dora"]):
        for take in range(2):
            tone(tmp_path / "raw" / f"{number}_{speaker}_{take}.wav", 10 * number + take)
    run(tmp_path / "raw", tmp_path / "out")
    rows = rows_of(tmp_path / "out").values()
    splits = {speaker: {row["split"] for row in rows if row["subject"] == speaker} for speaker in ("anna", "bert")}
    assert all(len(some) == 1 for some in splits.values())
    assert {row["label"] for row in rows} == {"0", "1", "2", "3"}


def test_speech_commands_keep_their_lists_and_leave_noise_out(tmp_path):
    raw = tmp_path / "raw"
    for number, name in enumerate(["yes/0000aaaa_nohash_0", "yes/0000bbbb_nohash_0", "no/0000cccc_nohash_0"]):
        tone(raw / f"{name}.wav", number)
    tone(raw / "_background_noise_" / "pink.wav", 9)
    (raw / "validation_list.txt").write_text("yes/0000bbbb_nohash_0.wav\n")
    (raw / "testing_list.txt").write_text("no/0000cccc_nohash_0.wav\n")
    run(raw, tmp_path / "out")
    found = {row["subject"]: (row["label"], row["split"]) for row in rows_of(tmp_path / "out").values()}
    assert found == {"0000aaaa": ("yes", "train"), "0000bbbb": ("yes", "val"), "0000cccc": ("no", "test")}
    assert "background noise" in (tmp_path / "out" / "left_out.csv").read_text()


def test_circor_has_patients_sites_and_murmurs_by_header_and_text(tmp_path):
    raw = tmp_path / "raw"
    for number, (patient, murmur) in enumerate([("1001", "Present"), ("1002", "Absent")]):
        for site in ("AV", "MV"):
            name = f"{patient}_{site}"
            tone(raw / f"{name}.wav", 10 * number + (site == "MV"), rate=4000)
            (raw / f"{name}.hea").write_text(f"{name} 1 4000 1200\n{name}.wav 16+44 1 16 0 0 0 0 {site}\n")
            (raw / f"{name}.tsv").write_text("0\t0.1\t1\n")
        (raw / f"{patient}.txt").write_text(
            f"{patient} 2 4000\nAV {patient}_AV.hea\n#Age: Child\n#Sex: nan\n#Murmur: {murmur}\n#Outcome: Normal\n"
        )
    _, said = run(raw, tmp_path / "out", rate=4000)
    rows = rows_of(tmp_path / "out")
    assert {case: (row["subject"], row["label"]) for case, row in rows.items()} == {
        "1001_AV": ("1001", "Present"),
        "1001_MV": ("1001", "Present"),
        "1002_AV": ("1002", "Absent"),
        "1002_MV": ("1002", "Absent"),
    }
    assert rows["1001_AV"]["recorded"] == {"database": "raw", "site": "AV", "Age": "Child", "Outcome": "Normal"}
    assert "read as physionet" in said


def test_physionet_2016_has_its_class_in_the_header_and_a_wrong_rate_there_is_told(tmp_path):
    folder = tmp_path / "raw" / "training-a"
    for number, (name, rate, label) in enumerate([("a0001", 2000, "Abnormal"), ("a0002", 8000, "Normal")]):
        tone(folder / f"{name}.wav", number)
        (folder / f"{name}.hea").write_text(f"{name} 1 {rate} 2400\n{name}.wav 16 1000 16 0\n# {label}\n")
    tone(folder / "a0003.wav", 5)
    (folder / "a0003.hea").write_text("no header\n")
    (folder / "a0004.dat").write_bytes(b"x")
    run(tmp_path / "raw", tmp_path / "out", rate=0)
    rows = rows_of(tmp_path / "out")
    assert {case: row["label"] for case, row in rows.items()} == {"a0001": "Abnormal", "a0002": "Normal"}
    assert "header_rate:2000" in rows["a0001"]["flags"]
    assert "no_patient" in rows["a0002"]["flags"]
    assert "no header of PhysioNet" in reasons(tmp_path / "out")["a0003"]
    assert "convert them with wfdb" in (tmp_path / "out" / "left_out.csv").read_text()


AUDIOSET = (
    "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=3, num_segs=3\n"
    "# YTID, start_seconds, end_seconds, positive_labels\n"
    '--4gqARaEJE, 0.000, 10.000, "/m/068hy,/m/07q6cd_"\n-0BIyqJj9ZU, 30.000, 40.000, "/m/07rgt08"\n'
    'gonegonegon, 30.000, 40.000, "/m/07rgt08"\n'
)


def test_audioset_has_several_classes_by_name_and_misses_what_the_web_has_lost(tmp_path):
    table = tmp_path / "balanced_train_segments.csv"
    table.write_text(AUDIOSET)
    (tmp_path / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/068hy,"Domestic animals, pets"\n1,/m/07rgt08,Chirp\n'
    )
    tone(tmp_path / "--4gqARaEJE_0.wav", 1)
    tone(tmp_path / "Y-0BIyqJj9ZU.flac", 2)
    run(table, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {row["subject"]: row["classes"] for row in rows.values()} == {
        "--4gqARaEJE": ["Domestic animals, pets", "/m/07q6cd_"],
        "-0BIyqJj9ZU": ["Chirp"],
    }
    assert {row["split"] for row in rows.values()} <= {"train", "val"}
    assert list(reasons(tmp_path / "out").values()) == ["there is no such sound"]


def test_a_whole_recording_in_the_place_of_a_clip_is_refused_and_cut_if_it_is_said_to_be_one(tmp_path):
    table = tmp_path / "eval_segments.csv"
    table.write_text(AUDIOSET.replace("gonegonegon", "-0BIyqJj9ZU").replace("30.000, 40.000", "1.0, 2.0", 1))
    tone(tmp_path / "--4gqARaEJE.wav", 1)
    tone(tmp_path / "-0BIyqJj9ZU.wav", 2, seconds=45)
    run(table, tmp_path / "out")
    assert "several clips of the table are this one file" in reasons(tmp_path / "out").values()
    single = tmp_path / "eval_one.csv"
    single.write_text("".join(AUDIOSET.splitlines(keepends=True)[:5]))
    run(single, tmp_path / "out1")
    assert any("the table names a clip of 10 s" in reason for reason in reasons(tmp_path / "out1").values())
    run(table, tmp_path / "out2", starts="file")
    rows = rows_of(tmp_path / "out2")
    found = {row["first"] / row["rate"]: row["count"] / row["rate"] for row in rows.values() if "0BI" in row["case"]}
    assert found == {1.0: 1.0, 30.0: 10.0}
    assert {row["split"] for row in rows.values()} == {"test"}


def test_vggsound_by_its_lines_without_header(tmp_path):
    table = tmp_path / "vggsound.csv"
    table.write_text('---g-f_I2yQ,1,people marching,test\n--0PQM4-hqg,30,"waterfall, burbling",train\n')
    tone(tmp_path / "---g-f_I2yQ_000001.wav", 1)
    tone(tmp_path / "--0PQM4-hqg_000030.wav", 2)
    run(table, tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    found = {row["subject"]: (row["label"], row["split"]) for row in rows_of(tmp_path / "out").values()}
    assert found == {"---g-f_I2yQ": ("people marching", "test"), "--0PQM4-hqg": ("waterfall, burbling", "train")}


def test_mosei_by_its_table_and_by_its_labels_file(tmp_path):
    raw = tmp_path / "raw"
    (raw / "Raw" / "vid1").mkdir(parents=True)
    tone(raw / "Raw" / "vid1" / "3.wav", 1)
    (raw / "label.csv").write_text(
        "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode\nvid1,3,so good,1.5,,,,Positive,train\n"
    )
    run(raw, tmp_path / "out", fractions=(1.0, 0.0, 0.0))
    (row,) = rows_of(tmp_path / "out").values()
    assert (row["label"], row["value"], row["captions"], row["subject"]) == ("Positive", 1.5, ["so good"], "vid1")
    tone(tmp_path / "csd" / "vid2.wav", 2, seconds=3)
    with h5py.File(tmp_path / "csd" / "CMU_MOSEI_Labels.csd", "w") as file:
        file["All Labels/data/vid2/intervals"] = np.array([[0.5, 1.5], [1.5, 2.5]])
        file["All Labels/data/vid2/features"] = np.array([[1, 0.6, 0, 0, 0, 0, 0.3], [-1, 0, 1, 0, 0, 0, 0]])
    _, said = run(tmp_path / "csd" / "CMU_MOSEI_Labels.csd", tmp_path / "out2")
    rows = rows_of(tmp_path / "out2")
    assert [row["classes"] for row in rows.values()] == [["happy", "fear"], ["sad"]]
    assert [row["value"] for row in rows.values()] == [1.0, -1.0]
    assert "videos stand for them" in said


def test_a_layout_that_does_not_fit_is_refused_and_folder_reads_names_as_they_lie(tmp_path):
    tone(tmp_path / "raw" / "a" / "1-100-A.wav")
    with pytest.raises(DataError, match="not of this layout"):
        run(tmp_path / "raw", tmp_path / "out", layout="ravdess")
    run(tmp_path / "raw", tmp_path / "out", layout="folder")
    (row,) = rows_of(tmp_path / "out").values()
    assert row["label"] == "a"
    assert "fold" not in row


def test_the_record_says_with_which_packages(tmp_path):
    tone(tmp_path / "raw" / "a.wav")
    run(tmp_path / "raw", tmp_path / "out")
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert {"soundfile", "scipy", "av"} <= set(record["versions"])
    assert record["options"]["mix"] == "mean"
