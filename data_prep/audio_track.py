"""One sound to one shard: decoded once, looked at, mixed and resampled once, kept with its clock and its gaps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_prep.outcome import Row
from medmae.data.audio.alike import form_of
from medmae.data.audio.levels import levels_of
from medmae.data.audio.mix import Mix, mixed
from medmae.data.audio.read import read_sound
from medmae.data.audio.resample import resampled
from medmae.data.audio.sound import NoSoundError, Sound
from medmae.data.audio.stored import to_stored
from medmae.errors import DataError
from medmae.files import atomic_write


@dataclass(frozen=True, kw_only=True)
class SoundOptions:
    """What shapes the shards of sounds.

    Args:
        rate: Samples a second that are kept; 0 keeps each sound's own.
        mix: ``mean`` of all channels, the ``first``, or ``all`` of them.
        damaged: ``keep`` stores what precedes the damage, ``refuse`` quarantines the sound.
        limit_gb: Most memory that one sound may take, in 10^9 bytes.
    """

    rate: int = 16_000
    mix: Mix = "mean"
    damaged: Literal["keep", "refuse"] = "keep"
    limit_gb: float = 4.0


_SHORT = 0.05  # seconds, below which nothing can be heard in it


def store_sound(path: Path, shard: Path, options: SoundOptions) -> Row:
    """Writes ``shard``, int16 ``(T, C)``, and tells what it holds.

    Returns:
        ``dtype, first, count, rate, channels, gain, start, missing`` as rows have them, ``start`` on the clock of the
        file; ``source_rate, source_channels, peak, decibels, offset, clipped, silent, form``; ``container, codec,
        status, reason, content_sha256, flags``.

    Raises:
        NoSoundError: If there is no sound, or all of it is silence.
        DataError: If it cannot be read, or is damaged and that is refused.
    """
    sound = read_sound(path, limit_gb=options.limit_gb)
    if sound.damage is not None and options.damaged == "refuse":
        raise DataError(sound.damage, path=path, field="samples", remedy="copy or export it again")
    levels = levels_of(sound.samples, rate=sound.rate)
    if levels.decibels is None:
        raise NoSoundError(
            "it is silent: no sample differs from the next",
            path=path,
            field="peak",
            value=levels.peak,
            remedy="leave it out, or record it again",
        )
    one, told = mixed(sound.samples, mix=options.mix, path=path)
    rate = options.rate or sound.stated_rate
    samples = resampled(one, rate=sound.rate, to=rate)  # (C, T)
    values, gain = to_stored(samples)
    with atomic_write(shard) as file:
        np.lib.format.write_array(file, values, allow_pickle=False)
    flags = [
        *sound.flags,
        *levels.flags,
        *told,
        *([f"upsampled:{sound.stated_rate}"] if sound.stated_rate < rate else []),
        *([f"short:{len(values) / rate:.4f}"] if len(values) < _SHORT * rate else []),
    ]
    return {
        "dtype": "int16",
        "first": 0,
        "count": len(values),
        "rate": rate,
        "channels": values.shape[1],
        "gain": gain,
        "start": round(sound.start, 6),
        "missing": [list(gap) for gap in _gaps(sound, rate)],
        "source_rate": sound.stated_rate,
        "source_channels": sound.channels,
        "peak": round(levels.peak, 6),
        "decibels": round(levels.decibels, 2),
        "offset": round(levels.offset, 6),
        "clipped": round(levels.clipped, 6),
        "silent": round(levels.silent, 4),
        "form": form_of(samples, rate=rate),
        "container": sound.container,
        "codec": sound.codec,
        "content_sha256": sound.content_sha256,
        "status": "ok" if sound.damage is None else "damaged",
        "reason": sound.damage,
        "flags": flags,
    }


def _gaps(sound: Sound, rate: int) -> list[tuple[int, int]]:
    """At the rate that is kept, and as wide as the filter of the change reaches into them not."""
    scale = rate / sound.rate
    edges = [(math.floor(first * scale), math.ceil((first + count) * scale)) for first, count in sound.missing]
    return [(first, end - first) for first, end in edges]


def part_of(track: Row, *, start: float, end: float) -> dict[str, Any] | None:
    """The same sound between two seconds of its clock, which begins anew with the first; None where nothing sounds.

    Args:
        track: ``first, count, rate, start, missing`` and whatever else.
        start: In seconds.
        end: In seconds; infinite for all that follows.
    """
    rate, begins = track["rate"], track["start"]
    first = min(max(0, math.ceil((start - begins) * rate - 1e-6)), track["count"])
    last = track["count"] if math.isinf(end) else min(track["count"], math.ceil((end - begins) * rate - 1e-6))
    if last <= first:
        return None
    gaps = [(max(at, first), min(at + count, last)) for at, count in track["missing"]]
    return {
        **track,
        "first": track["first"] + first,
        "count": last - first,
        "start": round(begins + first / rate - start, 6),
        "missing": [[at - first, stop - at] for at, stop in gaps if stop > at],
    }
