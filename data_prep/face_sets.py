"""BP4D and DISFA as their owners give them: codes of people, and pictures or videos beside them.

Both are licensed by application, person by person, and not to be handed on: nothing here fetches them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.face_source import Coded, FaceSource, no_picture
from data_prep.face_tables import activity, intensity_of
from medmae.data.images.decode import SUFFIXES
from medmae.data.tree import files_below
from medmae.data.video.opening import CONTAINERS
from medmae.errors import DataError

BP4D_TABLE = re.compile(r"([FM]\d{3})_(T\d)\.csv")
BP4D_INTENSITY = re.compile(r"([FM]\d{3})_(T\d)_AU(\d{2})\.csv")
DISFA_TABLE = re.compile(r"(SN\d{3})_au(\d{1,2})\.txt")
ACTIVE = 2  # of DISFA's intensities: from here on a unit is called active


def bp4d(source: Path) -> list[FaceSource]:
    """``AU_OCC/<person>_<task>.csv``, and pictures ``<person>/<task>/<frame>.jpg``, whose numbers may have zeros.

    Intensities of five units are read, too, where they are there: ``AU_INT/AU06/<person>_<task>_AU06.csv``.
    """
    files = files_below(source)
    strengths: dict[str, dict[str, Path]] = {}
    for path in files:
        if (match := BP4D_INTENSITY.fullmatch(path.name)) is not None:
            strengths.setdefault(f"{match[1]}_{match[2]}", {})[f"AU{int(match[3])}"] = path
    pictures: dict[tuple[str, str], dict[int, Path]] = {}
    for path in files:
        if path.suffix.lower() in SUFFIXES and path.stem.isdigit():
            own = pictures.setdefault((path.parent.parent.name, path.parent.name), {})
            if (before := own.setdefault(int(path.stem), path)) != path:
                raise DataError(
                    "one frame lies in two files",
                    path=path,
                    field="frame",
                    value=str(before),
                    remedy="take the copy away, or prepare the folders by themselves",
                )
    found = []
    for table in sorted(path for path in files if BP4D_TABLE.fullmatch(path.name)):
        match = BP4D_TABLE.fullmatch(table.name)
        assert match is not None
        intensities = strengths.get(table.stem, {})
        read = (table, *intensities.values())
        known = FaceSource(case=table.stem, name=table.name, path=source, files=read, subject=match[1], known=True)
        found.append(_of_bp4d(known, table, intensities, pictures.get((match[1], match[2]), {})))
    return found


def _of_bp4d(
    known: FaceSource, table: Path, intensities: Mapping[str, Path], pictures: Mapping[int, Path]
) -> FaceSource:
    try:
        numbers, coded = bp4d_codes(table)
        coded = bp4d_intensities(numbers, coded, intensities)
    except DataError as error:
        return replace(known, fault=error)
    there = [place for place, number in enumerate(numbers) if number in pictures]
    if not there:
        return replace(known, fault=no_picture(table, f"{known.subject}/{table.stem[-2:]}/<frame>.jpg"))
    paths = tuple(pictures[numbers[place]] for place in there)
    names = tuple(path.relative_to(known.path).as_posix() for path in paths)
    lacking = len(numbers) - len(there)
    return replace(
        known,
        files=(*known.files, *paths),
        coded=Coded.of(names, units=coded.units, active=coded.active[there], intensity=coded.intensity[there]),
        flags=(f"without_picture:{lacking}",) if lacking else (),
    )


def bp4d_codes(path: Path) -> tuple[list[int], Coded]:
    """Numbers of frames, and whether each unit is active: the first row names units, the first column frames.

    Raises:
        DataError: If the header is no list of units, or a cell is none of 0, 1 and 9.
    """
    rows = [line.split(",") for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    if not rows or not all(cell.strip().isdigit() for cell in rows[0]) or {len(row) for row in rows} != {len(rows[0])}:
        raise DataError(
            "the first row of a table of BP4D names action units, and all rows are of one length",
            path=path,
            field="header",
            value=rows[0][:5] if rows else None,
            remedy="copy it again from AUCoding/AU_OCC",
        )
    units = tuple(f"AU{int(cell)}" for cell in rows[0][1:])
    cells = [
        [activity(cell, path=path, field=unit) for cell, unit in zip(row[1:], units, strict=True)] for row in rows[1:]
    ]
    numbers = [int(row[0]) for row in rows[1:]]
    if len(set(numbers)) < len(numbers):
        twice = sorted({number for number in numbers if numbers.count(number) > 1})[:5]
        raise DataError("a frame stands twice", path=path, field="frame", value=twice, remedy="keep one of its lines")
    active = np.array(cells, dtype=np.float32).reshape(len(numbers), len(units))
    return numbers, Coded.of(tuple(numbers), units=units, active=active)


def bp4d_intensities(numbers: Sequence[int], coded: Coded, tables: Mapping[str, Path]) -> Coded:
    """With intensities of some units, ``frame,intensity`` a line without a header; whether one is active stays coded.

    Raises:
        DataError: If a unit is not among those that are coded, or its frames are others.
    """
    intensity = coded.intensity.copy()
    for unit, path in tables.items():
        lines = [line.split(",") for line in path.read_text(encoding="utf-8-sig").split()]
        frames = [int(line[0]) if line[0].isdigit() else None for line in lines]
        if unit not in coded.units or frames != list(numbers):
            raise DataError(
                "intensities are of a unit, or of frames, that AU_OCC does not have",
                path=path,
                field=unit,
                value=f"{len(frames)} frames, and {len(numbers)} coded",
                remedy="copy AUCoding/AU_INT and AUCoding/AU_OCC again",
            )
        values = [intensity_of(line[-1], path=path, field=unit) for line in lines]
        intensity[:, coded.units.index(unit)] = values
    return replace(coded, intensity=intensity)


def disfa(source: Path) -> list[FaceSource]:
    """``SN001/SN001_au1.txt``, and the left camera's video; or pictures 0.png, 1.png, ... in the order of lines."""
    files = files_below(source)
    by_person: dict[str, dict[int, Path]] = {}
    for path in files:
        if (match := DISFA_TABLE.fullmatch(path.name)) is not None:
            by_person.setdefault(match[1], {})[int(match[2])] = path
    found = []
    for person, tables in sorted(by_person.items()):
        ordered = dict(sorted(tables.items()))
        own = tuple(ordered.values())
        known = FaceSource(case=person, name=person, path=source, files=own, subject=person, known=True)
        found.append(_of_disfa(known, ordered, files))
    return found


