"""Tables of figures as CSV: what is missing stays an empty cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from medmae.files import write_text


def write_csv(path: str | Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Writes rows of the same keys, atomically; eight significant digits, NaN and None as empty cells."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def _cell(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.8g}"
    return "" if value is None else value
