"""What rows of volumes hold."""

from __future__ import annotations

from medmae.data.rows import Row, RowKind
from medmae.data.volumes.grid import Grid


def _fault(row: Row) -> str | None:
    names = [contrast.get("name") for contrast in row["contrasts"] if isinstance(contrast, dict)]
    if not names or len(names) != len(row["contrasts"]) or None in names or len(set(names)) < len(names):
        return f"'contrasts' must be objects with different names, got {names}"
    try:
        Grid.from_dict(row["grid"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return f"'grid' is none of a volume ({type(error).__name__}: {error})"
    return None


KINDS = (
    RowKind(
        name="volume",
        needs={"contrasts": list, "labels": list, "grid": dict, "foreground": list},
        made_by="medmae prep mr",
        fault=_fault,
    ),
)
