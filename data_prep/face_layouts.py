"""Where faces lie and what is said of them: videos with tables of programs, tables of people, folders of pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from data_prep.face_sets import BP4D_TABLE, DISFA_TABLE, bp4d, disfa
from data_prep.face_source import Coded, FaceSource, no_picture
from data_prep.face_tables import Line, format_of, landmarks_of, openface, pyfeat, read_lines, table_units
from data_prep.video_line import SPLIT_WORDS
from medmae.data.images.decode import SUFFIXES
from medmae.data.names import file_name_of
from medmae.data.tree import files_below
from medmae.data.video.opening import CONTAINERS
from medmae.errors import DataError

Layout = Literal["auto", "bp4d", "disfa", "openface", "pyfeat", "table", "pictures"]


def layout_of(source: Path) -> Layout:
    """What lies in a folder, or in a table, by its names."""
    if source.is_file():
        return format_of(source) or "pictures"
    names = [path.name for path in files_below(source)]
    if any(map(DISFA_TABLE.fullmatch, names)):
        return "disfa"
    if any(map(BP4D_TABLE.fullmatch, names)):
        return "bp4d"
    tables = {format_of(path) for path in files_below(source) if path.suffix.lower() == ".csv"}
    return "openface" if "openface" in tables else "pyfeat" if "pyfeat" in tables else "pictures"


def recordings(source: Path, layout: Layout) -> list[FaceSource]:
    """All recordings of a source, sorted by case; see :func:`layout_of`."""
    return sorted(_READERS[layout](source), key=lambda one: one.case)


def _openface(source: Path) -> list[FaceSource]:
    """``clip.csv`` beside ``clip.mp4`` (any container)."""
    found = []
    for table in _tables(source, "openface"):
        name = _below(table, source)
        known = FaceSource(case=file_name_of(name.removesuffix(".csv")), name=name, path=source, files=(table,))
        beside = [path for path in sorted(table.parent.glob(f"{table.stem}.*")) if path.suffix.lower() in CONTAINERS]
        try:
            coded, flags = openface(table)
        except DataError as error:
            found.append(replace(known, fault=error))
            continue
        if beside:
            found.append(replace(known, path=beside[0], files=(beside[0], table), coded=coded, flags=flags))
        else:
            found.append(replace(known, fault=no_picture(table, f"{table.stem}.mp4 beside it")))
    return found


def _pyfeat(source: Path) -> list[FaceSource]:
    """A table whose ``input`` names a picture or a video, by its last part, beside the table or below the source."""
    folder = source.parent if source.is_file() else source
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in files_below(folder):
        by_name[path.name].append(path)
    found = []
    for table in _tables(source, "pyfeat"):
        try:
            inputs = pyfeat(table)
        except DataError as error:
            case = file_name_of(table.stem)
            found.append(FaceSource(case=case, name=table.name, path=folder, files=(table,), fault=error))
            continue
        for given, coded in inputs.items():
            short = given.replace("\\", "/").rpartition("/")[2]
            case = file_name_of(short.rpartition(".")[0] or table.stem)
            known = FaceSource(
                case=case, name=short or table.name, path=folder, files=(table,), flags=("model_labels",)
            )
            some = by_name.get(short, [])
            beside = [path for path in some if path.parent == table.parent] or some
            if len(beside) != 1:
                called = f"one {short}, not {len(beside)}: {', '.join(map(str, beside[:2]))}"
                wanted = called if beside else short or "a column input"
                found.append(replace(known, fault=no_picture(table, wanted)))
                continue
            path = beside[0]
            if path.suffix.lower() in CONTAINERS:
                found.append(replace(known, path=path, files=(path, table), coded=coded))
            else:
                found.append(_of_picture(known, path, coded))
    return found


def _of_picture(known: FaceSource, path: Path, coded: Coded) -> FaceSource:
    """The largest of the faces of one picture."""
    count = len(coded.frames)
    widest = int(np.argmax(np.ptp(np.nan_to_num(coded.points[:, :17, 0]), axis=1)))
    own = slice(widest, widest + 1)
    one = Coded.of(
        (path.relative_to(known.path).as_posix(),),
        units=coded.units,
        active=coded.active[own],
        points=coded.points[own],
    )
    flags = (*known.flags, f"largest_of:{count}") if count > 1 else known.flags
    return replace(known, files=(path, *known.files), coded=one, flags=flags)


def _table(source: Path) -> list[FaceSource]:
    """``path[,subject][,split][,label]``, units and landmarks a line; a recording is all pictures of a person."""
    lines = read_lines(source)
    units, active, intensity = table_units(lines, path=source)
    points = landmarks_of(lines)
    by_person: dict[str, list[int]] = {}
    for place, line in enumerate(lines):
        by_person.setdefault(line.get("subject") or line["path"], []).append(place)
    found = []
    for person, places in by_person.items():
        own = [lines[place] for place in places]
        coded = Coded.of(
            tuple(line["path"] for line in own),
            units=units,
            active=active[places],
            intensity=intensity[places],
            points=points[places],
            expressions=tuple(line.get("label", "") for line in own),
        )
        found.append(_of_person(person, own, coded, source))
    return found


def _of_person(person: str, lines: Sequence[Line], coded: Coded, source: Path) -> FaceSource:
    files = tuple(source.parent / line["path"] for line in lines)
    splits = {line.get("split", "") for line in lines}
    named = bool(lines[0].get("subject"))
    known = FaceSource(
        case=file_name_of(person),
        name=person,
        path=source.parent,
        files=files,
        coded=coded,
        subject=person if named else "",
        known=named,
        split=next(iter(splits)) or None,
    )
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        return replace(known, fault=no_picture(source, str(missing)))
    if len(splits) > 1:
        value = sorted(splits)
        fault = DataError("a person is in two splits", path=source, field="split", value=value, remedy="mend the table")
        return replace(known, fault=fault)
    return known


def _pictures(source: Path) -> list[FaceSource]:
    """``[split/][expression/]picture``: each by itself; who is who comes from names, or is not known."""
    found = []
    root = source.parent if source.is_file() else source
    for path in [source] if source.is_file() else files_below(source):
        if path.suffix.lower() not in SUFFIXES:
            continue
        name = _below(path, source)
        parts = name.split("/")
        split = SPLIT_WORDS.get(parts[0].lower()) if len(parts) > 1 else None
        label = parts[-2] if len(parts) == 2 + (split is not None) else ""  # deeper folders may be people's
        case = file_name_of(name.rpartition(".")[0].replace("/", "_"))
        coded = Coded.of((name,), expressions=(label,))
        found.append(FaceSource(case=case, name=name, path=root, files=(path,), coded=coded, split=split))
    return found


def _tables(source: Path, kind: str) -> Sequence[Path]:
    paths = [source] if source.is_file() else [path for path in files_below(source) if path.suffix.lower() == ".csv"]
    return [path for path in paths if format_of(path) == kind]


def _below(path: Path, source: Path) -> str:
    return path.name if path == source else path.relative_to(source).as_posix()


_READERS: Mapping[str, Callable[[Path], list[FaceSource]]] = MappingProxyType(
    {
        "bp4d": bp4d,
        "disfa": disfa,
        "openface": _openface,
        "pyfeat": _pyfeat,
        "table": _table,
        "pictures": _pictures,
    }
)
