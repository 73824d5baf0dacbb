"""A table of results that grows while a benchmark runs, so that what is stopped keeps what it has measured."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append(path: Path, *rows: Mapping[str, Any]) -> None:
    """Rows behind those of a table; the first names its columns."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def forget(path: Path, **columns: object) -> None:
    """Takes rows of these values out of a table, if there is one: their network was trained on since."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [row for row in rows if any(row[name] != str(value) for name, value in columns.items())]
    if len(kept) < len(rows):
        path.unlink()
        if kept:
            append(path, *kept)
