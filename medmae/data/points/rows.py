"""What rows of shapes hold."""

from __future__ import annotations

from collections.abc import Mapping

from medmae.data.rows import Row, RowKind

SIZES = ("kept", "removed")
_NEEDS: Mapping[str, type] = {
    "place": int,
    "points": int,
    "unit": str,
    "size": str,
    "radius": float,
    "content_sha256": str,
}


def _fault(row: Row) -> str | None:
    if row["size"] not in SIZES:
        return f"'size' is {row['size']!r}, not one of {', '.join(SIZES)}"
    if row["place"] < 0 or row["points"] < 1 or not row["radius"] > 0:
        return f"no cloud is like this: { ({key: row[key] for key in ('place', 'points', 'radius')}) }"
    if row["size"] == "kept" and not row["unit"]:
        return "a size that was kept has no unit"
    return None


KINDS = (RowKind(name="shape", needs=_NEEDS, made_by="medmae prep points", fault=_fault),)
