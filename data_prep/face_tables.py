"""Tables of faces: what OpenFace and py-feat write, and tables that people make themselves."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from data_prep.face_source import NOT_CODED, Coded
from data_prep.video_line import SPLIT_WORDS
from medmae.data.table_files import all_or_none, read_csv
from medmae.errors import DataError
from medmae.face import LANDMARKS
from medmae.reading import reading

Format = Literal["openface", "pyfeat", "table"]
Line = Mapping[str, str]
_UNIT = re.compile(r"au[ _-]?0?(\d{1,2})([lr]?)(?:_(c|r))?")
_SAID = ("subject", "split", "label")  # of a table that people made
_CONFIDENT = 0.5  # OpenFace's own word for a face that it lost
_ONCE = "keep the line that counts"
_REMEDY = "write one line a frame: path (or frame), au1, au2, ... of 0 and 1, empty where nobody coded one"


def format_of(path: Path) -> Format | None:
    """Which program's table it is, by its header; None if it is no table of faces."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            names = {name.strip().lower() for name in file.readline().split(",")}
    except OSError:
        return None
    if {"confidence", "success"} <= names and any(name.endswith(("_r", "_c")) for name in names):
        return "openface"
    if "facescore" in names or {"au01", "au12"} <= names:
        return "pyfeat"
    return "table" if "path" in names and any(_UNIT.fullmatch(name) for name in names) else None


