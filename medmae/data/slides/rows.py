"""What rows of slides, and of tiles without a slide, hold."""

from __future__ import annotations

from medmae.data.rows import Row, RowKind

_COLUMNS = ("name", "sha256", "label", "slide")  # of "tiles": one entry a tile


def _fault(row: Row) -> str | None:
    for column in _COLUMNS:
        entries = row["tiles"].get(column)
        if not isinstance(entries, list) or len(entries) != row["count"]:
            return f"'tiles' must have {row['count']} entries of {column!r}"
    return None


KINDS = (
    RowKind(
        name="slide",
        needs={"count": int, "coords": str, "coords_sha256": str, "grid": dict, "source_sha256": str},
        made_by="medmae prep wsi",
    ),
    RowKind(name="tiles", needs={"count": int, "tiles": dict}, made_by="medmae prep tiles", fault=_fault),
)
