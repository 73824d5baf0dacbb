"""What rows of sounds hold; the ``sound`` of a row of a video holds the same."""

from __future__ import annotations

from collections.abc import Mapping

from medmae.data.rows import Row, RowKind

TRACK: Mapping[str, type] = {
    "first": int,
    "count": int,
    "rate": int,
    "channels": int,
    "gain": float,
    "start": float,
    "missing": list,
}


def track_fault(track: Row) -> str | None:
    """What is wrong with where a sound lies in its shard, or None."""
    wrong = [key for key, wanted in TRACK.items() if not isinstance(track.get(key), wanted)]
    if wrong:
        return f"{', '.join(map(repr, wrong))} of the sound {[track.get(key) for key in wrong]}"
    numbers = {key: track[key] for key in ("first", "count", "rate", "channels", "gain")}
    if min(track["count"], track["rate"], track["channels"]) < 1 or track["first"] < 0 or not track["gain"] > 0:
        return f"no sound is like this: {numbers}"
    if not all(isinstance(gap, list) and [type(number) for number in gap] == [int, int] for gap in track["missing"]):
        return "'missing' of a sound must be a list of [first, count]"
    return None


def _fault(row: Row) -> str | None:
    classes = row.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        return "'classes' must be null or a list of names"
    return track_fault(row)


KINDS = (RowKind(name="sound", needs={**TRACK, "content_sha256": str}, made_by="medmae prep audio", fault=_fault),)
