"""From a spectrogram back to something that can be listened to, by the algorithm of Griffin and Lim.

A log-mel spectrogram has neither phases nor single frequencies. Energies of frequencies are those, not negative, whose
bands are nearest to what is given; phases those of a sound whose own spectrogram comes near (D. Griffin, J. Lim, 1984;
with the momentum of N. Perraudin, P. Balazs, P. Soendergaard, 2013). It is for the ear, and for no figure.
"""

from __future__ import annotations

import torch
from scipy.signal import lfilter
from torch import Tensor

from medmae.tokens.spectrogram import LogMel

_TINY = 1e-12


@torch.no_grad()
def griffin_lim(front: LogMel, spectrogram: Tensor, *, iterations: int = 40, momentum: float = 0.99) -> Tensor:
    """Sounds ``(B, T)`` of spectrograms ``(B, 1, frames, bands)``, always the same of the same.

    Args:
        front: That made them.
        spectrogram: Logarithms, as the front end gives them.
        iterations: Of the phases.
        momentum: Of the iteration; 0 is the algorithm of 1984.
    """
    size = _magnitudes(front, spectrogram[:, 0].double())  # (B, frames, points / 2 + 1)
    generator = torch.Generator().manual_seed(0)
    angles = torch.exp(2j * torch.pi * torch.rand(size.shape, generator=generator, dtype=torch.float64))
    before = torch.zeros_like(angles)
    for _ in range(iterations):
        found = _transformed(front, _sound(front, size * angles))
        angles = found + momentum * (found - before)
        angles, before = angles / angles.abs().clamp(min=_TINY), found
    sound = _sound(front, size * angles)
    if front.preemphasis:
        sound = torch.from_numpy(lfilter([1.0], [1.0, -front.preemphasis], sound.numpy()))
    return sound.float()


def _magnitudes(front: LogMel, logarithms: Tensor, *, iterations: int = 60) -> Tensor:
    """Of frequencies, ``(B, frames, points / 2 + 1)``, by steps of factors, which never become negative."""
    energies = (logarithms.exp() - front.offset).clamp(min=0)
    energies = torch.where(energies > front.floor * (1 + 1e-3), energies, 0.0)
    bank = front.bank.double()  # (bands, points / 2)
    wanted, gram = energies @ bank, bank.T @ bank
    found = wanted / bank.sum(dim=0).clamp(min=_TINY)
    for _ in range(iterations):
        found = found * wanted / (found @ gram).clamp(min=_TINY)
    found = torch.cat([found, torch.zeros_like(found[..., :1])], dim=2)  # no band weighs the last
    return found.sqrt() if front.power == 2 else found


def _sound(front: LogMel, transform: Tensor) -> Tensor:
    """The sound ``(B, T)`` whose frames are nearest to those of a transform ``(B, frames, points / 2 + 1)``."""
    count, window = transform.shape[1], front.window.double()
    frames = torch.fft.irfft(transform, n=front.points)[..., : front.frame] * window
    sound = torch.zeros(len(transform), (count - 1) * front.hop + front.frame, dtype=torch.float64)
    weight = torch.full_like(sound, _TINY)
    for number in range(count):
        place = slice(number * front.hop, number * front.hop + front.frame)
        sound[:, place] += frames[:, number]
        weight[:, place] += window.square()
    return sound / weight.clamp(min=1e-3)  # the ends are heard through the edge of one window alone


def _transformed(front: LogMel, sound: Tensor) -> Tensor:
    frames = sound.unfold(1, front.frame, front.hop) * front.window.double()
    return torch.fft.rfft(frames, n=front.points)