def read_lines(path: Path) -> list[dict[str, str]]:
    """All lines of a table that people made, names of columns in small letters.

    Raises:
        DataError: Columns that look like people or splits and are not read, a picture that stands twice, a word that
            is no split, or people or splits of some lines only.
    """
    with reading(path, what="the table", remedy="save it as CSV, UTF-8"), path.open(encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
    points = [f"{axis}_{point}" for axis in "xy" for point in range(LANDMARKS)]
    known = [*_SAID, *points, *columns_of_units([name.strip().lower() for name in names])]
    lines = [line for _, line in read_csv(path, needs=("path",), known=known, remedy=_REMEDY, rows=("path",))]
    for line in lines:
        if (split := line.get("split")) and split.lower() not in SPLIT_WORDS:
            raise DataError(
                f"{line['path']} is in no split", path=path, field="split", value=split, remedy="train, val or test"
            )
        line |= {"split": SPLIT_WORDS[split.lower()]} if split else {}
    times = Counter(os.path.normpath(line["path"]) for line in lines)
    if twice := [name for name, count in times.items() if count > 1]:
        raise DataError("a picture stands twice in the table", path=path, field="path", value=twice[:5], remedy=_ONCE)
    for column in ("subject", "split"):
        all_or_none(column, {line["path"]: line.get(column) or None for line in lines}, path)
    return lines


def program_lines(path: Path) -> list[dict[str, str]]:
    """All lines of a program's table, names in small letters, but for OpenFace's points in space (``X_0``, in mm).

    Those differ in nothing but the size of a letter from points of the picture (``x_0``), and are left out.

    Raises:
        DataError: If a line has more or fewer fields than the header.
    """
    with reading(path, what="the table", remedy="save it as CSV, UTF-8"):
        text = path.read_text(encoding="utf-8-sig")
    rows = [row for row in csv.reader(text.splitlines(), skipinitialspace=True) if row]
    header = [name.strip() for name in rows[0]] if rows else []
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise DataError(
                f"line {number} has {len(row)} fields, and the header {len(header)}",
                path=path,
                field="line",
                value=number,
                remedy="run the program again: the table was cut off",
            )
    kept = [(place, name.lower()) for place, name in enumerate(header) if not re.fullmatch(r"[XYZ]_\d+", name)]
    return [{name: row[place].strip() for place, name in kept} for row in rows[1:]]


def columns_of_units(names: Sequence[str]) -> list[str]:
    """Names of columns that are read as units."""
    return [column for columns in units_in(names).values() for column in columns.values()]


def units_in(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Columns of units: ``{"AU1": {"c": column, "r": column}}``, in order of their numbers."""
    found: dict[tuple[int, str], dict[str, str]] = {}
    for name in names:
        if (match := _UNIT.fullmatch(name)) is not None:
            found.setdefault((int(match[1]), match[2].upper()), {})[match[3] or "c"] = name
    return {f"AU{number}{side}": columns for (number, side), columns in sorted(found.items())}


def landmarks_of(lines: Sequence[Line]) -> np.ndarray:
    """``(F, 68, 2)`` in pixels; NaN without columns ``x_0`` to ``y_67``."""
    axes = []
    for axis in "xy":
        values = [[_number(line.get(f"{axis}_{point}", "")) for point in range(LANDMARKS)] for line in lines]
        axes.append(np.array(values, dtype=np.float32).reshape(len(lines), LANDMARKS))
    return np.stack(axes, axis=2)


def openface(path: Path) -> tuple[Coded, tuple[str, ...]]:
    """Frames of a video (numbered from 1 in the file), and flags: of lost frames nothing is taken.

    Raises:
        DataError: If a frame is there twice, as where several faces were followed.
    """
    lines = program_lines(path)
    kept = [line for line in lines if line["success"] == "1" and _number(line["confidence"]) >= _CONFIDENT]
    numbers = [int(_number(line["frame"])) - 1 for line in kept]
    if len(set(numbers)) < len(numbers):
        raise DataError(
            "the table has several faces of one frame",
            path=path,
            field="frame, face_id",
            value=sorted({number + 1 for number in numbers if numbers.count(number) > 1})[:5],
            remedy="run OpenFace for each face by itself, or keep the lines of one",
        )
    units = units_in(list(lines[0]) if lines else [])
    active, intensity = _units(kept, units, path=path)
    coded = Coded.of(tuple(numbers), units=tuple(units), active=active, intensity=intensity, points=landmarks_of(kept))
    lost = len(lines) - len(kept)
    return coded, ("model_labels", *((f"lost:{lost}",) if lost else ()))


def pyfeat(path: Path) -> dict[str, Coded]:
    """Frames by the picture or video that ``input`` names; a unit is active from a probability of one half on.

    Raises:
        DataError: If a unit is no probability.
    """
    by_input: dict[str, list[Line]] = {}
    for line in program_lines(path):
        by_input.setdefault(line.get("input", ""), []).append(line)
    found = {}
    for name, lines in by_input.items():
        units = units_in(list(lines[0]))
        shares = np.array([[_number(line[columns["c"]]) for columns in units.values()] for line in lines], np.float32)
        if (shares < 0).any() or (shares > 1).any():
            raise DataError(
                "a probability of a unit is from 0 to 1",
                path=path,
                field="AU",
                value=float(np.nanmax(np.abs(shares))),
                remedy="save it as py-feat wrote it, or name columns AU1_r if they are intensities from 0 to 5",
            )
        active = np.where(np.isnan(shares), np.nan, shares >= 0.5)
        numbers = tuple(int(_number(line.get("frame", "") or "0")) for line in lines)
        found[name] = Coded.of(numbers, units=tuple(units), active=active, points=landmarks_of(lines))
    return found


def table_units(lines: Sequence[Line], *, path: Path) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """Units, whether each is active, and how intense it is, of a table that people made."""
    units = units_in(list(lines[0]) if lines else [])
    return (tuple(units), *_units(lines, units, path=path))


def activity(text: str, *, path: Path, field: str) -> float:
    """0 or 1; NaN where nobody coded it.

    Raises:
        DataError: If it is something else.
    """
    if text.strip().lower() in NOT_CODED:
        return float("nan")
    value = _number(text)
    if value not in (0.0, 1.0):
        raise DataError(
            "a unit is active (1) or not (0)",
            path=path,
            field=field,
            value=text,
            remedy=f"name intensities {field}_r; leave what nobody coded empty (9, -1 and 999 are read so, too)",
        )
    return value


def intensity_of(text: str, *, path: Path, field: str) -> float:
    """From 0 to 5; NaN where nobody coded it.

    Raises:
        DataError: If it is something else.
    """
    if text.strip().lower() in NOT_CODED:
        return float("nan")
    value = _number(text)
    if not 0 <= value <= 5:
        raise DataError("an intensity is from 0 to 5", path=path, field=field, value=text, remedy=_REMEDY)
    return value


def _units(
    lines: Sequence[Line], units: Mapping[str, Mapping[str, str]], *, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    active = np.full((len(lines), len(units)), np.nan, np.float32)
    intensity = active.copy()
    for row, line in enumerate(lines):
        for place, columns in enumerate(units.values()):
            if "c" in columns:
                active[row, place] = activity(line[columns["c"]], path=path, field=columns["c"])
            if "r" in columns:
                intensity[row, place] = intensity_of(line[columns["r"]], path=path, field=columns["r"])
                if "c" not in columns and not np.isnan(intensity[row, place]):
                    active[row, place] = intensity[row, place] >= 2  # DISFA's rule
    return active, intensity


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
