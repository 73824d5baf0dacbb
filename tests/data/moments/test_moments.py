"""Recordings of people: one clock for all, and nothing stands for what was not heard, seen or said."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from data_prep.moment_series import landmarks_at, nearest, words_at
from data_prep.moments import prepare
from data_prep.tiny.moments import FPS, RATE, make, write_openface
from medmae.data import Manifest, Moments, Samples
from medmae.data.moments.series import Series, held
from medmae.data.moments.windows import by_steps
from medmae.errors import DataError
from medmae.methods.pair_emotion import PairEmotion
from tests.sounds import sine, write_sound

VIEW = Moments(front=by_steps(bins=40), windows=2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return make(tmp_path_factory.mktemp("moments"))[0]


def of(prepared, case, view=VIEW):
    samples = Samples(source=prepared, view=view, split=None)
    return next(samples[number] for number in range(len(samples)) if samples.describe(number).case == case)


def test_a_face_that_is_nowhere_or_lost_is_no_zero_and_no_negative(prepared):
    """A recording without a table, and one whose face is lost in its first half."""
    first = Moments(front=by_steps(bins=40), test_view=True)
    without = of(prepared, "03-01-02-01-01-01-02", first)
    assert not without["landmarks_there"]
    assert without["landmarks"].isnan().all()
    lost = of(prepared, "03-01-03-01-01-01-03", first)
    assert not lost["landmarks_there"]
    assert of(prepared, "03-01-03-01-01-01-03", Moments(front=by_steps(bins=40), test_view=True, least=0.1))[
        "landmarks_there"
    ]
    whole = of(prepared, "03-01-03-01-01-01-01", first)
    method = PairEmotion(encoders="small").eval()
    batch = default_collate([without, whole, whole])
    both = default_collate([whole, whole])
    with torch.no_grad():
        points = method.points(batch)
        assert not any(rows.isnan().any() for rows in points.values())
        torch.testing.assert_close(points["audio"][1:], method.points(both)["audio"], rtol=1e-4, atol=1e-5)


def test_recordings_of_one_speaker_are_no_negatives_of_each_other(prepared):
    samples = Samples(source=prepared, view=VIEW, split="train")
    groups = [int(samples[number]["group"]) for number in range(len(samples))]
    assert len(set(groups)) == len(set(samples.subjects))
    assert {(group, subject) for group, subject in zip(groups, samples.subjects, strict=True)} == {
        (group, samples.subjects[groups.index(group)]) for group in set(groups)
    }


def test_two_windows_of_a_recording_are_drawn_apart_and_a_test_has_its_beginning(prepared):
    drawn = of(prepared, "03-01-03-01-01-01-01")
    assert not torch.equal(drawn["audio"], drawn["second_audio"])
    samples = Samples(source=prepared, view=Moments(front=by_steps(bins=40), test_view=True), split=None)
    assert {samples.describe(number)["second"] for number in range(len(samples))} == {"0.00"}
    assert "second_audio" not in samples[0]


def test_sound_and_landmarks_of_a_window_are_of_the_same_seconds(tmp_path):
    """A tone from 0.6 to 0.8 s while a point is at the edge of its range: they meet in every window that holds both."""
    steps = np.arange(60) / FPS
    points = np.tile(np.random.default_rng(0).uniform(100, 200, (68, 2)), (60, 1, 1))
    points[:, 60] = np.where(((steps >= 0.6) & (steps < 0.8))[:, None], 300.0, 150.0)
    write_openface(tmp_path / "raw" / "a" / "x.csv", points)
    sound = np.zeros(2 * RATE, dtype=np.float32) + 1e-4 * sine(300, seconds=2)
    sound[round(0.6 * RATE) : round(0.8 * RATE)] = sine(400, seconds=0.2)
    write_sound(tmp_path / "raw" / "a" / "x.wav", sound)
    prepare(source=tmp_path / "raw", out=tmp_path / "out", workers=0)
    samples = Samples(source=tmp_path / "out", view=Moments(front=by_steps(bins=40)), split=None)
    met = 0
    for epoch in range(12):
        samples.set_epoch(epoch)
        sample = samples[0]
        loud = sample["audio"][0].mean(dim=1)
        high = sample["landmarks"][0, :, 60 - 17] > 0.9
        if high.sum() == 6:
            met += 1
            middle = float(torch.arange(30.0)[high].mean())
            assert float(loud.topk(6).indices.float().mean()) == pytest.approx(middle, abs=1.1)
    assert met >= 3


def test_a_recording_that_is_half_as_loud_looks_half_as_loud(tmp_path):
    """Loudness is a sign of emotion: the reference's decibels are told from each recording's maximum, and lose it."""
    sound = 0.5 * sine(400, seconds=2.0)
    for name, share in (("loud", 1.0), ("quiet", 0.5)):
        write_sound(tmp_path / "raw" / f"{name}.wav", share * sound)
    prepare(source=tmp_path / "raw", out=tmp_path / "out", workers=0)
    view = Moments(front=by_steps(bins=40), kinds_read=("audio",), test_view=True)
    loud, quiet = (of(tmp_path / "out", name, view)["audio"] for name in ("loud", "quiet"))
    band = int(loud.mean(dim=(0, 1)).argmax())
    difference = (loud - quiet)[0, 2:-2, band]
    torch.testing.assert_close(difference, torch.full_like(difference, float(np.log(4.0))), atol=0.02, rtol=0)


def test_a_recording_that_cannot_be_read_is_named_and_the_others_are_prepared(tmp_path):
    write_sound(tmp_path / "raw" / "good.wav", sine(seconds=2.0))
    (tmp_path / "raw" / "bad.wav").write_bytes(b"RIFF and nothing that follows from it")
    prepare(source=tmp_path / "raw", out=tmp_path / "out", workers=0)
    assert [row["case"] for row in Manifest.of(tmp_path / "out")] == ["good"]
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["bad"]


def test_a_speaker_in_two_splits_is_refused(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path / "x")
    rows = [json.loads(line) for line in (tmp_path / "x" / "manifest.jsonl").read_text().splitlines()]
    rows[0]["split"] = "test" if rows[0]["split"] != "test" else "train"
    (tmp_path / "x" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match="actor_01"):
        Samples(source=tmp_path / "x", view=VIEW)


def test_kinds_that_no_recording_has_are_refused_and_shards_that_lost_steps_too(prepared, tmp_path):
    with pytest.raises(DataError, match="no recording of this data set has text"):
        Samples(source=prepared, view=Moments(kinds_read=("audio", "text")))
    with pytest.raises(ValueError, match="kinds_read"):
        Moments(kinds_read=("audio", "smell"))
    row = next(row for row in Manifest.of(prepared) if row["series"])
    series = Series.of(row, "landmarks")
    assert series is not None
    with pytest.raises(DataError, match="other steps than its row says"):
        series.at(np.zeros((3, 51, 3)), np.zeros(2))
    assert Series.of(row, "text") is None


def test_landmarks_are_found_by_the_names_of_their_columns_and_scaled_by_frames_with_a_face(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 200, (10, 68, 2))
    lost = np.arange(10) == 4  # of which OpenFace writes zeros
    path = write_openface(tmp_path / "x.csv", points, lost=lost)
    head, *lines = path.read_text().splitlines()
    columns = head.split(",")
    moved = [*range(5), *reversed(range(5, len(columns)))]  # another version's order
    turned = tmp_path / "y.csv"
    turned.write_text("\n".join(",".join(line.split(",")[n] for n in moved) for line in [head, *lines]))
    seconds = np.arange(10) / FPS
    for table in (path, turned):
        values, flags = landmarks_at(table, seconds)
        assert values.shape == (10, 51, 3)
        assert values[:, 0, 2].tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]
        assert flags == ["face_lost:1"]
        low, high = points[~lost, 17:].min(axis=(0, 1)), points[~lost, 17:].max(axis=(0, 1))
        np.testing.assert_allclose(values[~lost, :, :2], (points[~lost, 17:] - low) / (high - low), atol=2e-3)
    text = path.read_text().replace("x_30", "x30")
    path.write_text(text)
    with pytest.raises(DataError, match="x_30"):
        landmarks_at(path, seconds)


def test_of_steps_without_a_face_the_last_one_is_held():
    values, seen = np.arange(5.0)[:, None], np.array([False, True, False, False, True])
    assert held(values, seen)[:, 0].tolist() == [1, 1, 1, 1, 4]
    places, near = nearest(np.array([0.0, 0.1, 0.2, 0.9]), np.array([0.04, 0.06, 0.5, 0.9]))
    assert places.tolist() == [0, 1, 2, 3]
    assert near.tolist() == [True, True, False, True]


def test_words_are_those_that_are_being_said(tmp_path):
    import h5py

    with h5py.File(tmp_path / "words.csd", "w") as file:
        group = file.create_group("glove/data/one")
        group["features"] = np.array([[1.0, 2.0], [3.0, 4.0]])
        group["intervals"] = np.array([[0.0, 0.5], [1.0, 1.5]])
    found = words_at(tmp_path / "words.csd", "one", np.array([0.2, 0.7, 1.0]))
    assert found.tolist() == [[1, 2, 1], [0, 0, 0], [3, 4, 1]]
    assert words_at(tmp_path / "words.csd", "two", np.array([0.2])) is None


def test_parts_of_cmu_mosei_have_the_words_and_the_face_of_their_own_seconds(tmp_path):
    import h5py

    source = tmp_path / "raw"
    write_sound(source / "vid.wav", sine(seconds=4.0))
    points = np.tile(np.random.default_rng(0).uniform(100, 200, (68, 2)), (120, 1, 1))
    points[60:, 30] = 400.0
    write_openface(source / "vid.csv", points)
    with h5py.File(source / "CMU_MOSEI_Labels.csd", "w") as file:
        group = file.create_group("All Labels/data/vid")
        group["features"] = np.array([[0.5, 1, 0, 0, 0, 0, 0], [-1.0, 0, 2, 0, 0, 0, 1]])
        group["intervals"] = np.array([[0.0, 1.5], [2.0, 4.0]])
    with h5py.File(source / "words.csd", "w") as file:
        group = file.create_group("glove/data/vid")
        group["features"], group["intervals"] = np.array([[7.0, 8.0]]), np.array([[2.2, 2.6]])
    prepare(source=source / "CMU_MOSEI_Labels.csd", out=tmp_path / "out", words=source / "words.csd", workers=0)
    view = Moments(front=by_steps(bins=40), kinds_read=("audio", "landmarks", "text"), test_view=True, target="classes")
    samples = Samples(source=tmp_path / "out", view=view, split=None)
    first, second = samples[0], samples[1]
    assert set(samples.classes) == {"happy", "sad", "fear"}
    assert not first["text_there"]
    said = second["text"][0].bool()
    assert said.sum() == 12
    assert said[5:17].all()  # from 2.2 to 2.6 s of the video, in frames whose middle is a step later than their number
    assert first["landmarks"][0, :, 13].max() < 0.5 < second["landmarks"][0, :, 13].min()
    assert samples.subjects.tolist() == ["vid", "vid"]


def test_pictures_are_kept_only_if_they_are_asked_for(tmp_path):
    pytest.importorskip("av", reason="videos are read by PyAV")
    from data_prep.tiny.echoes import write_with_sound

    frames = [np.full((48, 64, 3), 40 + 4 * number, np.uint8) for number in range(50)]
    write_with_sound(tmp_path / "raw" / "x.mkv", frames, sine(seconds=2.0))
    for wanted, names in ((False, []), (True, ["image"])):
        out = tmp_path / str(wanted)
        prepare(source=tmp_path / "raw", out=out, with_pictures=wanted, edge=32, workers=0)
        (row,) = Manifest.of(out)
        assert [entry["name"] for entry in row["series"]] == names
    view = Moments(front=by_steps(bins=40), kinds_read=("audio", "image"), test_view=True)
    clip = Samples(source=tmp_path / "True", view=view, split=None)[0]["image"]
    assert clip.shape == (3, 8, 32, 32)
    assert (clip.mean(dim=(0, 2, 3)).diff() > 0).all()


def test_pictures_of_a_training_are_neither_cut_nor_mirrored_nor_coloured(tmp_path):
    """The paper claims that none of it is needed, and the reference does all of it unless it is told not to."""
    pytest.importorskip("av", reason="videos are read by PyAV")
    from data_prep.tiny.echoes import write_with_sound

    ramp = np.add.outer(np.arange(48), 2 * np.arange(64))[:, :, None] * np.array([1, 0.8, 0.5])
    write_with_sound(
        tmp_path / "raw" / "x.mkv", [(ramp + number).astype(np.uint8) for number in range(60)], sine(seconds=2.4)
    )
    prepare(source=tmp_path / "raw", out=tmp_path / "out", with_pictures=True, edge=32, workers=0)
    (row,) = Manifest.of(tmp_path / "out")
    (entry,) = row["series"]
    stored = torch.from_numpy(np.load(tmp_path / "out" / entry["shard"])).float() / 255  # (N, H, W, 3)
    samples = Samples(
        source=tmp_path / "out",
        view=Moments(front=by_steps(bins=40), kinds_read=("audio", "image"), windows=2),
        split=None,
    )
    seen = set()
    for epoch in range(4):
        samples.set_epoch(epoch)
        for name in ("image", "second_image"):
            for frame in samples[0][name].movedim(0, -1).movedim(0, 0):  # (F, H, W, 3)
                apart = (stored - frame).abs().amax(dim=(1, 2, 3))
                assert float(apart.min()) < 1e-6
                seen.add(int(apart.argmin()))
    assert len(seen) > 8  # windows differ
