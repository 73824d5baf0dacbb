"""Tables that people write: read with every check, so that a missing column or a gap is told by line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medmae.errors import DataError


def read_csv(
    path: Path, *, needs: Iterable[str], remedy: str, rows: Iterable[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """Reads a table with a header; names of columns are taken in lower case, values without outer blanks.

    Args:
        path: The file, UTF-8.
        needs: Columns that must be there.
        remedy: What to tell when they are not.
        rows: Columns that no line may leave empty.

    Returns:
        ``(number of the line, values)``; a column that a line lacks is an empty string.

    Raises:
        DataError: Missing file or columns, text that is no UTF-8, an empty field.
    """
    if not path.is_file():
        raise DataError("the table does not exist", path=path, remedy=remedy)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            missing = sorted(set(needs) - set(reader.fieldnames))
            if missing:
                raise DataError("the table lacks columns", path=path, field="columns", value=missing, remedy=remedy)
            lines = [(reader.line_num, _stripped(line)) for line in reader]
    except UnicodeDecodeError as error:
        raise DataError(f"the table is not UTF-8 text ({error})", path=path, remedy="save it as CSV, UTF-8") from error
    for number, line in lines:
        if not all(line[name] for name in rows):
            raise DataError(f"line {number} has an empty field", path=path, field="line", value=line, remedy=remedy)
    return lines


def _stripped(line: Mapping[str, Any]) -> dict[str, str]:
    return {key: (value or "").strip() for key, value in line.items() if key and isinstance(value, str | None)}
