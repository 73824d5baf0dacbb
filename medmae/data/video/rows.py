"""What rows of videos hold."""

from __future__ import annotations

from medmae.data.rows import Row, RowKind
from medmae.data.video.questions import fault_in


def _fault(row: Row) -> str | None:
    if row["count"] < 1 or row["first"] < 0:
        return f"'first' and 'count' are {row['first']} and {row['count']}"
    times = row.get("times")
    if times is not None and (not isinstance(times, list) or len(times) != row["count"]):
        return f"'times' must be null or have {row['count']} entries"
    return fault_in(row)


KINDS = (
    RowKind(
        name="video",
        needs={"first": int, "count": int, "size": list, "channels": int, "content_sha256": str},
        made_by="medmae prep video",
        fault=_fault,
    ),
)
