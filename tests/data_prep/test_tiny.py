"""Made-up data are what the real preparation makes of made-up files."""

from __future__ import annotations

import numpy as np
import torch
from rich.console import Console

from data_prep import audio_case, video_case
from data_prep.tiny import make
from data_prep.tiny.echoes import echo_clip, write_with_sound
from data_prep.tiny.sounds import Heart, heart_sound
from data_prep.video import prepare
from medmae.data import AudioClips, Manifest, Pictures, Samples, SoundCut, Tiles
from medmae.tokens.spectrogram import body_sounds
from tests.slides import work_here


def test_tiny_slides_have_all_splits_and_a_label_of_none(tmp_path, monkeypatch):
    work_here(monkeypatch)
    prepared, raw = make("wsi", tmp_path)
    assert len(list(raw.glob("*.tif"))) == 3
    for split in ("train", "val", "test"):
        data = Samples(source=prepared, view=Tiles(size=32), split=split)
        assert len(data) > 10
        assert set(data.labels.tolist()) == {-1}


def test_tiny_tiles_have_both_classes_in_every_split(tmp_path):
    prepared, _ = make("tiles", tmp_path)
    data = {split: Samples(source=prepared, view=Tiles(size=32), split=split) for split in ("train", "val", "test")}
    assert all(set(some.labels.tolist()) == {0, 1} for some in data.values())
    assert sum(len(set(some.subjects)) for some in data.values()) == 6


def test_tiny_images_have_both_classes_in_every_split(tmp_path):
    folder, _ = make("images", tmp_path)
    for split in ("train", "val", "test"):
        data = Samples(source=folder, view=Pictures(size=32, channels=1), split=split)
        assert set(data.labels.tolist()) == {0, 1}


def test_tiny_hearts_are_told_apart_by_the_band_of_a_murmur_and_patients_by_nothing_of_their_class(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(audio_case, "run_in_child", lambda _, task, **__: audio_case.store_audio(task))
    prepared, _ = make("sounds", tmp_path)
    front = body_sounds()
    view = AudioClips(cut=SoundCut(front=front, frames=380), test_views=1)
    data = Samples(source=prepared, view=view, split=None)
    assert len(set(data.subjects)) == 12
    hertz = front.hertz()
    murmur, low = (hertz > 150) & (hertz < 350), hertz < 90
    sounds = torch.stack([data[index]["audio"][0] for index in range(len(data))])  # (N, frames, bands)
    loud = (sounds[:, :, murmur].quantile(0.9, dim=1).mean(dim=1) - sounds[:, :, low].amax(dim=(1, 2))).numpy()
    truth = data.labels == data.classes.index("murmur")
    assert loud[truth].min() > loud[~truth].max()


def test_tiny_echoes_move_when_their_hearts_are_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **__: video_case.store_video(task))
    heart = Heart.of(0, murmur=False)
    frames, sound = echo_clip(heart, seed=1), heart_sound(heart, seconds=2.0, rate=16_000, seed=1)
    write_with_sound(tmp_path / "raw" / "a" / "p0_0.mkv", list(frames), sound)
    prepare(source=tmp_path / "raw", out=tmp_path / "out", sound=True, workers=0, console=Console(quiet=True))
    (row,) = Manifest.read(tmp_path / "out")
    wall = frames[:, :, :, 0].astype(float)
    radius = (wall * np.hypot(*(np.mgrid[:48, :48] - 24.0))).sum(axis=(1, 2)) / wall.sum(axis=(1, 2))
    beats = heart.beats(2.0, seed=1)
    start = [int(beat * 25) for beat in beats if 2 < beat * 25 < 35]
    assert row["sound"]["count"] == 32_000
    for frame in start:  # widest where the first sound is heard, narrower a fifth of a beat later
        assert radius[frame + round(0.2 * 25 * 60 / heart.rate)] < radius[frame] - 1
        assert np.abs(sound[int(frame / 25 * 16_000) :][:3000]).max() > 0.3
