"""Whether two sounds are one recording: encoded anew, at another rate, louder or softer, or with the other sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_PARTS, _BANDS = 8, 8  # of equal length; of equal ratio
_LOWEST, _HIGHEST = 50.0, 0.4  # Hz; share of the rate, below which every codec keeps what it hears
_HEARD = -4.0  # log10 of a share of the energy: 40 dB below all of it
_SAME = 0.1  # of that logarithm, 1 dB
_FEWEST = 16  # bins that are heard: of fewer, as of one tone, nothing can be told
_LENGTHS = 0.01  # share by which lengths differ: codecs pad


def form_of(samples: np.ndarray, *, rate: float) -> list[float]:
    """Seconds, and the logarithms of shares of energy in 8 bands of 8 parts; of a sound ``(C, T)``."""
    mono = np.asarray(samples, dtype=np.float64).mean(axis=0)
    edges = np.geomspace(_LOWEST, max(_HIGHEST * rate, 2 * _LOWEST), _BANDS + 1)
    energy = np.zeros((_PARTS, _BANDS))
    for place, part in enumerate(np.array_split(mono, _PARTS)):
        if len(part) > 1:
            power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
            which = np.digitize(np.fft.rfftfreq(len(part), 1 / rate), edges) - 1
            inside = (which >= 0) & (which < _BANDS)
            energy[place] = np.bincount(which[inside], power[inside], minlength=_BANDS)
    shares = np.log10(np.maximum(energy / max(float(energy.sum()), np.finfo(float).tiny), 1e-9))
    return [round(len(mono) / rate, 4), *np.round(shares.ravel(), 3).tolist()]


def twins_among(forms: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    """Pairs of sounds that are one, by name; each with the first of those that are not longer."""
    names = sorted(forms, key=lambda name: (forms[name][0], name))
    values = np.array([forms[name] for name in names])
    pairs = []
    for place in range(1, len(names)):
        first = int(np.searchsorted(values[:, 0], values[place, 0] * (1 - _LENGTHS)))
        own, others = values[place, 1:], values[first:place, 1:]
        heard = np.maximum(others, own) > _HEARD
        apart = np.where(heard, np.abs(others - own), 0).max(axis=1, initial=0)
        same = np.flatnonzero((apart < _SAME) & (heard.sum(axis=1) >= _FEWEST))
        if len(same):
            pairs.append((names[first + int(same[0])], names[place]))
    return pairs
