"""The sound of a video, beside its frames: kept by the clock of both, or why there is none."""

from __future__ import annotations

from pathlib import Path

from data_prep.audio_track import SoundOptions, part_of, store_sound
from data_prep.outcome import Row
from medmae.data.audio.sound import NoSoundError
from medmae.errors import DataError
from medmae.files import sha256_of

_LENGTHS_AGREE = 0.25  # seconds by which sound and pictures may begin or end apart


def with_sound(row: Row, path: Path, shard: Path, options: SoundOptions, *, first_frame: float | None) -> Row:
    """The row of a video with ``sound``: what :func:`data_prep.audio_track.store_sound` tells, and where it lies.

    A video without sound stays a video: ``sound`` is None, and ``sound_reason`` says why.

    Args:
        row: Of the video.
        path: Of its file, or its folder of frames.
        shard: Of its frames; that of the sound lies beside it.
        options: How sound is kept.
        first_frame: When the first frame is shown, on the clock of the file.
    """
    own = shard.with_name(f"{shard.stem}.sound.npy")
    own.unlink(missing_ok=True)
    if path.is_dir():
        return _without(row, "a folder of frames has no sound")
    if first_frame is None or row["fps"] is None:
        return _without(row, "nothing tells when its frames are shown")
    try:
        sound = store_sound(path, own, options)
    except NoSoundError as error:
        return _without(row, error.reason)
    except DataError as error:
        return _without(row, f"its sound cannot be read: {error.reason}", "sound_unreadable")
    told = {"shard": f"{own.parent.name}/{own.name}", "shard_sha256": sha256_of(own)}
    sound = {**sound, **told, "start": round(sound["start"] - first_frame, 6)}
    flags = [f"sound_{flag}" for flag in sound["flags"]] + _length_flags(row, sound)
    return {**row, "sound": sound, "sound_reason": None, "flags": [*row["flags"], *flags]}


def _without(row: Row, reason: str, *flags: str) -> Row:
    return {**row, "sound": None, "sound_reason": reason, "flags": [*row["flags"], "without_sound", *flags]}


def _length_flags(row: Row, sound: Row) -> list[str]:
    """By how many seconds the sound begins or ends apart from the pictures."""
    shown = row["times"][-1] if row["times"] else (row["count"] - 1) / row["fps"]
    ends = sound["start"] + sound["count"] / sound["rate"] - (shown + 1 / row["fps"])
    flags = [f"sound_begins:{sound['start']:+.2f}"] if abs(sound["start"]) > _LENGTHS_AGREE else []
    return flags + ([f"sound_ends:{ends:+.2f}"] if abs(ends) > _LENGTHS_AGREE else [])


def sound_of_part(row: Row, *, start: float, end: float) -> Row:
    """The row of a part of a video, with the sound of that part alone.

    Args:
        row: Of the part, with the sound of the whole.
        start: Second of the first frame of the part.
        end: Where it ends; infinite for all that follows.
    """
    if not row.get("sound"):
        return row
    part = part_of(row["sound"], start=start, end=end)
    return {**row, "sound": part, "sound_reason": None if part else "no sound lies in this part"}
