"""How loud a sound is, and what is wrong with its level: clipping, an offset, silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RUN = 3  # equal samples at the peak in a row that are clipped
_CLIPPED, _OFFSET, _QUIET, _SILENT, _LOUD = 0.0005, 0.02, -70.0, 0.05, 0.1  # share; of full scale; dB; share; peak
_COARSE, _FULL = 0.01, 0.97  # share of the peak between two values; of full scale
_WINDOW_S = 0.05  # of silence: the least that counts


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Of a sound, over all channels.

    Attributes:
        peak: Largest magnitude.
        decibels: Root mean square about its mean, in dB of full scale; None of a sound without any change.
        offset: Mean of the channel whose is farthest from zero.
        clipped: Share of samples that stand at the peak, three or more in a row.
        silent: Share of the sound, in parts of 50 ms, that never changes.
    """

    peak: float
    decibels: float | None
    offset: float
    clipped: float
    silent: float

    @property
    def flags(self) -> tuple[str, ...]:
        """What a user should look at."""
        found = [f"clipped:{self.clipped:.2%}"] if self.clipped > _CLIPPED and self.peak > _LOUD else []
        found += [f"dc_offset:{self.offset:+.3f}"] if abs(self.offset) > _OFFSET else []
        found += [f"silent_share:{self.silent:.2f}"] if self.silent > _SILENT else []
        found += [f"quiet:{self.decibels:.0f}dB"] if self.decibels is not None and self.decibels < _QUIET else []
        return tuple(found)


def levels_of(samples: np.ndarray, *, rate: float) -> Levels:
    """Looks at a sound.

    Args:
        samples: float32 ``(C, T)``.
        rate: Samples a second.
    """
    peak = float(np.abs(samples).max())
    means = samples.mean(axis=1, dtype=np.float64)
    power = float(
        np.mean(
            [np.square(channel - mean).mean(dtype=np.float64) for channel, mean in zip(samples, means, strict=True)]
        )
    )
    return Levels(
        peak=peak,
        decibels=10 * float(np.log10(power)) if power > 1e-15 else None,
        offset=float(means[np.abs(means).argmax()]),
        clipped=_clipped(samples, peak),
        silent=_silent(samples, max(1, round(rate * _WINDOW_S))),
    )


def _clipped(samples: np.ndarray, peak: float) -> float:
    """Share of samples that stand at the largest or smallest value of their channel in runs."""
    if not peak:
        return 0.0
    found = 0
    for channel in samples:
        for signed in (channel, -channel):
            limit = signed.max()
            at = signed == limit
            steps = np.diff(np.unique(signed[signed > limit / 2]))
            if limit < _FULL and steps.min(initial=1.0) > _COARSE * limit:
                continue  # steps so coarse (8 bits, mu-law) that a round peak has equal samples, too
            edges = np.flatnonzero(np.diff(at.astype(np.int8), prepend=0, append=0))
            lengths = edges[1::2] - edges[::2]
            found += int(lengths[lengths >= _RUN].sum())
    return found / samples.size


def _silent(samples: np.ndarray, window: int) -> float:
    whole = samples.shape[1] // window
    if not whole:
        return 0.0
    parts = samples[:, : whole * window].reshape(len(samples), whole, window)
    return float((np.ptp(parts, axis=2) == 0).all(axis=0).mean())
