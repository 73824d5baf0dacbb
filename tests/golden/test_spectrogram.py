"""Kaldi's log-mel energies, against those of torchaudio."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.tokens.spectrogram import KALDI_FLOOR, LogMel, kaldi, window_of


def assert_energies_close(actual, expected):
    """To rounding, of which a loud sound has more in bands that it does not touch than they hold."""
    actual, expected = actual.exp(), expected.exp()
    assert_close(actual, expected, rtol=2e-4, atol=1e-7 * expected.max().item())


@pytest.fixture
def fbank(golden):
    return golden("fbank_kaldi")


def spectrogram(fbank, name, front_end=None):
    return (front_end or kaldi())(fbank[f"in.{name}"].unsqueeze(0))[0, 0]  # (frames, bins)


@pytest.mark.parametrize("name", ["noise", "impulse", "silence"])
def test_logarithms_are_theirs(fbank, name):
    # 1e-4 on the processor that made them; the transforms of others round otherwise.
    assert_close(spectrogram(fbank, name), fbank[f"out.fbank_{name}"], rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["chirp", "noise", "impulse"])
def test_energies_are_theirs(fbank, name):
    assert_energies_close(spectrogram(fbank, name), fbank[f"out.fbank_{name}"])
    assert_close(spectrogram(fbank, name), fbank[f"out.fbank_{name}"], rtol=0, atol=2e-2)


def test_the_window_of_povey_is_theirs(fbank):
    povey = LogMel(rate=16_000, bins=128, low=20, window="povey", preemphasis=0.97, centred=True, floor=KALDI_FLOOR)
    assert_energies_close(spectrogram(fbank, "chirp", povey), fbank["out.fbank_chirp_povey"])


def test_magnitudes_are_theirs(fbank):
    magnitudes = LogMel(rate=16_000, bins=128, low=20, preemphasis=0.97, centred=True, floor=KALDI_FLOOR, power=1)
    assert_energies_close(spectrogram(fbank, "chirp", magnitudes), fbank["out.fbank_chirp_power_off"])


@pytest.mark.parametrize(("name", "theirs"), [("hann", "hanning"), ("povey", "povey")])
def test_windows_are_theirs(fbank, name, theirs):
    assert_close(window_of(name, length=400, periodic=False), fbank[f"out.window_{theirs}"])


def test_bands_are_theirs(fbank):
    assert_close(kaldi().hertz(), fbank["out.mel_centers_hz"][:, 0], rtol=1e-5, atol=0)
    assert_close(kaldi().bank, fbank["out.mel_bank"], rtol=0, atol=3e-5)


@pytest.mark.parametrize(
    ("name", "mean", "deviation"), [("audiomae", 4.2677393, 2 * 4.5689974), ("cavmae", 5.081, 4.4849)]
)
def test_what_their_networks_are_given_is_theirs(fbank, name, mean, deviation):
    padded = torch.zeros(110, 128)  # zeros, which are louder than speech: so are their weights
    padded[:98] = spectrogram(fbank, "chirp")
    assert_close((padded + mean) / deviation, fbank[f"out.{name}_input_chirp_first110"], rtol=0, atol=3e-3)
