"""A sound as it was decoded, whatever held it: samples, rate, clock, and what a user should know."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medmae.errors import DataError

RATES = (100, 768_000)  # samples a second that some device records
CHANNELS = 64  # more are a damaged header


class NoSoundError(DataError):
    """A file has no sound, or one in which nothing is heard: a video may go on without, a sound may not."""


@dataclass(kw_only=True)
class Decoded:
    """What a decoder gave, block by block, before anything was settled.

    Attributes:
        rate: Samples a second.
        container: What holds the sound.
        codec: How it is coded.
        blocks: Parts in order, float32 ``(C, n)``, as far as they could be read.
        times: When each block begins, in seconds on the clock of the file; None of one that does not say.
        flags: What a user should know.
        damage: Why reading ended before the end; None if it did not.
    """

    rate: int
    container: str
    codec: str
    blocks: list[np.ndarray] = field(default_factory=list)
    times: list[float | None] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    damage: str | None = None

    @property
    def count(self) -> int:
        """Samples of each channel so far."""
        return sum(block.shape[1] for block in self.blocks)


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A whole sound in memory.

    Attributes:
        samples: float32 ``(C, T)`` in [-1, 1], all finite.
        rate: Samples a second; of a sound whose clock drifts, what its time stamps say, to a fraction.
        stated_rate: What the file says of it, a whole number.
        start: When its first sample sounds, in seconds on the clock of the file; negative where it begins before it.
        missing: First sample and count of each gap that its time stamps leave; what stands there is zero, and no sound.
        flags: What a user should know; see docs/data.md.
        damage: Why it ends before the end of the file, or None.
        container: What held it.
        codec: How it was coded.
        content_sha256: Of the samples as they were decoded: equal in lossless copies.
    """

    samples: np.ndarray
    rate: float
    stated_rate: int
    start: float
    missing: tuple[tuple[int, int], ...]
    flags: tuple[str, ...]
    damage: str | None
    container: str
    codec: str
    content_sha256: str

    @property
    def channels(self) -> int:
        """C."""
        return int(self.samples.shape[0])

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.samples.shape[1] / self.rate)
