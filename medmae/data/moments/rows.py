"""What rows of moments hold: a sound, and what else was recorded by its clock."""

from __future__ import annotations

from collections.abc import Mapping

from medmae.data.audio.rows import TRACK, track_fault
from medmae.data.rows import Row, RowKind

SERIES: Mapping[str, type] = {"name": str, "first": int, "count": int, "rate": float, "start": float}


def _fault(row: Row) -> str | None:
    for entry in row["series"]:
        wrong = [
            key for key, wanted in SERIES.items() if not isinstance(entry, dict) or type(entry.get(key)) is not wanted
        ]
        if wrong:
            return f"{', '.join(map(repr, wrong))} of one of its series: {entry!r}"
        if entry["first"] < 0 or entry["count"] < 0 or not entry["rate"] > 0:
            return f"no series is like this: {entry!r}"
    return track_fault(row)


KINDS = (
    RowKind(
        name="moment",
        needs={**TRACK, "content_sha256": str, "series": list},
        made_by="medmae prep moments",
        fault=_fault,
    ),
)
