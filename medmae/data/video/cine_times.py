"""When the frames of a DICOM file are shown, as far as it says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medmae.data.video.times import plausible

_VECTOR, _TIME = (0x0018, 0x1065), (0x0018, 0x1063)  # FrameTimeVector, FrameTime


def frame_times(data: Any, count: int, flag: Callable[[str], None]) -> list[float | None]:  # noqa: ANN401
    """Seconds of each frame, or None for all.

    The FrameIncrementPointer decides between FrameTimeVector (milliseconds from frame to frame) and FrameTime; without
    it, whichever is there. CineRate is the last resort, and flagged.

    Args:
        data: The dataset.
        count: Number of frames that there are.
        flag: Is told what is odd.
    """
    vector, time = _numbers(data.get("FrameTimeVector")), _numbers(data.get("FrameTime"))
    pointer = {int(tag) for tag in _list(data.get("FrameIncrementPointer"))}
    if vector and len(vector) != count and count > 2:
        flag(f"frame_time_vector_length:{len(vector)}")
    usable = len(vector) >= count and all(step > 0 for step in vector[1:count])
    one = time[0] / 1000 if time and plausible(1000 / time[0] if time[0] > 0 else None) else None
    if usable and not (pointer == {_TIME[0] << 16 | _TIME[1]} and one is not None):
        return (np.cumsum([0.0, *vector[1:count]]) / 1000).tolist()
    if one is None and (rate := plausible(next(iter(_numbers(data.get("CineRate"))), None))) is not None:
        flag("times_from_cine_rate")
        one = 1 / rate
    return [None] * count if one is None else [number * one for number in range(count)]


def _list(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str | int | float) or not hasattr(value, "__iter__") else list(value)


def _numbers(value: object) -> list[float]:
    try:
        return [float(entry) for entry in _list(value)]
    except (TypeError, ValueError):
        return []
