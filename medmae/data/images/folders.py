"""Finding images: class folders, with or without folders of splits above them, flat folders, and tables."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medmae.data.identity.class_folders import patients_as_classes
from medmae.data.identity.doubts import refuse
from medmae.data.identity.files import patients_of
from medmae.data.identity.given import Given
from medmae.data.identity.tree import Unit
from medmae.data.images.classes import MASK, check_classes, masks_among, refuse_splits
from medmae.data.images.decode import SUFFIXES
from medmae.data.left_out import OTHER_FILE, LeftOut, passed_over_in, spoken
from medmae.data.splits import SPLITS
from medmae.data.table_files import read_csv
from medmae.data.tree import entries_of, files_below, require_there
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError

LAYOUT = "give [train|val|test/]class/image, a flat folder, or a CSV: path,label,patient,slide,split"
_SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    # As they come: the second has patients of its own.
    **dict.fromkeys(("nct-crc-he-100k", "nct-crc-he-100k-nonorm"), "train"),
    "crc-val-he-7k": "test",
}
ELSEWHERE = "an image that lies elsewhere than in [train|val|test/]class/"
UNREAD = "an image of a format that is not read, to be converted to PNG"
# Images elsewhere, which libraries read in part, or slowly, or not without risk.
OTHER_PICTURES = (
    *(
        ".gif",
        ".apng",
        ".heic",
        ".heif",
        ".avif",
        ".jp2",
        ".j2k",
        ".jpx",
        ".jxl",
        ".jxr",
        ".svg",
        ".psd",
        ".tga",
        ".exr",
    ),
    *(".dng", ".nef", ".cr2", ".arw", ".raw", ".eps", ".ico", ".pcx", ".npy", ".dcm", ".dicom", ".ima"),
)
_REMEDY = "the first line must be: path, and some of label,patient (or subject),slide,split"


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """One image.

    Args:
        name: Path below the source: what it is called from here on.
        path: Where it is.
        label: Class, if known.
        patient: If known.
        slide: If known.
        split: As folders or the table have it.
        line: All that the table has of it.
    """

    name: str
    path: Path
    label: str | None = None
    patient: str | None = None
    slide: str | None = None
    split: str | None = None
    line: Mapping[str, str] = field(default_factory=dict)


def find_images(
    source: Path, *, suffixes: Sequence[str] = SUFFIXES, dicom: bool = False, labels: Sequence[str] = ()
) -> tuple[list[ImageFile], list[LeftOut]]:
    """The images below a folder or in a table, and all other files of the folder, with the reason.

    Args:
        source: Folder (``[split/]class/image``, ``[split/]image``), or a CSV with ``path`` and some of
            ``label,patient,slide,split``.
        suffixes: Of images, in lower case.
        dicom: Whether files that begin as DICOM does are images, too, whatever they are called.
        labels: Further columns of a table that are read.

    Raises:
        DataError: No image, or a table that lacks its columns, has one of patients or splits that is not read, or names
            a file twice.
    """
    require_there(source)
    found = _Images(suffixes, dicom=dicom)
    files, left = _from_folders(source, found) if source.is_dir() else (_from_table(source, labels), [])
    if not files:
        remedy = "; ".join([*spoken(left), LAYOUT])
        raise DataError("no image is here", path=source, field="suffixes", value=tuple(suffixes), remedy=remedy)
    return files, left


def with_patients(
    files: Sequence[ImageFile], source: Path, *, given: Given | None = None, strict: bool = True
) -> list[ImageFile]:
    """The images with their patients: of the table, of the user, or of names that all say them in words.

    Args:
        files: As they were found.
        source: Of the images.
        given: What the user says.
        strict: See :func:`medmae.data.identity.files.patients_of`.

    Raises:
        DataError: Names of which several could be one patient's; a pattern that misses some.
    """
    said = given is not None and given.says
    if not said and any(file.patient or file.slide for file in files):
        return list(files)
    doubts = [] if said else patients_as_classes({file.label for file in files if file.label}, len(files))
    if strict:
        refuse(doubts, path=source)
    elif doubts:
        warnings.warn(f"{source}: images of one patient may be split: {doubts[0]}; {doubts[0].remedy}", stacklevel=3)
    units = [Unit(path=file.name.rpartition(".")[0] or file.name, names=(Path(file.name).stem,)) for file in files]
    found = patients_of(units, source=source, given=given, strict=strict)
    if None in found:
        return list(files)
    return [replace(file, patient=patient) for file, patient in zip(files, found, strict=True)]


@dataclass(frozen=True)
class _Images:
    """Whether a file is an image that is read.

    Args:
        suffixes: In lower case.
        dicom: Whether the first bytes of other files count, too.
    """

    suffixes: Sequence[str]
    dicom: bool

    def __call__(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        return suffix in self.suffixes or (self.dicom and suffix not in OTHER_PICTURES and is_dicom(path))

    def below(self, folder: Path) -> list[Path]:
        """Those that lie directly in a folder, also links to files that are not there: reading them tells."""
        return [path for path in entries_of(folder) if not path.is_dir() and self(path)]


def _from_folders(root: Path, is_image: _Images) -> tuple[list[ImageFile], list[LeftOut]]:
    splits = {path: _SPLIT_FOLDERS[path.name.lower()] for path in _folders(root) if path.name.lower() in _SPLIT_FOLDERS}
    files: list[ImageFile] = []
    shelves: dict[Path, str | None] = {**splits} or {root: None}
    everything = files_below(root)  # first: it refuses links that lead back
    masks: set[Path] = set()
    for shelf, split in shelves.items():
        own = {folder: is_image.below(folder) for folder in (shelf, *_folders(shelf))}
        refuse_splits([folder for folder, images in own.items() if images and folder != shelf], root)
        masks |= masks_among(own.values())
        files += [
            _image(path, root, None if folder == shelf else folder.name, split)
            for folder, images in own.items()
            for path in images
            if path not in masks
        ]
    check_classes((file.label for file in files), root)
    found = {file.path for file in files}
    left = (_left_out(path, is_image, masks) for path in everything if path not in found)
    return files, [*passed_over_in(root), *left]


def _left_out(path: Path, is_image: _Images, masks: Collection[Path]) -> LeftOut:
    if path in masks:
        return LeftOut(path, MASK)
    if is_image(path):
        return LeftOut(path, ELSEWHERE)
    return LeftOut(path, UNREAD if path.suffix.lower() in OTHER_PICTURES else OTHER_FILE)


def _folders(folder: Path) -> list[Path]:
    return [path for path in entries_of(folder) if path.is_dir()]


def _image(path: Path, root: Path, label: str | None, split: str | None) -> ImageFile:
    return ImageFile(name=path.relative_to(root).as_posix(), path=path, label=label, split=split)


def _from_table(table: Path, labels: Sequence[str]) -> list[ImageFile]:
    files = []
    columns = ("label", "patient", "slide", "split", *(label.lower() for label in labels))
    for number, line in read_csv(table, needs=("path",), known=columns, remedy=_REMEDY, rows=("path",)):
        known = {column: line.get(column) or None for column in ("label", "slide", "split")}
        if known["split"] not in (None, *SPLITS):
            raise DataError(
                f"line {number} names no split", path=table, field="split", value=known["split"], remedy=str(SPLITS)
            )
        patient = line.get("patient") or None
        files.append(
            ImageFile(name=line["path"], path=table.parent / line["path"], patient=patient, line=line, **known)
        )
    check_classes((file.label for file in files), table)
    twice = sorted(name for name, times in Counter(os.path.normpath(file.name) for file in files).items() if times > 1)
    if twice:
        raise DataError(f"{len(twice)} images stand twice in the table: {', '.join(twice[:10])}", path=table)
    return files
