"""Images from wherever they are: folders, tables, arrays, DICOM, prepared data; one table of them all."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from medmae.data.held import TILES
from medmae.data.identity.given import Given
from medmae.data.images.arrays import idx_files, read_idx, read_npz
from medmae.data.images.classes import check_classes
from medmae.data.images.decode import SUFFIXES, pixels_of, read_bytes
from medmae.data.images.folders import LAYOUT, ImageFile, find_images, with_patients
from medmae.data.images.one_value import is_constant, may_be_constant
from medmae.data.labels import Labels, Task
from medmae.data.left_out import OTHER_FILE, LeftOut, barren, spoken
from medmae.data.manifest import NAME, Manifest, Row
from medmae.data.rows import hashes_of
from medmae.data.shards import Shards
from medmae.data.splits import FRACTIONS
from medmae.data.table import Table, check_columns
from medmae.data.table_files import all_or_none
from medmae.data.volumes.dicom import is_dicom, load_image
from medmae.errors import DataError, check_choice
from medmae.files import sha256_of

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def read_images(
    source: str | Path,
    *,
    subject_from: str | None = None,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
    task: Task = "single_label",
    labels: str | Sequence[str] = "label",
) -> Table:
    """The images of a source and their splits; nothing but arrays is read before it is asked for.

    Args:
        source: A folder ``[train|val|test/]class/image`` or a flat one, of JPEG, PNG, TIFF or DICOM files; a CSV
            ``path`` and some of ``label,patient,split``; an ``.npz`` as MedMNIST has them; a folder of IDX files; or
            what ``medmae prep tiles`` or ``medmae prep wsi`` wrote.
        subject_from: Regular expression on file names without suffix, whose first group (or the whole match) is the
            patient. DICOM's own patient tags are never read.
        fractions: Shares of train, val, test, where the source names no splits; drawn by patient, or, where no patient
            is known, within each class.
        seed: Of that draw.
        task: What labels are: one class an image; ``multi_label``, 0 or 1 for each of several; or ``regression``,
            numbers. The latter two come from a CSV or an ``.npz``; unknown ones are empty fields, or NaN.
        labels: Column of the CSV, or several of them; in an ``.npz`` the key of an array ``(N,)`` or ``(N, K)``.

    Raises:
        DataError: No images, a source of another kind, a pattern that matches nothing, a patient in two splits, labels
            that are not what ``task`` says.
    """
    path = Path(source)
    check_choice(task, get_args(Task), name="task")
    columns = (labels,) if isinstance(labels, str) else tuple(labels)
    if path.suffix.lower() == ".npz":
        table = read_npz(path, task=task, labels="labels" if columns == ("label",) else columns[0])
    elif path.suffix.lower() != ".csv" and (task, columns) != ("single_label", ("label",)):
        raise DataError(
            "only a CSV or an npz has labels by name",
            path=path,
            field="task, labels",
            value=(task, labels),
            remedy="list the images in a CSV: path, and a column for each label",
        )
    elif path.name == NAME or (path / NAME).is_file():
        table = _prepared(Manifest.read(path))
    elif path.is_dir() and idx_files(path):
        table = read_idx(path)
    else:
        table = _files(path, subject_from, task=task, columns=columns)
        subject_from = None
    if subject_from is not None:
        raise ValueError(f"subject_from={subject_from!r} reads names of files, and {path} names patients otherwise")
    return table.split(fractions=(fractions[0], fractions[1], fractions[2]), seed=seed)


@dataclass(frozen=True)
class FileReader:
    """``read(number)`` over image files."""

    paths: Sequence[Path]

    def __call__(self, number: int) -> np.ndarray:
        """``(H, W, C)``, uint8 or float32 in [0, 1]."""
        path = self.paths[number]
        if path.suffix.lower() not in SUFFIXES and is_dicom(path):
            pixels = load_image(path)
        else:
            pixels = pixels_of(read_bytes(path), path=path)  # whatever its name says; refused if it is none
        if is_constant(pixels):
            warnings.warn(f"{path}: all pixels have one value, of which nothing can be learnt", stacklevel=2)
        return pixels

    def constant(self, number: int) -> bool:
        """Whether an image has one value; one that cannot be read is told when it is read."""
        if not may_be_constant(self.paths[number]):
            return False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it is what is asked
                return is_constant(self(number))
        except DataError:
            return False

    def hashes(self, number: int) -> tuple[str, ...]:
        """Of the file; none of one that is not there, which is told when it is read."""
        path = self.paths[number]
        return (sha256_of(path),) if path.is_file() else ()


@dataclass(frozen=True)
class ShardReader:
    """``read(number)`` over prepared shards."""

    shards: Shards
    places: Sequence[tuple[str, int]]

    def __call__(self, number: int) -> np.ndarray:
        """``(H, W, C)`` uint8."""
        shard, place = self.places[number]
        return np.array(self.shards[shard][place])


@dataclass(frozen=True)
class TileHashes:
    """``hashes(number)`` of prepared tiles; those of a slide's tile are the slide's."""

    places: Sequence[tuple[Row, int]]

    def __call__(self, number: int) -> tuple[str, ...]:
        """Of the tile's file, and of its pixels."""
        row, place = self.places[number]
        columns = [row["tiles"].get(name) for name in ("sha256", "content_sha256")] if "tiles" in row else []
        return tuple(column[place] for column in columns if column and column[place]) or tuple(hashes_of(row))


