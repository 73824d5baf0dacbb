"""Faults 21, 22 and 25 of sound: from the file to the batch, and what a method is given where a sound is not there."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
import torch
from rich.console import Console

pytest.importorskip("soundfile", reason="sounds are read by soundfile")
pytest.importorskip("av", reason="sound tracks are read by PyAV")

from data_prep import audio_case, video_case
from data_prep.audio import prepare as prepare_sounds
from data_prep.tiny.echoes import write_with_sound
from data_prep.video import prepare as prepare_videos
from medmae.data.audio.clips import AudioClips
from medmae.data.audio.cut import SoundCut
from medmae.data.audio.sounded import SoundedClips
from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.data.video.clips import Clips
from medmae.data.video.sampling import DenseFrames
from medmae.errors import ExitCode
from medmae.methods.av_mae import AVMAE
from medmae.methods.mavil import MAViL
from medmae.nn.positions import ClipSinCos, SinCos
from medmae.nn.streams import ClipStream, SpectrogramStream
from medmae.training import ResumableLoader
from tests.sounds import in_blocks, noise, sine, write_sound, write_track
from tests.videos import numbered, write_video

SAMPLING = DenseFrames(frames=4, stride=2)
PAIR = SoundedClips(size=16, channels=1, sampling=SAMPLING, sound=SoundCut(frames=18))


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the children in this process, which saves the start of another one."""
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **__: video_case.store_video(task))
    monkeypatch.setattr(audio_case, "run_in_child", lambda _, task, **__: audio_case.store_audio(task))


def run(prepare, source, out, **options):
    console = Console(record=True, width=300, file=io.StringIO())
    options = {"fractions": (1.0, 0.0, 0.0), **options}
    result = prepare(source=source, out=out, console=console, workers=0, **options)
    return result, " ".join(console.export_text().split())


@pytest.fixture
def pairs(tmp_path):
    """Five videos of two seconds: with sound, with none, silent, with a shorter one, with one that begins later."""
    raw = tmp_path / "raw"
    sounds = {
        "both": noise(seconds=2),
        "mute": None,
        "silent": 0 * noise(seconds=2),
        "short": noise(seconds=0.5),
        "later": noise(seconds=1),
    }
    for number, (name, sound) in enumerate(sounds.items()):
        frames = list(numbered(50, first=number))
        write_with_sound(raw / f"{name}.mkv", frames, sound, later=1.0 if name == "later" else 0.0)
    result, said = run(prepare_videos, raw, tmp_path / "out", sound=True)
    assert result.exit_code == ExitCode.OK
    return tmp_path / "out", said


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out)}


# ----------------------------------------------------------------------------------------------------------------- 21
def test_fault_21_a_sound_shorter_than_the_cut_is_padded_by_rule_and_its_padding_is_not_real(tmp_path):
    write_sound(tmp_path / "raw" / "a.wav", noise(seconds=0.2))
    write_sound(tmp_path / "raw" / "b.wav", noise(seconds=2, seed=1))
    run(prepare_sounds, tmp_path / "raw", tmp_path / "out")
    data = Samples(source=tmp_path / "out", view=AudioClips(cut=SoundCut(frames=98)))
    for batch in ResumableLoader(dataset=data, batch_size=2, shuffle=False):
        assert batch["real"].any(dim=(1, 2, 3)).all()
        assert torch.isfinite(batch["audio"]).all()
        assert batch["real"][0, 0, :, 0].sum() == 18


def test_fault_21_missing_and_empty_sounds_are_named_and_the_others_prepared(tmp_path):
    write_sound(tmp_path / "a.wav", noise())
    (tmp_path / "empty.wav").touch()
    write_sound(tmp_path / "nothing.wav", noise()[:0])
    (tmp_path / "t.csv").write_text("path\na.wav\nempty.wav\nnothing.wav\ngone.wav\n")
    result, _ = run(prepare_sounds, tmp_path / "t.csv", tmp_path / "out")
    assert result.exit_code == ExitCode.SOME_FAILED
    with (tmp_path / "out" / "quarantine.csv").open(newline="") as file:
        reasons = {row["case"]: row["reason"] for row in csv.DictReader(file)}
    assert set(reasons) == {"empty", "nothing", "gone"}
    assert "no such sound" in reasons["gone"]


