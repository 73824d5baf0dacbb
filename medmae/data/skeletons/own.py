"""Skeletons of one's own: a table with named columns, or an ``.npz`` with named joints, and a table of bones."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.npz import read_arrays
from medmae.data.skeletons.clock import evenly_timed
from medmae.data.skeletons.layouts import LAYOUTS, Layout, table_layout
from medmae.data.skeletons.recording import COORDINATES, UNITS, Recording, Unit, recording_of
from medmae.data.skeletons.unread import unread_arrays, unread_columns
from medmae.errors import DataError
from medmae.reading import read_text

_OTHER = 0.01  # of a rate, from which on it is another one
_WAY = "columns: time (seconds) or frame, maybe body, then NAME_x, NAME_y[, NAME_z][, NAME_c] of every joint"


def read_bones(path: Path) -> list[tuple[str, str]]:
    """``child,parent`` a line, with that header.

    Raises:
        DataError: If the header is another one, or a line has not two names.
    """
    rows = [row for row in csv.reader(io.StringIO(read_text(path))) if row]
    if not rows or [word.strip().lower() for word in rows[0]] != ["child", "parent"] or any(len(r) != 2 for r in rows):
        raise DataError(
            "a table of bones has two columns: child,parent",
            path=path,
            field="columns",
            value=rows[0] if rows else None,
            remedy="name joints as their data do",
        )
    return [(child.strip(), parent.strip()) for child, parent in rows[1:]]


def layout_of(joints: Sequence[str], bones: Sequence[Sequence[str]] | None) -> Layout:
    """Of named joints: by a table of bones, else the known layout of these names, else without bones."""
    if bones is not None:
        return table_layout(joints, bones)
    known = next((layout for layout in LAYOUTS.values() if layout.joints == tuple(joints)), None)
    return known or Layout(name="joints", joints=tuple(joints), bones=(), root=joints[0])


def read_table(
    path: Path, *, bones: Sequence[Sequence[str]] | None, unit: Unit | None, axes: str | None, rate: float | None
) -> Recording:
    """A CSV (or TSV): a row a frame and body.

    Raises:
        DataError: If columns are others, a value is no number, times go back, or nobody says the unit.
    """
    text = read_text(path)
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    columns = [name for name in rows[0] if name] if rows else text.splitlines()[:1]
    joints, axes_of = _joints_of(columns, path, frames=len(rows))
    _check_lines(rows, path)
    clock = "time" if "time" in columns else "frame" if "frame" in columns else None
    keys = list(dict.fromkeys(row[clock] if clock else str(number) for number, row in enumerate(rows)))
    places = _places(rows, keys, clock, path)
    shape = (len(keys), 1 + max(body for _, body in places), len(joints))
    positions, confidence = np.full((*shape, len(axes_of)), np.nan), np.ones(shape)
    for place, row in zip(places, rows, strict=True):
        for joint, name in enumerate(joints):
            positions[(*place, joint)] = [_number(row, f"{name}_{axis}", path) for axis in axes_of]
            confidence[(*place, joint)] = _number(row, f"{name}_c", path) if f"{name}_c" in columns else 1
    flags = unread_columns(columns, joints, axes_of, path=path)
    if clock is not None:
        times = np.array([_number({clock: key}, clock, path) for key in keys]) / (1 if clock == "time" else rate or 1)
        positions, confidence, found, more = evenly_timed(positions, confidence, times, path=path)
        flags = (*flags, *more, *_other_rate(found if clock == "time" else None, rate))
        rate = found if clock == "time" or rate else None
    return recording_of(
        path,
        layout=layout_of(joints, bones),
        positions=positions,
        confidence=confidence,
        zeros_are_missing=False,
        rate=rate,
        container="table",
        flags=(*flags, *(() if rate else ("no_rate",))),
        **_settled(path, unit, axes),
    )


def _joints_of(columns: Sequence[str], path: Path, *, frames: int) -> tuple[list[str], list[str]]:
    """Names of joints, and the axes that all of them have."""
    joints = list(dict.fromkeys(name[:-2] for name in columns if name and name[-2:] == "_x"))
    axes = {name: [axis for axis in COORDINATES if f"{name}_{axis}" in columns] for name in joints}
    if not frames or not joints or len({len(found) for found in axes.values()}) != 1:
        raise DataError(
            "the table has no joints, no frames, or joints of different coordinates",
            path=path,
            field="columns",
            value=list(columns[:12]),
            remedy=_WAY,
        )
    return joints, axes[joints[0]]


def _check_lines(rows: Sequence[dict[str, str]], path: Path) -> None:
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(
                f"line {number} has more or fewer fields than the table has columns",
                path=path,
                field="line",
                value=number,
                remedy="copy the file again, it may be cut off; leave what was not seen empty",
            )


def _other_rate(found: float | None, said: float | None) -> tuple[str, ...]:
    """``rate_of_file:30``, where the user says another one, which is not taken."""
    other = found is not None and said is not None and abs(found - said) > _OTHER * said
    return (f"rate_of_file:{found:g}",) if other else ()


def _places(
    rows: Sequence[dict[str, str]], keys: Sequence[str], clock: str | None, path: Path
) -> list[tuple[int, int]]:
    """Frame and body of each row."""
    ids = list(dict.fromkeys(row.get("body") or "" for row in rows))
    at = {key: number for number, key in enumerate(keys)}
    places = [
        (at[row[clock]] if clock else number, ids.index(row.get("body") or "")) for number, row in enumerate(rows)
    ]
    taken: set[tuple[int, int]] = set()
    for number, place in enumerate(places):
        if place in taken:
            raise DataError(
                f"two rows are of one {clock} and body",
                path=path,
                field=str(clock),
                value=rows[number][str(clock)],
                remedy="times of frames stand still here; number the bodies in a column body, if there are several",
            )
        taken.add(place)
    return places


def read_npz(
    path: Path, *, bones: Sequence[Sequence[str]] | None, unit: Unit | None, axes: str | None, rate: float | None
) -> Recording:
    """An archive of ``positions (T, V, C)`` or ``(T, M, V, C)`` and ``joints (V,)``.

    It may hold ``confidence``, ``bones`` ``(E, 2)`` of names, ``rate``, ``unit`` and ``axes``, too.

    Raises:
        DataError: If one of the first two is missing, or they do not fit.
    """
    held = read_arrays(path)
    if absent := {"positions", "joints"} - held.keys():
        raise DataError(
            f"the archive has no {', '.join(sorted(absent))}",
            path=path,
            field="arrays",
            value=sorted(held),
            remedy="np.savez(path, positions=(T, V, C), joints=names, rate=30.0, unit='m', bones=pairs of names)",
        )
    positions, joints = held["positions"], [str(name) for name in held["joints"]]
    positions = positions[:, None] if positions.ndim == 3 else positions
    sure = held.get("confidence")
    sure = sure[:, None] if sure is not None and sure.ndim == 2 else sure
    own_rate = _rate(held, path) or None  # 0 says that nobody knew it
    flags = (*unread_arrays(held, path=path), *_other_rate(own_rate, rate))
    rate = rate if own_rate is None else own_rate
    own = bones if bones is not None else held["bones"].tolist() if "bones" in held else None
    if unit is not None and _word(held, "unit") not in (None, unit):
        raise DataError(
            f"the file says that its unit is {_word(held, 'unit')}",
            path=path,
            field="--unit",
            value=unit,
            remedy="leave --unit out, or prepare files of one unit by themselves",
        )
    told = _settled(path, unit or _word(held, "unit"), axes or _word(held, "axes"))
    return recording_of(
        path,
        layout=layout_of(joints, own),
        positions=positions,
        confidence=sure,
        zeros_are_missing=False,
        rate=rate,
        container="npz",
        flags=(*flags, *(() if rate else ("no_rate",))),
        **told,
    )


def _rate(held: dict[str, np.ndarray], path: Path) -> float | None:
    if "rate" not in held:
        return None
    if held["rate"].size != 1 or held["rate"].dtype.kind not in "iuf":
        remedy = "give one number of frames a second"
        raise DataError("rate is no number", path=path, field="rate", value=held["rate"].shape, remedy=remedy)
    return float(held["rate"].reshape(()))


def _word(held: dict[str, np.ndarray], name: str) -> Any:  # noqa: ANN401
    return str(held[name]) if name in held else None


def _settled(path: Path, unit: Unit | None, axes: str | None) -> dict[str, Any]:
    if unit is None:
        raise DataError(
            "nothing says in which unit positions are",
            path=path,
            field="--unit",
            value=None,
            remedy=f"name one of {', '.join(UNITS)}",
        )
    if unit not in UNITS:
        raise DataError(
            "positions are in no unit that is known", path=path, field="unit", value=unit, remedy=f"take one of {UNITS}"
        )
    return {"unit": unit, "axes": axes or "not said"}


def _number(row: dict[str, str], column: str, path: Path) -> float:
    word = (row.get(column) or "").strip()
    if word == "":
        return np.nan
    try:
        return float(word)
    except ValueError as error:
        raise DataError("a value is no number", path=path, field=column, value=word, remedy="correct it") from error
