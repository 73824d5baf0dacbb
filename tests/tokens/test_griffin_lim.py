"""From spectrograms back to sounds."""

import pytest
import torch

from medmae.tokens.griffin_lim import griffin_lim
from medmae.tokens.spectrogram import av_mae, body_sounds, kaldi

RATES = {"kaldi": (kaldi, 16_000), "av_mae": (av_mae, 16_000), "hearts": (body_sounds, 4000)}


def tones(rate: int) -> torch.Tensor:
    """A second of two tones, the second an octave above the first."""
    time = torch.arange(rate) / rate
    hertz = torch.where(time < 0.5, 220.0, 440.0)
    return (0.3 * torch.sin(2 * torch.pi * hertz * time) + 0.003 * torch.randn(rate, generator=seeded()))[None]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("name", RATES)
def test_a_sound_made_of_a_spectrogram_has_that_spectrogram_where_it_is_loud(name):
    make, rate = RATES[name]
    front = make()
    wanted = front(tones(rate))
    found = front(griffin_lim(front, wanted))
    inner = slice(6, min(wanted.shape[2], found.shape[2]) - 6)
    loud = wanted[:, :, inner] > wanted.max() - 4
    assert (found[:, :, inner] - wanted[:, :, inner])[loud].abs().mean() < 0.35
    blind = front(0.3 * torch.randn(1, rate, generator=seeded()))[:, :, inner]
    assert (blind - wanted[:, :, inner])[loud].abs().mean() > 1


def test_the_same_sound_is_made_of_the_same_spectrogram():
    front = body_sounds()
    spectrogram = front(tones(4000))
    assert torch.equal(griffin_lim(front, spectrogram), griffin_lim(front, spectrogram))


def test_silence_is_made_of_silence():
    front = kaldi()
    assert griffin_lim(front, torch.full((1, 1, 20, 128), front.silence)).abs().max() < 1e-4
