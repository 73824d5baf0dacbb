"""Tables that people write: read with every check, so that a missing column or a gap is told by line."""

from __future__ import annotations

import csv
import difflib
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.data.identity.columns import holds_identity, looks_like_identity
from medmae.data.identity.doubts import refuse
from medmae.data.identity.spelling import alike
from medmae.errors import DataError

# Columns whose names say the same; the first is ours.
ALIASES = {
    "subject": ("subject", "patient", "patient_id", "patientid", "subject_id", "subjectid", "participant_id"),
    "patient": ("patient", "subject", "patient_id", "patientid", "subject_id", "subjectid", "participant_id"),
    "session": ("session", "session_id", "visit"),
    "slide": ("slide", "slide_id"),
}
# What R, pandas and spreadsheets write where they have no value.
MISSING = {"NA", "N/A", "n/a", "nan", "NaN", "NAN", "null", "NULL", "None", "<NA>", "#N/A"}
# What a spreadsheet makes of a long number, and of what it cannot compute.
_SPOILT = re.compile(r"\d(?:[.,]\d+)?E\+?\d{1,2}|#(?:REF|NAME|VALUE|DIV/0|NUM|NULL)[!?]|#+", re.IGNORECASE)
_PERSONS = ("subject", "patient")
_IDENTITY = ("subject", "patient", "slide", "split", "session")


def read_csv(
    path: Path,
    *,
    needs: Iterable[str],
    remedy: str,
    rows: Iterable[str] = (),
    known: Iterable[str] | None = None,
    spelling: bool = True,
) -> list[tuple[int, dict[str, str]]]:
    """Reads a table with a header; names of columns are taken in lower case, values without outer blanks.

    Args:
        path: The file, UTF-8.
        needs: Columns that must be there.
        remedy: What to tell when they are not.
        rows: Columns that no line may leave empty.
        known: Further columns that are read; None reads all without a word. Others are warned of, and refused if they
            look like patients or splits.
        spelling: Whether patients that differ in nothing but spelling are refused.

    Returns:
        ``(number of the line, values)``; a column that a line lacks is an empty string, as are the marks of missing
        values (``NA``, ``nan``, ...) in columns of identity.

    Raises:
        DataError: Missing file or columns, text that is no UTF-8, an empty field, a line of more fields than columns,
            patients that differ in nothing but spelling, or that a spreadsheet has spoilt.
    """
    if not path.is_file():
        raise DataError("the table does not exist", path=path, remedy=remedy)
    needs = tuple(needs)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            written = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = _columns(written, needs, known, path)
            missing = sorted(set(needs) - set(reader.fieldnames))
            if missing:
                raise DataError("the table lacks columns", path=path, field="columns", value=missing, remedy=remedy)
            lines = [(reader.line_num, _checked(line, reader.line_num, path)) for line in reader]
    except csv.Error as error:
        raise DataError(f"the table cannot be read as CSV ({error})", path=path, remedy="save it as CSV") from error
    except UnicodeDecodeError as error:
        raise DataError(f"the table is not UTF-8 text ({error})", path=path, remedy="save it as CSV, UTF-8") from error
    if known is not None:
        used = {*needs, *known}
        unused = [(own, name) for own, name in zip(written, reader.fieldnames, strict=True) if name not in used]
        check_unused({own: [line[name] for _, line in lines] for own, name in unused if own}, used, path)
    for number, line in lines:
        if not all(line[name] for name in rows):
            raise DataError(f"line {number} has an empty field", path=path, field="line", value=line, remedy=remedy)
    for column in set(_PERSONS) & set(reader.fieldnames) if spelling else ():
        refuse(alike({line[column] for _, line in lines if line[column]}), path=path)
    return lines


def check_unused(unused: Mapping[str, Sequence[str]], known: Iterable[str], path: Path) -> None:
    """Warns of columns that nobody reads, each with the nearest name that is read.

    Args:
        unused: What each of them holds.
        known: Names that are read.
        path: The table.

    Raises:
        DataError: If one of them looks like patients or splits: left out, it would let patients leak.
    """
    names = sorted(set(known))
    risky = [name for name, values in unused.items() if looks_like_identity(name) or holds_identity(name, values)]
    if risky:
        raise DataError(
            f"a column that looks like patients or splits is not read: {_with_nearest(risky, names)}",
            path=path,
            field="columns",
            value=risky,
            remedy=f"rename it to one of {', '.join(names)}, or take it out of the table",
        )
    if unused:
        warnings.warn(f"{path}: columns that are not read: {_with_nearest(list(unused), names)}", stacklevel=4)


def check_unspoilt(column: str, text: str | None, number: int, path: Path) -> None:
    """Refuses a patient that is a number in a short form, or an error of a spreadsheet: ``1.2E+11``, ``#NAME?``.

    Raises:
        DataError: With the line.
    """
    if _SPOILT.fullmatch(text or ""):
        raise DataError(
            f"a spreadsheet has spoilt the {column} of line {number}, and several may have become one",
            path=path,
            field=column,
            value=text,
            remedy="make the column one of texts, fill it in again, and export the table anew",
        )


def all_or_none(what: str, values: Mapping[str, object], source: Path) -> None:
    """Refuses what some units have and others lack.

    Args:
        what: Such as ``patient``.
        values: Of each unit by its name; None where it lacks it.
        source: Of the units, for the message.

    Raises:
        DataError: With the names of those that lack it.
    """
    bare = [name for name, value in values.items() if value is None]
    if bare and len(bare) < len(values):
        raise DataError(
            f"{len(bare)} of {len(values)} have no {what}, the others have one: {', '.join(bare[:10])}",
            path=source,
            field=what,
            value=len(bare),
            remedy=f"name the {what} of each, or of none",
        )


def _with_nearest(names: Sequence[str], known: Sequence[str]) -> str:
    nearest = {name: difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5) for name in names}
    return ", ".join(f"{name} (is it {near[0]}?)" if near else name for name, near in nearest.items())


def _columns(names: Sequence[str], needs: Sequence[str], known: Iterable[str] | None, path: Path) -> list[str]:
    """Our names of the columns, where they have others."""
    found = [name.lower() for name in names]
    wanted = {*needs, *(known or ())}
    for ours in wanted & set(ALIASES):
        same = [name for name in found if name in ALIASES[ours] and (name == ours or name not in wanted)]
        if len(same) > 1:
            raise DataError(
                "two columns say the same thing", path=path, field="columns", value=same, remedy="keep one of them"
            )
        found = [ours if name in same else name for name in found]
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise DataError("two columns have the same name", path=path, field="columns", value=twice, remedy="rename one")
    return found


def _checked(line: Mapping[Any, Any], number: int, path: Path) -> dict[str, str]:
    if None in line:
        raise DataError(
            f"line {number} has more fields than the table has columns",
            path=path,
            field="line",
            value=line[None],
            remedy='put a field with a comma into quotes: "a, b"',
        )
    values = {key: (value or "").strip() for key, value in line.items() if key}
    for name in _PERSONS:
        check_unspoilt(name, values.get(name), number, path)
    marked = [column for column in _IDENTITY if values.get(column) in MISSING]
    # None and null may be classes.
    marked += ["label"] if values.get("label") in MISSING - {"None", "null", "NULL"} else []
    return values | dict.fromkeys(marked, "")
