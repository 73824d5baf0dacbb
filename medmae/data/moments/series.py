"""What was recorded beside a sound, as it is stored: arrays of steps by the clock of the sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from medmae.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Series:
    """Where a series lies in its shard ``(steps, ...)``, and on the clock of its sound.

    Attributes:
        shard: Path below the manifest.
        first: Its first step there.
        count: Its steps.
        rate: Of them a second.
        start: When its first step is, in seconds of the sound's clock.
    """

    shard: str
    first: int
    count: int
    rate: float
    start: float

    @classmethod
    def of(cls, row: Mapping[str, Any], name: str) -> Self | None:
        """Of a row; None if it has none of this name."""
        found = next((entry for entry in row["series"] if entry["name"] == name), None)
        return (
            None if found is None else cls(**{key: found[key] for key in ("shard", "first", "count", "rate", "start")})
        )

    def at(self, shard: np.ndarray, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The steps nearest to some moments.

        Args:
            shard: Memory map ``(all steps, ...)``.
            seconds: ``(N,)``.

        Returns:
            Values ``(N, ...)``, and where there is no such step False, ``(N,)``: what stands there is another's.

        Raises:
            DataError: If the shard is not what the row says.
        """
        if self.first + self.count > len(shard) or not self.count:
            raise DataError(
                "the shard has other steps than its row says",
                path=self.shard,
                field="count",
                value=(self.first + self.count, len(shard)),
                remedy="prepare the data again",
            )
        steps = np.rint((seconds - self.start) * self.rate).astype(np.int64)
        there = (steps >= 0) & (steps < self.count)
        return np.asarray(shard[self.first + steps.clip(0, self.count - 1)]), there


def held(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Values ``(N, ...)`` with what was not seen replaced by what was seen last, or else first."""
    places = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), -1))
    places[places < 0] = int(np.argmax(seen))
    return values[places]
