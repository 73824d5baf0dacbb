"""What rows of faces hold."""

from __future__ import annotations

from medmae.data.rows import Row, RowKind
from medmae.face import LANDMARKS

POINTS = 2 * LANDMARKS  # numbers of a frame before its units: x and y of each landmark, in shares of the crop


def columns_of(row: Row) -> int:
    """Numbers of a frame in the file of measures: landmarks, whether each unit is active, how intense each is."""
    return POINTS + 2 * len(row["units"])


def _fault(row: Row) -> str | None:
    if row["count"] < 1:
        return f"'count' is {row['count']}"
    for key in ("names", "expressions"):
        if len(row[key]) != row["count"]:
            return f"{key!r} must have {row['count']} entries"
    if len(set(row["units"])) != len(row["units"]):
        return f"'units' are {row['units']}"
    return None


KINDS = (
    RowKind(
        name="face",
        needs={
            "count": int,
            "size": int,
            "units": list,
            "names": list,
            "expressions": list,
            "coords": str,
            "coords_sha256": str,
            "content_sha256": str,
        },
        made_by="medmae prep faces",
        fault=_fault,
    ),
)
