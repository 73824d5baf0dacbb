"""Images from wherever they are: folders, tables, arrays, DICOM, prepared data; one table of them all."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.images.arrays import idx_files, read_idx, read_npz
from medmae.data.images.decode import SUFFIXES, pixels_of, read_bytes
from medmae.data.images.folders import LAYOUT, ImageFile, all_or_none, find_images
from medmae.data.manifest import NAME, Manifest, Row
from medmae.data.shards import Shards
from medmae.data.splits import FRACTIONS
from medmae.data.table import Table, check_columns
from medmae.data.volumes.dicom import is_dicom, load_image
from medmae.errors import DataError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def read_images(
    source: str | Path,
    *,
    subject_from: str | None = None,
    fractions: Sequence[float] = FRACTIONS,
    seed: int = 0,
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

    Raises:
        DataError: No images, a source of another kind, a pattern that matches nothing, a patient in two splits.
    """
    path = Path(source)
    if path.suffix.lower() == ".npz":
        table = read_npz(path)
    elif path.name == NAME or (path / NAME).is_file():
        table = _prepared(Manifest.read(path))
    elif path.is_dir() and idx_files(path):
        table = read_idx(path)
    else:
        table = _files(path, subject_from)
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
        if path.suffix.lower() in SUFFIXES:
            return pixels_of(read_bytes(path), path=path)
        if is_dicom(path):
            return load_image(path)
        return pixels_of(read_bytes(path), path=path)  # whatever its name says; refused if it is none


@dataclass(frozen=True)
class ShardReader:
    """``read(number)`` over prepared shards."""

    shards: Shards
    places: Sequence[tuple[str, int]]

    def __call__(self, number: int) -> np.ndarray:
        """``(H, W, C)`` uint8."""
        shard, place = self.places[number]
        return np.array(self.shards[shard][place])


def _files(path: Path, subject_from: str | None) -> Table:
    found, deeper = find_images(path, suffixes=(*SUFFIXES, *DICOM_SUFFIXES))
    if deeper:
        shown = ", ".join(sorted(image.relative_to(path).as_posix() for image in deeper)[:3])
        warnings.warn(
            f"{path}: {len(deeper)} images lie elsewhere and are left out, such as {shown}; {LAYOUT}", stacklevel=3
        )
    files = sorted(found, key=lambda file: file.name)
    for column in ("patient", "split"):
        all_or_none(files, column, path)
    patients = [file.patient for file in files if file.patient is not None] or None
    if subject_from is not None:
        patients = [_found(file, subject_from) for file in files]
    splits = [file.split for file in files if file.split is not None] or None
    table = Table(
        path=path,
        names=[file.name for file in files],
        labels=[file.label for file in files],
        patients=patients,
        splits=splits,
        made_of=_sizes(files),
        read=FileReader([file.path for file in files]),
    )
    return check_columns(table)


def _found(file: ImageFile, pattern: str) -> str:
    try:
        match = re.search(pattern, file.path.stem)
    except re.error as error:
        raise ValueError(f"subject_from is no regular expression ({error}): {pattern!r}") from error
    if match is None:
        raise DataError(
            "subject_from matches nothing in this name", path=file.path, field="subject_from", value=pattern
        )
    return match[1] if match.re.groups else match[0]


def _sizes(files: Sequence[ImageFile]) -> str:
    """Of the sizes of all files: hashes of their content would cost as much as an epoch."""
    digest = hashlib.sha256()
    for file in files:
        size = file.path.stat().st_size if file.path.is_file() else -1  # what is missing is told when it is read
        digest.update(f"{file.name} {size}\n".encode())
    return digest.hexdigest()


def _prepared(manifest: Manifest) -> Table:
    manifest.require("tiles", "slide")
    places = [(row, place) for row in manifest for place in range(row["count"])]
    table = Table(
        path=manifest.path,
        names=[f"{row['case']}/{_name(row, place)}" for row, place in places],
        labels=[row["tiles"]["label"][place] if "tiles" in row else row.get("label") for row, place in places],
        patients=None if manifest.unit == "images" else [row["subject"] for row, _ in places],
        splits=[row["split"] for row, _ in places],
        made_of=manifest.sha256,
        read=ShardReader(manifest.shards, [(row["shard"], place) for row, place in places]),
    )
    return check_columns(table)


def _name(row: Row, place: int) -> str:
    return str(row["tiles"]["name"][place]) if "tiles" in row else f"{place:06d}"
