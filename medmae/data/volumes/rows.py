"""What rows of volumes hold."""

from __future__ import annotations

from medmae.data.rows import Row, RowKind


def _fault(row: Row) -> str | None:
    names = [contrast.get("name") for contrast in row["contrasts"] if isinstance(contrast, dict)]
    if not names or len(names) != len(row["contrasts"]) or None in names or len(set(names)) < len(names):
        return f"'contrasts' must be objects with different names, got {names}"
    return None


KINDS = (
    RowKind(
        name="volume",
        needs={"contrasts": list, "labels": list, "grid": dict, "foreground": list},
        made_by="medmae prep mr",
        fault=_fault,
    ),
)
