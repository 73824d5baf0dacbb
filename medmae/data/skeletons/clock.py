"""When frames of a skeleton were taken: evenly, or brought there; times that go back are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medmae.errors import DataError

_MOST = 20  # times as many frames as there were: such a clock has a hole, or another unit


def evenly_timed(
    positions: np.ndarray, confidence: np.ndarray, seconds: np.ndarray, *, path: Path
) -> tuple[np.ndarray, np.ndarray, float, tuple[str, ...]]:
    """Frames put where their times say, on a grid of the median step; frames that are not there were not seen.

    Args:
        positions: ``(T, M, V, C)``.
        confidence: ``(T, M, V)``.
        seconds: ``(T,)``.
        path: The file, for messages.

    Returns:
        Both on the grid, frames a second, flags ``dropped_frames:n``.

    Raises:
        DataError: If times go back or repeat, are no numbers, or leave a hole that is longer than all else.
    """
    steps = np.diff(seconds)
    if not np.isfinite(seconds).all() or (steps <= 0).any():
        where = int(np.argmax(~(steps > 0))) + 1
        raise DataError(
            f"times of frames go back, or stand still, at frame {where}",
            path=path,
            field="time",
            value=seconds[max(where - 1, 0) : where + 1].tolist(),
            remedy="sort the frames by their times, or leave the column out and say the rate (--rate)",
        )
    if not len(steps):
        raise DataError("one frame has no rate", path=path, field="time", value=seconds.tolist(), remedy="leave it out")
    step = float(np.quantile(steps, 0.5, method="lower"))  # one that is there: the mean of 1 and 4 is no step
    places = np.round((seconds - seconds[0]) / step).astype(int)
    count = int(places[-1]) + 1
    if count > _MOST * len(seconds) or len(np.unique(places)) != len(places):
        raise DataError(
            f"times of {len(seconds)} frames do not lie on any even clock: the median step is {step:g} s",
            path=path,
            field="time",
            value=[float(steps.min()), float(steps.max())],
            remedy="cut the recording where it pauses, or resample it",
        )
    if count == len(seconds):
        return positions, confidence, 1 / step, ()
    spread = np.full((count, *positions.shape[1:]), np.nan, dtype=positions.dtype)
    sure = np.zeros((count, *confidence.shape[1:]), dtype=confidence.dtype)
    spread[places], sure[places] = positions, confidence
    return spread, sure, 1 / step, (f"dropped_frames:{count - len(seconds)}",)


def resampled(data: np.ndarray, *, rate: float, to: float, frames: int, start: float = 0.0) -> np.ndarray:
    """``(T, ...)`` at another rate, linearly, from a second on: ``(frames, ...)``; behind its end as its last frame."""
    places = np.clip((start + np.arange(frames) / to) * rate, 0, len(data) - 1)
    low = np.floor(places).astype(int)
    high = np.minimum(low + 1, len(data) - 1)
    share = (places - low).astype(np.float32).reshape(-1, *[1] * (data.ndim - 1))
    mixed: np.ndarray = data[low] * (1 - share) + data[high] * share
    return mixed