def _of_disfa(known: FaceSource, tables: dict[int, Path], files: list[Path]) -> FaceSource:
    person = known.subject
    try:
        coded = disfa_codes(tables)
    except DataError as error:
        return replace(known, fault=error)
    count = len(coded.frames)
    videos = [path for path in files if path.suffix.lower() in CONTAINERS and f"LeftVideo{person}" in path.name]
    if videos:
        return replace(known, path=videos[0], files=(videos[0], *known.files), coded=coded, total=count)
    own = [path for path in files if path.parent.name == person and path.suffix.lower() in SUFFIXES]
    pictures = {int(path.stem): path for path in own if path.stem.isdigit()}
    if sorted(pictures) != list(range(count)):
        wanted = f"LeftVideo{person}_comp.avi, or {count} pictures 0.png to {count - 1}.png in a folder {person}"
        return replace(known, fault=no_picture(known.files[0], wanted))
    paths = [pictures[number] for number in range(count)]
    names = tuple(path.relative_to(known.path).as_posix() for path in paths)
    return replace(known, files=(*known.files, *paths), coded=replace(coded, frames=names))


def disfa_codes(tables: dict[int, Path]) -> Coded:
    """Intensities of frames, ``frame,intensity`` a line; active from 2 on. Line n is frame n of the video, from 0.

    Raises:
        DataError: If units have different numbers of frames, or an intensity is none.
    """
    columns = []
    for unit, path in tables.items():
        lines = [line.split(",") for line in path.read_text().split() if line.strip()]
        first = [line[0] for line in lines if len(line) > 1]
        if first and first != [str(number) for number in range(1, len(first) + 1)]:
            raise DataError(
                "frames are not numbered 1, 2, 3, ..., and line n would not be frame n",
                path=path,
                field="frame",
                value=first[:5],
                remedy="copy the labels again, in the order of frames",
            )
        columns.append([intensity_of(line[-1], path=path, field=f"AU{unit}") for line in lines])
    lengths = {len(column) for column in columns}
    if len(lengths) != 1:
        raise DataError(
            "units of one video have different numbers of frames",
            path=next(iter(tables.values())).parent,
            field="lines",
            value=sorted(lengths),
            remedy="copy the labels again",
        )
    intensity = np.array(columns, dtype=np.float32).T
    active = np.where(np.isnan(intensity), np.nan, intensity >= ACTIVE)
    units = tuple(f"AU{unit}" for unit in tables)
    return Coded.of(tuple(range(len(intensity))), units=units, active=active, intensity=intensity)
