"""Sound as a picture: its frames, its bands, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from medmae.tokens.spectrogram import LogMel, av_mae, body_sounds, kaldi, mel_bank, window_of


def tone(hertz, *, seconds=0.2, rate=16_000):
    return torch.sin(2 * math.pi * hertz * torch.arange(round(seconds * rate)) / rate).unsqueeze(0)


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)) / 10


def heart():
    """Bands for heart sounds: 25 to 1,000 Hz, frames of 64 ms."""
    return LogMel(rate=4_000, bins=32, low=25, high=1_000, frame_s=0.064, floor=1e-7)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98), (160_000, 998), (164_080, 1_024)],
)
def test_frames_lie_within_the_sound(samples, frames):
    assert kaldi().num_frames(samples) == frames
    if 0 < frames < 100:
        assert kaldi()(noise(1, samples)).shape == (1, 1, frames, 128)


@pytest.mark.parametrize(("seconds", "frames"), [(0.25, 25), (8, 800), (10, 1_000)])
def test_av_mae_has_a_hundred_frames_a_second(seconds, frames):
    assert av_mae().num_frames(round(16_000 * seconds)) == frames
    assert av_mae()(noise(1, 4_000)).shape == (1, 1, 25, 128)


def test_what_av_mae_sees_is_what_its_steps_give():
    sound = noise(1, 1_000)
    padded = np.concatenate([sound[0].double().numpy(), np.zeros(400)])
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 400)
    bank, _ = mel_bank(bins=128, low=0.0, high=8_000.0, rate=16_000, points=512)
    for frame, seen in enumerate(av_mae()(sound)[0, 0]):
        size = np.abs(np.fft.rfft(padded[160 * frame :][:400] * window, 512))[:-1]
        assert_close(seen.double(), torch.from_numpy(np.log(bank.double().numpy() @ size + 1e-3)), rtol=1e-4, atol=1e-4)


def test_weights_of_a_band_rise_and_fall_in_mel():
    bank, centres = mel_bank(bins=20, low=100.0, high=4_000.0, rate=8_000, points=1_024)
    in_mel = 1127 * torch.log1p(centres / 700)
    assert_close(in_mel.diff(), in_mel.diff().mean().expand(19), rtol=1e-4, atol=0)
    places = 1127 * torch.log1p(torch.arange(512) * 8_000 / 1_024 / 700)
    width = in_mel.diff().mean()
    assert_close(bank[7], (1 - (places - in_mel[7]).abs() / width).clamp(min=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("front_end", [kaldi, av_mae, heart])
@pytest.mark.parametrize("hertz", [150.0, 400.0, 900.0])
def test_a_tone_lies_in_the_band_of_its_frequency(front_end, hertz):
    front_end = front_end()
    seen = front_end(tone(hertz, rate=front_end.rate))[0, 0].mean(dim=0)
    found = front_end.hertz()[seen.argmax()].item()
    assert abs(found - hertz) <= front_end.rate / front_end.points  # a line of the transform


def test_a_click_lies_in_the_frames_of_its_time():
    sound = torch.zeros(1, 16_000)
    sound[0, 8_000] = 1.0
    seen = kaldi()(sound)[0, 0].mean(dim=1)
    assert_close(kaldi().seconds(98)[seen > kaldi().silence + 1].mean(), torch.tensor(0.5), rtol=0, atol=0.005)


@pytest.mark.parametrize("front_end", [kaldi, av_mae])
def test_silence_has_its_value_everywhere(front_end):
    front_end = front_end()
    assert_close(
        front_end(torch.zeros(2, 1_600)),
        torch.full((2, 1, *front_end(torch.zeros(1, 1_600)).shape[2:]), front_end.silence),
    )


def test_a_band_without_a_frequency_is_named_and_is_silence_whatever_is_heard():
    assert kaldi().empty == (3,)
    assert (kaldi()(noise(1, 1_600))[..., 3] == kaldi().silence).all()
    assert heart().empty == ()


@pytest.mark.parametrize("front_end", [kaldi, av_mae, heart])
def test_a_sound_of_a_batch_is_seen_as_alone(front_end):
    sounds, front_end = noise(3, 2_000), front_end()
    assert_close(front_end(sounds), torch.cat([front_end(sound) for sound in sounds.split(1)]), rtol=1e-4, atol=1e-4)


def test_a_constant_is_no_sound():
    sound = noise(1, 1_600)
    assert_close(kaldi()(sound + 0.5), kaldi()(sound), rtol=1e-3, atol=1e-3)
    assert not torch.allclose(av_mae()(sound + 0.5), av_mae()(sound), atol=1e-1)


def test_a_gradient_reaches_the_sound():
    sound = noise(1, 800).requires_grad_()
    kaldi()(sound).sum().backward()
    assert sound.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 20, "high": 9_000, "floor": 1e-7}, "half the rate"),
        ({"low": 300, "high": 200, "floor": 1e-7}, "bands from 300 to 200 Hz"),
        ({"low": 20}, "silence has no logarithm"),
        ({"low": 20, "floor": 1e-7, "window": "hamming", "preemphasis": 0.97}, "take hann or povey"),
        ({"low": 20, "floor": 1e-7, "window": "hanning"}, "hann"),
    ],
)
def test_bands_and_windows_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LogMel(rate=16_000, bins=128, **options)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (torch.zeros(1, 399), "less than one frame"),
        (torch.zeros(800), "one channel each"),
        (torch.zeros(1, 2, 800), "one channel each"),
        (torch.zeros(1, 800, dtype=torch.int16), "whole numbers"),
    ],
)
def test_what_is_no_sound_is_refused(sound, message):
    with pytest.raises(ValueError, match=message):
        kaldi()(sound)


def test_windows_begin_and_end_as_they_say():
    assert window_of("hann", length=400, periodic=False)[-1] == 0
    assert window_of("hann", length=400, periodic=True)[-1] > 0


def test_the_front_end_of_hearts_and_lungs_has_no_band_without_a_frequency_and_lies_where_they_sound():
    front = body_sounds()
    assert front.empty == ()
    assert 25 < front.hertz()[0] < 60
    assert 900 < front.hertz()[-1] < 1000
    assert front.kind().axes[1].unit == "Hz"
