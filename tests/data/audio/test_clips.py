"""Cuts of prepared sounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from medmae.data.audio.clips import AudioClips
from medmae.data.audio.cut import SoundCut
from medmae.data.augment.sound import SoundAugment
from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.labelled import labelled
from medmae.evaluate.classify.plain_features import describe_images, plain_features
from medmae.tokens.spectrogram import LogMel, av_mae, kaldi
from tests.sounds import noise, prepared, sine

CUT = SoundCut(frames=48)  # 0.5 s


def of(folder, **options):
    return Samples(source=folder, view=AudioClips(**{"cut": CUT, **options}))


def test_a_cut_is_the_front_end_of_its_samples(tmp_path):
    data = of(prepared(tmp_path / "s", {"a": noise(seconds=3)}), test_views=3)
    assert len(data) == 3
    for view, start in enumerate((0, (48_000 - CUT.samples) // 2, 48_000 - CUT.samples)):
        wanted = kaldi()(torch.from_numpy(noise(seconds=3))[None, start : start + CUT.samples])[0]
        assert data[view]["audio"].shape == (1, 48, 128)
        assert torch.allclose(data[view]["audio"], wanted, atol=0.1)  # 16 bits, where a band has little energy
        assert data.describe(view)["second"] == f"{start / 16_000:.2f}"
    assert "real" not in data[0]


def test_what_is_drawn_is_a_function_of_seed_epoch_and_index(tmp_path):
    folder = prepared(tmp_path / "s", {"a": noise(seconds=3), "b": noise(seconds=3, seed=1)})
    data, again = of(folder), of(folder)
    assert torch.equal(data[1]["audio"], again[1]["audio"])
    first = data[0]["audio"]
    data.set_epoch(1)
    assert not torch.equal(data[0]["audio"], first)
    data.set_epoch(0)
    assert torch.equal(data[0]["audio"], first)
    assert not torch.equal(of(folder, seed=1)[0]["audio"], first)


def test_a_shorter_sound_is_heard_from_its_beginning_and_the_rest_is_not_real(tmp_path):
    data = of(prepared(tmp_path / "s", {"long": noise(seconds=3), "short": noise(seconds=0.2)}))
    long, short = data[0], data[1]
    assert long["real"].all()
    heard = short["real"][0, :, 0]
    assert heard.tolist() == [True] * 18 + [False] * 30  # 1 + (3200 - 400) // 160
    assert (short["audio"][0, 18:] == kaldi().silence).all()
    assert (short["audio"][0, :18, 40:] > -5).all()
    filled = of(tmp_path / "s", cut=SoundCut(frames=48, fill=0.0))[1]
    assert (filled["audio"][0, 18:] == 0).all()


def test_a_gap_is_not_real_and_what_surrounds_it_is(tmp_path):
    sound = noise(seconds=0.5)
    sound[3200:4800] = 0
    data = of(prepared(tmp_path / "s", {"a": sound}, missing=[[3200, 1600]]))
    heard = data[0]["real"][0, :, 0]
    assert heard[:18].all()
    assert not heard[18:30].any()
    assert heard[30:].tolist() == [True] * 18
    assert torch.isfinite(data[0]["audio"]).all()


def test_the_log_mel_of_silence_is_finite(tmp_path):
    data = of(prepared(tmp_path / "s", {"a": 0 * noise(seconds=1)}))
    assert torch.isfinite(data[0]["audio"]).all()


@pytest.mark.parametrize("front", [av_mae(), LogMel(rate=4000, bins=32, low=25, high=1000, frame_s=0.064, floor=1e-7)])
def test_other_front_ends_take_the_rate_that_is_theirs(tmp_path, front):
    folder = prepared(tmp_path / "s", {"a": noise(seconds=2, rate=front.rate)}, rate=front.rate)
    data = of(folder, cut=SoundCut(front=front, frames=32))
    assert data[0]["audio"].shape == (1, 32, len(front.bank))
    if front.rate != 16_000:
        with pytest.raises(DataError, match="16000 Hz"):
            of(folder)


def test_the_gain_of_a_loud_sound_is_undone(tmp_path):
    folder = prepared(tmp_path / "s", {"a": sine(level=1.0, seconds=1)})
    quiet = of(folder, test_views=1)[0]["audio"]
    text = (folder / "manifest.jsonl").read_text()
    (folder / "manifest.jsonl").write_text(json.dumps({**json.loads(text), "gain": 2.0}) + "\n")
    louder = of(folder, test_views=1)[0]["audio"] - quiet
    tone = quiet[0, 20].argmax()
    assert louder[0, 20, tone].item() == pytest.approx(2 * np.log(2), abs=1e-3)


def test_several_classes_are_a_row_of_zeros_and_ones_and_unknown_where_nobody_says_them(tmp_path):
    folder = prepared(tmp_path / "s", {case: noise() for case in "abc"})
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for row, classes in zip(rows, (["speech", "dog"], [], None), strict=True):
        row["classes"] = classes
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = of(folder, target="classes")
    assert data.task == "multi_label"
    assert data.classes == ("dog", "speech")
    assert data.labels[:2].tolist() == [[1, 1], [0, 0]]
    assert np.isnan(data.labels[2]).all()


def test_the_protocol_reads_cuts_like_any_other_samples(tmp_path):
    data = of(prepared(tmp_path / "s", {case: noise() for case in "abcd"}))
    kind = data.kinds["audio"]
    assert kind.roles == ("time", "frequency")
    described = describe_images([data], by=plain_features(kind), name="audio")
    assert described["log-spectrum"].shape == (4, 256)
    assert np.isfinite(described["log-spectrum"]).all()
    assert labelled(data).targets.tolist() == [0, 1, 0, 1]


def test_augmentation_rolls_and_scales_the_waveform_and_hides_stretches_and_never_in_a_test(tmp_path):
    folder = prepared(tmp_path / "s", {"a": noise(seconds=0.6)})
    change = SoundAugment(roll=True, gain=0.5, time_masks=1, time_width=20, band_masks=2, band_width=30, fill=-1.0)
    cut = SoundCut(frames=48, augment=change)
    plain, changed = of(folder)[0]["audio"], of(folder, cut=cut)[0]["audio"]
    assert not torch.equal(plain, changed)
    hidden = changed[0] == -1
    assert hidden.all(dim=1).sum() <= 20
    assert hidden.all(dim=0).sum() <= 60
    assert torch.equal(of(folder, cut=cut, test_views=1)[0]["audio"], of(folder, test_views=1)[0]["audio"])


def test_a_gain_shifts_the_logarithm_alone(tmp_path):
    folder = prepared(tmp_path / "s", {"a": noise(seconds=0.6)})
    louder = of(folder, cut=SoundCut(frames=48, augment=SoundAugment(gain=0.5)))[0]["audio"] - of(folder)[0]["audio"]
    heard = louder[0, :, 10:]
    assert heard.std() < 1e-3
    assert abs(heard.mean()) > 0.01


def test_a_roll_turns_a_sound_that_was_heard_throughout_and_no_other():
    change, rng = SoundAugment(roll=True), np.random.default_rng(0)
    sound, heard = np.arange(100, dtype=np.float32), np.ones(100, dtype=bool)
    rolled = change.sound(sound, heard, rng)
    assert not np.array_equal(rolled, sound)
    assert np.array_equal(np.roll(rolled, -int(rolled.argmin())), sound)
    heard[50:] = False
    assert np.array_equal(change.sound(sound, heard, rng), sound)


def test_options_tell_what_a_sample_depends_on(tmp_path):
    folder = prepared(tmp_path / "s", {"a": noise()})
    assert of(folder).sha256 == of(folder).sha256
    assert of(folder).sha256 != of(folder, cut=SoundCut(frames=48, front=kaldi(bins=64))).sha256
    json.dumps(AudioClips().options)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 10**6}, "other samples than its row says"),
        ({"gain": -1.0}, "no sound is like this"),
        ({"missing": [[1]]}, "missing"),
        ({"classes": "dog"}, "classes"),
    ],
)
def test_rows_that_no_sound_has_are_refused(tmp_path, change, said):
    folder = prepared(tmp_path / "s", {"a": noise()}, **change)
    with pytest.raises(DataError, match=said):
        of(folder)[0]


def test_a_channel_that_was_not_kept_is_refused(tmp_path):
    with pytest.raises(DataError, match="number 1"):
        of(prepared(tmp_path / "s", {"a": noise()}), cut=SoundCut(frames=48, channel=1))
