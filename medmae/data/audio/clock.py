"""When each sample sounds: time stamps of blocks held against their count, so that gaps and drifts are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STEP = 0.05  # seconds between two blocks that are a gap and no rounding of a clock
LONGEST = 600.0  # seconds: beyond it the clock is at fault, not the sound
_DRIFT, _STRAIGHT, _LEAST = 0.02, 0.01, 20  # seconds at the end; seconds about the line; blocks
_SAME_START = 0.0005


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What the times of a sound tell.

    Attributes:
        start: Of the first sample, in seconds.
        rate: Samples a second, as the times have it.
        gaps: Number of the block before which sound is missing, and how many samples.
        flags: ``starts:-0.512``, ``gaps:2``, ``drift:+180ppm``, ``clock_jumps:1``, ``no_times``.
        ends: Number of the block from which on the clock is not to be believed; None of a sound clock.
    """

    start: float
    rate: float
    gaps: tuple[tuple[int, int], ...] = ()
    flags: tuple[str, ...] = ()
    ends: int | None = None


def clock_of(times: Sequence[float | None], counts: Sequence[int], rate: int) -> Clock:
    """Holds the times of blocks against the samples that they have.

    A step forward of more than 50 ms between two blocks is a gap. A step back is none of the sound (files joined as
    they were): samples go on as if there were none, which is told. What deviates evenly, by more than 20 ms at the end,
    drifts: the recorder's rate was another one than it says.

    Args:
        times: Of the first sample of each block, in seconds; None of one that does not say.
        counts: Samples of each block.
        rate: Samples a second that the file states.
    """
    if not times or any(time is None for time in times):
        return Clock(start=0.0, rate=rate, flags=("no_times",) if times else ())
    known = np.array(times, dtype=np.float64)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    late = known - known[0] - before / rate  # (blocks,) how much later each is than those before it last
    steps = np.diff(late, prepend=0.0)
    jumps = np.flatnonzero(steps < -STEP)
    ahead = np.flatnonzero(steps > STEP)
    beyond = ahead[steps[ahead] > LONGEST]
    ends = int(beyond[0]) if len(beyond) else None
    ahead = ahead[: len(ahead) if ends is None else np.searchsorted(ahead, ends)]
    gaps = tuple((int(place), round(float(steps[place]) * rate)) for place in ahead)
    flags = [f"starts:{known[0]:+.3f}"] if known[0] < -_SAME_START else []
    flags += [f"gaps:{len(gaps)}"] if gaps else []
    flags += [f"clock_jumps:{len(jumps)}"] if len(jumps) else []
    share = (
        0.0
        if len(jumps) or ends is not None
        else _drift(late - np.cumsum(np.where(steps > STEP, steps, 0)), before / rate)
    )
    if share:
        flags.append(f"drift:{share * 1e6:+.0f}ppm")
    return Clock(start=float(known[0]), rate=rate / (1 + share), gaps=gaps, flags=tuple(flags), ends=ends)


def _drift(late: np.ndarray, seconds: np.ndarray) -> float:
    """Seconds lost in each second, where blocks come later and later (or earlier) along a straight line; else 0."""
    if len(late) < _LEAST:
        return 0.0
    slope, offset = np.polyfit(seconds, late, 1)
    straight = np.abs(late - offset - slope * seconds).max() < _STRAIGHT
    return float(slope) if straight and abs(slope) * seconds[-1] > _DRIFT else 0.0
