"""Clips with their sound: cut by one clock, and never a sound that was not there."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from medmae.data.audio.cut import SoundCut
from medmae.data.audio.sounded import SoundedClips
from medmae.data.audio.stored import to_stored
from medmae.data.samples import Samples
from medmae.data.video.sampling import DenseFrames
from medmae.errors import DataError
from medmae.files import sha256_of
from tests.sounds import noise

RATE, FPS = 16_000, 25.0
VIEW = SoundedClips(size=16, channels=1, sampling=DenseFrames(frames=4, stride=2), sound=SoundCut(frames=18))  # 0.2 s


def clicks(seconds, at):
    """Silence with a click at each of these seconds."""
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    for second in at:
        place = round(second * RATE)
        sound[place : place + 40] = 0.8
    return sound


@pytest.fixture
def prepared_pair(tmp_path):
    """A manifest of videos (frame i is grey i) with their sounds: ``{"a": (sound, start)}``, or a reason for none."""

    def write(videos, *, count=50, fps=FPS, **changes):
        (tmp_path / "shards").mkdir()
        lines = []
        for number, (case, about) in enumerate(videos.items()):
            frames = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 24, 32, 1), np.uint8)
            shard = tmp_path / "shards" / f"{case}.npy"
            np.save(shard, frames)
            row = {
                "case": case,
                "subject": f"p{number}",
                "session": None,
                "split": "train",
                "kind": "video",
                "dtype": "uint8",
                "shard": f"shards/{case}.npy",
                "shard_sha256": sha256_of(shard),
                "first": 0,
                "count": count,
                "size": [24, 32],
                "channels": 1,
                "fps": fps,
                "times": None,
                "label": "ab"[number % 2],
                "value": None,
                "captions": [],
                "content_sha256": case,
                "flags": [],
                "sound": None,
                "sound_reason": about if isinstance(about, str) else None,
            }
            if not isinstance(about, str):
                values, gain = to_stored(about[0][None])
                np.save(tmp_path / "shards" / f"{case}.sound.npy", values)
                row["sound"] = {
                    "shard": f"shards/{case}.sound.npy",
                    "shard_sha256": sha256_of(tmp_path / "shards" / f"{case}.sound.npy"),
                    "first": 0,
                    "count": len(values),
                    "rate": RATE,
                    "channels": 1,
                    "gain": gain,
                    "start": about[1],
                    "missing": [],
                    **changes,
                }
            lines.append(json.dumps(row))
        (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        return tmp_path

    return write


@pytest.mark.parametrize("start", [0.0, -0.3, 0.25])
def test_picture_and_sound_are_of_one_moment_whenever_the_sound_begins(prepared_pair, start):
    """A click with every fifth frame: where the clip's middle frame is one of these, the click is in mid cut."""
    sound = clicks(2.6, [0.2 * number - start for number in range(2, 10)])
    data = Samples(source=prepared_pair({"a": (sound, start)}), view=VIEW)
    met = 0
    for epoch in range(12):
        data.set_epoch(epoch)
        sample = data[0]
        frames = (sample["image"][0, :, 8, 8] * 255).round()
        middle = float(frames[0] + frames[-1]) / 2 / FPS  # seconds
        nearest = round(middle / 0.2) * 0.2
        if not 0.4 <= nearest <= 1.8 or abs(nearest - middle) > 0.07:
            continue
        loudest = int(sample["audio"][0].mean(dim=1).argmax())
        place = (loudest + 1) * 0.01 - VIEW.sound.seconds / 2  # from the middle of the cut
        assert place == pytest.approx(nearest - middle, abs=0.021)
        met += 1
    assert met >= 3


def test_a_clip_without_sound_is_a_picture_that_moves_and_says_so(prepared_pair):
    folder = prepared_pair({"a": (noise(seconds=2), 0.0), "b": "it has no sound", "c": "silent"})
    with pytest.warns(UserWarning, match="2 of 3 videos have no sound and are read as pictures alone"):
        data = Samples(source=folder, view=VIEW)
    heard, mute = data[0], data[1]
    assert heard["audio_there"]
    assert torch.isfinite(heard["audio"]).all()
    assert not mute["audio_there"]
    assert mute["audio"].isnan().all()
    assert not mute["heard"].any()
    assert mute["image"].shape == heard["image"].shape
    assert data.describe(1)["sound"] == "none: it has no sound"
    assert list(data.kinds) == ["image", "audio"]


def test_videos_without_sound_may_be_left_out_and_that_is_told(prepared_pair):
    folder = prepared_pair({"a": (noise(seconds=2), 0.0), "b": "it has no sound", "c": "silent"})
    view = SoundedClips(
        size=16, channels=1, sampling=DenseFrames(frames=4, stride=2), sound=SoundCut(frames=18), needs_sound=True
    )
    with pytest.warns(UserWarning, match="2 of 3 videos have no sound and are left out"):
        data = Samples(source=folder, view=view)
    assert [data.describe(number)["case"] for number in range(len(data))] == ["a"]


def test_a_sound_that_ends_before_the_clip_is_not_there_for_it(prepared_pair):
    data = Samples(source=prepared_pair({"a": (noise(seconds=0.1), 0.0)}), view=VIEW)
    assert not data[0]["audio_there"]
    assert data[0]["audio"].isnan().all()
    some = Samples(
        source=data.source,
        view=SoundedClips(
            size=16, channels=1, sampling=DenseFrames(frames=4, stride=2), sound=SoundCut(frames=18), least=0.4
        ),
    )
    assert some[0]["audio_there"]
    assert some[0]["heard"][0, :, 0].tolist() == [True] * 8 + [False] * 10


def test_a_set_of_which_nothing_is_heard_is_refused(prepared_pair):
    with pytest.raises(DataError, match="no video of this data set has its sound"):
        Samples(source=prepared_pair({"a": "silent"}), view=VIEW)


def test_sounds_of_another_rate_are_refused(prepared_pair):
    with pytest.raises(DataError, match="16000 Hz"):
        Samples(source=prepared_pair({"a": (noise(seconds=2), 0.0)}, rate=8000), view=VIEW)


def test_views_of_a_test_are_the_same_in_every_epoch(prepared_pair):
    view = SoundedClips(
        size=16, channels=1, sampling=DenseFrames(frames=4, stride=2), sound=SoundCut(frames=18), test_views=(3, 1)
    )
    data = Samples(source=prepared_pair({"a": (noise(seconds=2), 0.0)}), view=view)
    first = [data[number]["audio"] for number in range(3)]
    data.set_epoch(5)
    assert all(torch.equal(data[number]["audio"], sound) for number, sound in enumerate(first))
    assert not torch.equal(first[0], first[2])
    assert float(data.describe(0)["sound"]) < float(data.describe(2)["sound"])