# ----------------------------------------------------------------------------------------------------------------- 22
def test_fault_22_videos_without_sound_stay_videos_and_say_why(pairs):
    out, said = pairs
    rows = rows_of(out)
    assert {case: row["sound_reason"] for case, row in rows.items()} == {
        "both": None,
        "mute": "it has no sound",
        "silent": "it is silent: no sample differs from the next",
        "short": None,
        "later": None,
    }
    assert "2 of 5 videos have no sound (1: it has no sound, 1: it is silent" in said
    assert not (out / "shards" / "silent.sound.npy").exists()
    assert len(Samples(source=out, view=Clips(size=16, channels=1, sampling=SAMPLING))) == 5


def test_fault_22_lengths_that_differ_are_told(pairs):
    rows = rows_of(pairs[0])
    assert "sound_ends:-1.50" in rows["short"]["flags"]
    assert "sound_begins:+1.00" in rows["later"]["flags"]
    assert rows["later"]["sound"]["start"] == pytest.approx(1.0, abs=1e-3)
    assert rows["both"]["flags"] == ["no_patient"]


def test_fault_22_sound_is_placed_by_the_first_frame_wherever_the_clock_of_the_file_begins(tmp_path):
    path, times = tmp_path / "raw" / "a.mkv", [0.05 * number for number in range(40)]
    write_track(path, in_blocks(noise(seconds=2)), times=times, frames=numbered(25), first_frame=0.52)
    run(prepare_videos, tmp_path / "raw", tmp_path / "out", sound=True)
    row = rows_of(tmp_path / "out")["a"]
    assert row["sound"]["start"] == pytest.approx(-0.52, abs=2e-3)
    assert "sound_begins:-0.52" in row["flags"]


