"""Finding tiles: class folders, with or without folders of splits above them, flat folders, and tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_prep.patients import compiled, require_match
from medmae.data.images import SUFFIXES
from medmae.data.splits import SPLITS
from medmae.data.tables import read_csv
from medmae.errors import DataError

_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    # As they come: the second has patients of its own.
    **dict.fromkeys(("nct-crc-he-100k", "nct-crc-he-100k-nonorm"), "train"),
    "crc-val-he-7k": "test",
}
_REMEDY = "the first line must be: path, and some of label,patient,slide,split"


@dataclass(frozen=True, kw_only=True)
class TileFile:
    """One image.

    Args:
        name: Path below the source: what it is called from here on.
        path: Where it is.
        label: Class, if known.
        patient: If known.
        slide: If known.
        split: As folders or the table have it.
    """

    name: str
    path: Path
    label: str | None = None
    patient: str | None = None
    slide: str | None = None
    split: str | None = None


def find_tiles(
    source: Path, *, label_from: str | None = None, patient_from: str | None = None, slide_from: str | None = None
) -> tuple[list[TileFile], list[Path]]:
    """The images below a folder or in a table, sorted by name, and files that lie elsewhere than images do.

    Args:
        source: Folder (``[split/]class/image``, ``[split/]image``), or a CSV with ``path`` and some of
            ``label,patient,slide,split``.
        label_from: Regular expression on file names without suffix; its first group is the class.
        patient_from: The same for the patient.
        slide_from: The same for the slide.

    Raises:
        DataError: No image; a pattern that misses some; patients, slides or splits of some images only.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    files, ignored = _from_folders(source) if source.is_dir() else (_from_table(source), [])
    if not files:
        raise DataError("no image is here", path=source, field="suffixes", value=SUFFIXES, remedy=_layout())
    for column, pattern in (("label", label_from), ("patient", patient_from), ("slide", slide_from)):
        files = _filled(files, column, pattern)
    for column in ("patient", "slide", "split"):
        _all_or_none(files, column, source)
    return sorted(files, key=lambda file: file.name), sorted(ignored)


def _layout() -> str:
    return "give [train|val|test/]class/image, a flat folder, or a CSV: path,label,patient,slide,split"


def _from_folders(root: Path) -> tuple[list[TileFile], list[Path]]:
    splits = {path: _SPLIT_FOLDERS[path.name.lower()] for path in _folders(root) if path.name.lower() in _SPLIT_FOLDERS}
    files: list[TileFile] = []
    shelves: dict[Path, str | None] = {**splits} or {root: None}
    for shelf, split in shelves.items():
        files += [_tile(path, root, None, split) for path in _images(shelf)]
        for folder in _folders(shelf):
            files += [_tile(path, root, folder.name, split) for path in _images(folder)]
    found = {file.path for file in files}
    return files, [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path not in found]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _tile(path: Path, root: Path, label: str | None, split: str | None) -> TileFile:
    return TileFile(name=path.relative_to(root).as_posix(), path=path, label=label, split=split)


def _from_table(table: Path) -> list[TileFile]:
    files = []
    for number, line in read_csv(table, needs=("path",), remedy=_REMEDY, rows=("path",)):
        known = {column: line.get(column) or None for column in ("label", "patient", "slide", "split")}
        if known["split"] not in (None, *SPLITS):
            raise DataError(
                f"line {number} names no split", path=table, field="split", value=known["split"], remedy=str(SPLITS)
            )
        files.append(TileFile(name=line["path"], path=table.parent / line["path"], **known))
    twice = sorted(name for name, times in Counter(file.name for file in files).items() if times > 1)
    if twice:
        raise DataError(f"{len(twice)} images stand twice in the table: {', '.join(twice[:10])}", path=table)
    return files


def _filled(files: list[TileFile], column: str, pattern: str | None) -> list[TileFile]:
    option = f"--{column}-from"
    regex = compiled(pattern, option=option)
    if regex is None:
        return files
    found = require_match((file.path.stem for file in files), regex, option=option)
    changes: list[dict[str, Any]] = [{column: found[file.path.stem]} for file in files]
    return [replace(file, **change) for file, change in zip(files, changes, strict=True)]


def _all_or_none(files: Iterable[TileFile], column: str, source: Path) -> None:
    bare = [file.name for file in files if getattr(file, column) is None]
    if bare and len(bare) < len(list(files)):
        raise DataError(
            f"{len(bare)} images have no {column}, others have one: {', '.join(bare[:10])}",
            path=source,
            field=column,
            value=len(bare),
            remedy=f"name the {column} of each image, or of none",
        )
