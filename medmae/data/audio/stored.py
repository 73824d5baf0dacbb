"""Sound as it is stored: any cut of it by seconds, and which of its samples were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmae.errors import DataError

FULL = 32767  # of the 16 bits in which samples are stored


@dataclass(frozen=True, kw_only=True)
class Track:
    """Where a sound lies in its shard ``(samples, C)`` int16, and on the clock of its case.

    Attributes:
        shard: Path below the manifest.
        first: Its first sample there.
        count: Its samples.
        rate: Of them a second.
        channels: C.
        gain: What full scale means: a stored value is divided by 32767 and multiplied by this.
        start: When its first sample sounds: seconds from the first frame of its video; 0 of a sound alone.
        missing: First sample and count of gaps, counted from ``first``.
    """

    shard: str
    first: int
    count: int
    rate: int
    channels: int
    gain: float
    start: float
    missing: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Track:
        """Of a row of a sound, or the ``sound`` of a row of a video."""
        known = {key: entry[key] for key in ("shard", "first", "count", "rate", "channels", "gain", "start")}
        return cls(**known, missing=tuple((first, count) for first, count in entry["missing"]))

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.count / self.rate

    def sample_at(self, second: float) -> int:
        """Which sample sounds at a second of the clock; negative, or behind the last, where there is none."""
        return round((second - self.start) * self.rate)

    def recorded(self, first: int, count: int) -> np.ndarray:
        """Which samples of a cut were recorded ``(count,)`` bool: neither outside of the sound nor in a gap."""
        places = np.arange(first, first + count)
        there = (places >= 0) & (places < self.count)
        for start, length in self.missing:
            there &= (places < start) | (places >= start + length)
        return there


def read_cut(shard: np.ndarray, track: Track, first: int, count: int) -> np.ndarray:
    """Samples of a sound, float32 ``(C, count)``; zeros where there are none, which :meth:`Track.recorded` tells.

    Args:
        shard: Memory map ``(samples, C)`` int16.
        track: Of the sound.
        first: Sample, may be negative.
        count: How many.

    Raises:
        DataError: If the shard is not what the row says.
    """
    if shard.ndim != 2 or shard.shape[1] != track.channels or track.first + track.count > len(shard):
        raise DataError(
            "the shard has other samples than its row says",
            path=track.shard,
            field="shape",
            value=shard.shape,
            remedy="prepare the data again",
        )
    out = np.zeros((track.channels, count), dtype=np.float32)
    start, end = max(first, 0), min(first + count, track.count)
    if start < end:
        values = shard[track.first + start : track.first + end].T
        np.multiply(values, np.float32(track.gain / FULL), out=out[:, start - first : end - first], dtype=np.float32)
    return out


def to_stored(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples ``(C, T)`` as they are stored, int16 ``(T, C)``, and their gain: 1, or the peak where that is larger."""
    gain = max(1.0, float(np.abs(samples).max()))
    values = np.round(samples * np.float32(FULL / gain)).astype(np.int16)
    return np.ascontiguousarray(values.T), gain