def test_fault_22_other_rates_are_resampled_once_and_the_log_mel_of_silence_is_finite(tmp_path):
    sound = np.concatenate([noise(seconds=1, rate=44_100), np.zeros(44_100, np.float32)])
    write_sound(tmp_path / "raw" / "a.wav", sound, rate=44_100)
    run(prepare_sounds, tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["a"]
    assert (row["rate"], row["source_rate"], row["count"]) == (16_000, 44_100, 32_000)
    assert any(flag.startswith("silent_share:0.5") for flag in row["flags"])
    view = AudioClips(cut=SoundCut(frames=198), test_views=1)
    assert torch.isfinite(Samples(source=tmp_path / "out", view=view)[0]["audio"]).all()


def test_fault_22_a_drifting_track_is_brought_back_to_the_clock_of_its_pictures(tmp_path):
    sound, blocks = sine(300, seconds=4), in_blocks(sine(300, seconds=4))
    times = [0.05 * 1.02 * number for number in range(len(blocks))]
    path = tmp_path / "raw" / "a.mkv"
    write_track(path, blocks, times=times, frames=numbered(100))
    run(prepare_videos, tmp_path / "raw", tmp_path / "out", sound=True)
    row = rows_of(tmp_path / "out")["a"]
    assert any(flag.startswith("sound_drift:+") for flag in row["flags"])
    assert row["sound"]["count"] == pytest.approx(1.02 * len(sound), abs=80)


def test_fault_22_a_track_that_cannot_be_decoded_leaves_its_pictures(tmp_path, monkeypatch):
    from data_prep import video_sound
    from medmae.errors import DataError

    def broken(path, *_):
        raise DataError("no sound can be decoded: noise", path=path)

    monkeypatch.setattr(video_sound, "store_sound", broken)
    write_with_sound(tmp_path / "raw" / "a.mkv", list(numbered(10)), noise())
    result, _ = run(prepare_videos, tmp_path / "raw", tmp_path / "out", sound=True)
    assert result.exit_code == ExitCode.OK
    row = rows_of(tmp_path / "out")["a"]
    assert row["sound_reason"] == "its sound cannot be read: no sound can be decoded: noise"
    assert {"without_sound", "sound_unreadable"} <= set(row["flags"])


def test_fault_22_a_part_of_a_video_has_the_sound_of_that_part(tmp_path):
    write_with_sound(tmp_path / "a.mkv", list(numbered(50)), noise(seconds=2), later=0.3)
    (tmp_path / "t.csv").write_text("path,start,end\na.mkv,0,0.2\na.mkv,0.2,1\na.mkv,1,2\n")
    run(prepare_videos, tmp_path / "t.csv", tmp_path / "out", sound=True)
    rows = rows_of(tmp_path / "out")
    assert rows["a_0-0.2"]["sound"] is None
    assert rows["a_0-0.2"]["sound_reason"] == "no sound lies in this part"
    second, third = rows["a_0.2-1"]["sound"], rows["a_1-2"]["sound"]
    assert (second["first"], second["start"]) == (0, pytest.approx(0.1, abs=1e-3))
    assert second["count"] == pytest.approx(0.7 * 16_000, abs=20)
    assert third["first"] == pytest.approx(0.7 * 16_000, abs=20)
    assert third["start"] == pytest.approx(0, abs=1e-3)


def test_fault_22_a_preparation_without_sound_is_what_it_was(tmp_path):
    write_video(tmp_path / "raw" / "a.mp4", numbered(10))
    run(prepare_videos, tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["a"]
    assert "sound" not in row
    assert "sound_reason" not in row
    assert run(prepare_videos, tmp_path / "raw", tmp_path / "out")[0].kept == 1
    assert run(prepare_videos, tmp_path / "raw", tmp_path / "out", sound=True)[0].prepared == 1


# ----------------------------------------------------------------------------------------------------------------- 25
def test_fault_25_a_batch_says_which_samples_lack_their_sound_and_holds_no_zeros_in_its_place(pairs):
    with pytest.warns(UserWarning, match="2 of 5 videos have no sound"):
        data = Samples(source=pairs[0], view=PAIR)
    names = [data.describe(index)["case"] for index in range(5)]
    batch = next(iter(ResumableLoader(dataset=data, batch_size=5, shuffle=False)))
    there = dict(zip(names, batch["audio_there"].tolist(), strict=True))
    assert there["both"]
    assert not there["mute"]
    assert not there["silent"]
    lacking = ~batch["audio_there"]
    assert batch["audio"][lacking].isnan().all()
    assert torch.isfinite(batch["audio"][~lacking]).all()
    assert not batch["heard"][lacking].any()


@pytest.mark.filterwarnings("ignore:2 of 5 videos have no sound")
@pytest.mark.parametrize("first", ["image", "audio"])
@pytest.mark.parametrize("make", [AVMAE, MAViL])
def test_fault_25_samples_without_sound_train_what_they_have_whatever_comes_first_in_a_network(pairs, make, first):
    """The order of the kinds in a network is its own: MAViL has sound first, clips with sound have pictures first."""
    data = Samples(source=pairs[0], view=PAIR)
    batch = next(iter(ResumableLoader(dataset=data, batch_size=5, shuffle=False)))
    streams = {
        "image": ClipStream(num_frames=4, image_size=16, patch_size=8, channels=1, positions=ClipSinCos()),
        "audio": SpectrogramStream(frames=18, bands=128, patch_size=8, positions=SinCos()),
    }
    sizes = {"embed_dim": 48, "depth": 2, "fusion_layers": 1, "num_heads": 4, "decoder_dim": 32, "decoder_heads": 2}
    ratios = {"image": 0.5, "audio": 0.5}
    depths = {"decoder_depth": 1} if make is AVMAE else {"decoder_depth": {"image": 1, "audio": 1}, "reading": {}}
    method = make(
        streams=sorted(streams.values(), key=lambda one: one.name != first), mask_ratio=ratios, **sizes, **depths
    )
    assert (
        method.encoder.available(batch)[:, list(method.kinds).index("audio")].tolist() == batch["audio_there"].tolist()
    )
    with pytest.warns(UserWarning, match="samples without audio are trained on what else they have"):
        output = method(batch, generator=torch.Generator().manual_seed(0))
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(one.grad).all() for one in method.parameters() if one.grad is not None)