def _files(path: Path, subject_from: str | None, *, task: Task, columns: Sequence[str]) -> Table:
    found, left = find_images(path, suffixes=(*SUFFIXES, *DICOM_SUFFIXES), dicom=True, labels=columns)
    _tell(path, found, left)
    files = sorted(found, key=lambda file: file.name)
    for column in ("patient", "split"):
        all_or_none(column, {file.name: getattr(file, column) for file in files}, path)
    files = with_patients(files, path, given=Given(subject_from=subject_from, by_name=True), strict=False)
    patients = [file.patient for file in files if file.patient is not None] or None
    splits = [file.split for file in files if file.split is not None] or None
    reader = FileReader([file.path for file in files])
    table = Table(
        path=path,
        names=[file.name for file in files],
        labels=_classes(files, columns, path) if task == "single_label" else [None] * len(files),
        patients=patients,
        splits=splits,
        made_of=_sizes(files),
        read=reader,
        hashes=reader.hashes,
        constant=reader.constant,
        targets=None if task == "single_label" else _targets(files, columns, task, path),
    )
    return check_columns(table)


def _tell(path: Path, found: Sequence[ImageFile], left: Sequence[LeftOut]) -> None:
    """Warns of images that are left out, and of folders that give none where those beside them are classes."""
    empty = barren(path, {file.path: file.label or file.name for file in found}) if path.is_dir() else []
    lines = spoken([one for one in left if one.why != OTHER_FILE])
    if empty:
        names = ", ".join(folder.relative_to(path).as_posix() for folder in empty[:10])
        lines.append(f"{len(empty)} folders beside those of classes give no image: {names}")
    if lines:
        warnings.warn(f"{path}: {'; '.join(lines)}; {LAYOUT}", stacklevel=4)


def _classes(files: Sequence[ImageFile], columns: Sequence[str], path: Path) -> list[str | None]:
    """The class of each image; refuses fractions of numbers, which are no names."""
    if len(columns) > 1:
        raise ValueError(f"an image has one class, in one column, unless task='multi_label': got {list(columns)}")
    known = [file.label if columns[0] == "label" else file.line.get(columns[0].lower()) or None for file in files]
    check_classes(known, path)
    if columns[0] != "label" and not any(known):
        raise DataError("no image has a label", path=path, field=columns[0], remedy="name a column of the table")
    if path.suffix.lower() == ".csv" and any(known) and all(_is_fraction(label) for label in known if label):
        raise DataError(
            "labels are numbers with a fraction, and each would be a class of its own",
            path=path,
            field=columns[0],
            value=sorted({label for label in known if label})[:3],
            remedy="say task='regression'",
        )
    return known


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except (ValueError, OverflowError):
        return False


def _targets(files: Sequence[ImageFile], columns: Sequence[str], task: Task, path: Path) -> Labels:
    lines = [file.line for file in files]
    return Labels.of_columns(lines, columns=[column.lower() for column in columns], task=task, path=path)


def _sizes(files: Sequence[ImageFile]) -> str:
    """Of the sizes of all files: hashes of their content would cost as much as an epoch."""
    digest = hashlib.sha256()
    for file in files:
        size = file.path.stat().st_size if file.path.is_file() else -1  # what is missing is told when it is read
        digest.update(f"{file.name} {size}\n".encode())
    return digest.hexdigest()


def _prepared(manifest: Manifest) -> Table:
    manifest.require(*TILES)
    places = [(row, place) for row in manifest for place in range(row["count"])]
    table = Table(
        path=manifest.path,
        names=[f"{row['case']}/{_name(row, place)}" for row, place in places],
        labels=[row["tiles"]["label"][place] if "tiles" in row else row.get("label") for row, place in places],
        patients=None if manifest.unit == "images" else [row["subject"] for row, _ in places],
        splits=[row["split"] for row, _ in places],
        made_of=manifest.sha256,
        read=ShardReader(manifest.shards, [(row["shard"], place) for row, place in places]),
        hashes=TileHashes(places),
    )
    return check_columns(table)


def _name(row: Row, place: int) -> str:
    return str(row["tiles"]["name"][place]) if "tiles" in row else f"{place:06d}"
