"""How fast somebody walks, from the skeleton itself: a proxy, and no instrument's reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medmae.data.skeletons.gaps import filled
from medmae.data.skeletons.layouts import Layout

STEPS = (40.0, 240.0)  # a minute, from a shuffle to a run
_CLEAR = 0.35  # share of the power that lies at the rhythm, else it is none
_FINE = 16  # times as many frequencies as frames


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What the distance between both ankles says.

    Attributes:
        cadence: Steps a minute.
        clear: Share of the power of the distance that lies at this rhythm, from 0 to 1.
    """

    cadence: float
    clear: float

    @property
    def step_time(self) -> float:
        """Seconds from a step to the next, of the other foot."""
        return 60 / self.cadence


def walk_of(positions: np.ndarray, seen: np.ndarray, *, rate: float, layout: Layout) -> Walk | None:
    """Cadence of one body by the distance of its ankles along the line on which they part most.

    A stride, two steps, is one period of it. None where the joints have no ankles, or no rhythm is clear: nobody walks,
    or less than two strides were seen.

    Args:
        positions: ``(T, V, C)``.
        seen: ``(T, V)``.
        rate: Frames a second.
        layout: Of the joints.
    """
    names = ("left_ankle", "right_ankle")
    if any(name not in layout.joints for name in names):
        return None
    left, right = (layout.joints.index(name) for name in names)
    whole = filled(positions, seen)
    apart = whole[:, left] - whole[:, right]  # (T, C)
    apart = apart - apart.mean(axis=0)
    line = np.linalg.svd(apart, full_matrices=False)[2][0]
    signal = (apart @ line) * np.hanning(len(apart))
    power = np.abs(np.fft.rfft(signal, n=_FINE * len(signal))) ** 2
    strides = np.fft.rfftfreq(_FINE * len(signal), 1 / rate)  # Hz
    likely = (strides * 120 >= STEPS[0]) & (strides * 120 <= STEPS[1])
    if not likely.any() or not power.any():
        return None
    peak = float(strides[likely][np.argmax(power[likely])])
    width = 2 * rate / len(signal)  # of the window's main lobe, on either side
    clear = float(power[np.abs(strides - peak) <= width].sum() / power.sum())
    if clear < _CLEAR or len(signal) / rate * peak < 2:
        return None
    return Walk(cadence=120 * peak, clear=clear)
