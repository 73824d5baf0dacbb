"""When frames are shown: the presentation time of each decoded frame, minus the first; never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PLAUSIBLE = (0.01, 20_000.0)  # frames a second: from time-lapse to the fastest laryngoscopes
_TICK = 1.1e-3  # seconds: clocks of some containers (Matroska) count milliseconds
_RATES_AGREE = 0.02  # relative difference


@dataclass(frozen=True)
class Times:
    """Times of T frames.

    Args:
        seconds: ``(T,)`` float64 from 0, increasing; None where nothing tells them.
        fps: Mean frames a second; None where unknown.
        flags: ``no_rate``, ``variable_rate``, ``times_from_rate``, ``header_rate:25``.
    """

    seconds: np.ndarray | None
    fps: float | None
    flags: tuple[str, ...] = ()

    @property
    def constant(self) -> bool:
        """Whether frame i stands at i / fps, up to the clock of the file."""
        return self.seconds is not None and "variable_rate" not in self.flags


def seconds_of(row: Mapping[str, Any]) -> np.ndarray | None:
    """When the frames of a row are shown, ``(count,)`` float64 from 0; None where nothing tells.

    ``times`` are written down where the rate varies; else frame i stands at i / fps.
    """
    if row["times"] is not None:
        return np.asarray(row["times"], dtype=np.float64)
    return None if row["fps"] is None else np.arange(row["count"]) / row["fps"]


def plausible(rate: float | None) -> float | None:
    """A rate as it is, or None if no camera has it (zero, negative, infinite, NaN, absurd)."""
    return float(rate) if rate is not None and PLAUSIBLE[0] <= rate <= PLAUSIBLE[1] else None


def settle_times(times: Sequence[float | None], *, stated_rate: float | None = None) -> Times:
    """Makes one account of the times of a video's frames.

    Where each frame has a time and they increase, those are right, however slowly: a time-lapse has a frame an hour.
    Where they do not (AVI has none, and what stands in their place is jumbled by B-frames) the order of decoding is
    kept and the header's rate gives the times, which is flagged. Without a plausible rate either, times stay unknown.

    Args:
        times: Of the frames in the order in which they were decoded, in seconds; None where a frame has none.
        stated_rate: Of the header.
    """
    rate = plausible(stated_rate)
    if len(times) == 1:
        return Times(np.zeros(1), rate, () if rate else ("no_rate",))
    known = np.array([np.nan if time is None else time for time in times], dtype=np.float64)
    steps = np.diff(known)
    if len(times) and np.isfinite(known).all() and (steps > 0).all():
        fps = float(len(steps) / (known[-1] - known[0]))
        if fps <= PLAUSIBLE[1]:
            return _measured(known - known[0], fps, rate)
    if rate is None:
        return Times(None, None, ("no_rate",))
    return Times(np.arange(len(times)) / rate, rate, ("times_from_rate",))


def _measured(seconds: np.ndarray, fps: float, rate: float | None) -> Times:
    flags = []
    if np.abs(seconds - np.arange(len(seconds)) / fps).max() > _TICK:
        flags.append("variable_rate")
    if rate is not None and abs(rate / fps - 1) > _RATES_AGREE:
        flags.append(f"header_rate:{rate:.6g}")
    return Times(seconds, fps, tuple(flags))
