"""Images in arrays: npz files as MedMNIST has them, and IDX files as MNIST has them."""

from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.image_table import ImageTable, check_columns
from medmae.data.splits import SPLITS
from medmae.errors import DataError
from medmae.files import sha256_of

_WHOSE = ("subjects", "patients", "patient_ids", "image_id")  # keys of an npz that tell whose an image is
_MOST_CHANNELS = 16
_IDX_TYPES: Mapping[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
}
_MOST_GZIP = 1100  # bytes out of one
_IDX_SPLITS = {"train": "train", "t10k": "test", "test": "test", "val": "val"}
_NPZ = "images and labels, or train_images, train_labels, val_images, ..., as MedMNIST names them"


@dataclass(frozen=True)
class Rows:
    """``read(number)`` over arrays that lie one after the other."""

    arrays: Sequence[np.ndarray]

    def __call__(self, number: int) -> np.ndarray:
        """``(H, W, C)``, uint8 or float32 in [0, 1]."""
        for array in self.arrays:
            if number < len(array):
                image = array[number]
                return image[:, :, None] if image.ndim == 2 else image
            number -= len(array)
        raise IndexError(number)


def read_npz(path: Path) -> ImageTable:
    """Images ``(N, H, W)`` or ``(N, H, W, C)``, uint8 or floats in [0, 1], and what else the file has of them.

    Keys are ``images`` and ``labels`` (whole numbers or texts), or these with ``train_``, ``val_``, ``test_`` before
    them. ``classes`` names the classes by number; ``subjects``, ``patients``, ``patient_ids`` or ``image_id`` tell
    whose an image is.

    Raises:
        DataError: No npz, damaged, with objects in it, or with other keys, shapes or values.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"the npz file cannot be read ({error})", path=path, remedy="copy it again") from error
    parts = {split: f"{split}_" for split in SPLITS if f"{split}_images" in found} or {"": ""}
    if "images" not in found and "" in parts:
        raise DataError("there are no images", path=path, field="keys", value=sorted(found), remedy=f"name them {_NPZ}")
    classes = [str(name) for name in found["classes"]] if "classes" in found else None
    return _table(
        path,
        images={split: found[f"{prefix}images"] for split, prefix in parts.items()},
        labels={split: found[f"{prefix}labels"] for split, prefix in parts.items() if f"{prefix}labels" in found},
        whose={split: found[key] for split, prefix in parts.items() for key in _keys(found, prefix)},
        classes=classes,
        made_of=sha256_of(path),
    )


def read_idx(path: Path) -> ImageTable:
    """IDX files of a folder, plain or ``.gz``: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-...``.

    Args:
        path: The folder.

    Raises:
        DataError: A file is damaged, shorter than it says, or of other things than images.
    """
    images, labels, hashes = {}, {}, []
    for file in idx_files(path):
        part = file.name.partition("-images")[0]
        split = _IDX_SPLITS.get(part, "")
        images[split] = _idx(file)
        beside = path / file.name.replace("-images", "-labels").replace("idx3", "idx1")
        if beside.is_file():
            labels[split] = _idx(beside)
        hashes.append(sha256_of(file))
    return _table(path, images=images, labels=labels, whose={}, classes=None, made_of=" ".join(hashes))


def idx_files(folder: Path) -> list[Path]:
    """The IDX files of images in a folder."""
    return sorted(folder.glob("*-images*idx3-*"))


def _keys(found: Mapping[str, np.ndarray], prefix: str) -> list[str]:
    return [f"{prefix}{name}" for name in _WHOSE if f"{prefix}{name}" in found][:1]


def _table(
    path: Path,
    *,
    images: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    whose: Mapping[str, np.ndarray],
    classes: Sequence[str] | None,
    made_of: str,
) -> ImageTable:
    names: list[str] = []
    called: list[str | None] = []
    for split, array in images.items():
        _check_images(array, path=path, field=f"{split} images".strip())
        names += [f"{split}/{number:06d}".removeprefix("/") for number in range(len(array))]
        called += _classes(labels[split], classes, path=path) if split in labels else [None] * len(array)
    patients = [str(name) for split in images for name in whose[split]] if whose.keys() == images.keys() else None
    splits = None if "" in images else [split for split, array in images.items() for _ in range(len(array))]
    table = ImageTable(
        path=path,
        names=names,
        labels=called,
        patients=patients,
        splits=splits,
        made_of=made_of,
        read=Rows([_in_unit(array) for array in images.values()]),
    )
    return check_columns(table)


def _check_images(array: np.ndarray, *, path: Path, field: str) -> None:
    fits = array.ndim == 3 or (array.ndim == 4 and array.shape[3] <= _MOST_CHANNELS)
    bounded = array.dtype == np.uint8 or (
        array.dtype.kind == "f" and array.size and np.isfinite(array).all() and 0 <= array.min() <= array.max() <= 1
    )
    if not fits or not bounded:
        raise DataError(
            "images are (N, H, W) or (N, H, W, C), uint8, or floats from 0 to 1",
            path=path,
            field=field,
            value=(array.shape, str(array.dtype)),
            remedy=f"convert them; of volumes, at most {_MOST_CHANNELS} slices are channels",
        )


def _in_unit(array: np.ndarray) -> np.ndarray:
    return array if array.dtype == np.uint8 else array.astype(np.float32)


def _classes(labels: np.ndarray, classes: Sequence[str] | None, *, path: Path) -> list[str | None]:
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels  # MedMNIST's (N, 1)
    known = labels.ndim == 1 and (labels.dtype.kind in "US" or (labels.dtype.kind in "iu" and labels.min() >= 0))
    if not known or (classes is not None and labels.dtype.kind in "iu" and labels.max() >= len(classes)):
        raise DataError(
            "an image has one class, a whole number from 0 on or a text",
            path=path,
            field="labels",
            value=(labels.shape, str(labels.dtype)),
            remedy="choose one of several labels, and name every number in `classes`, or none",
        )
    if labels.dtype.kind in "US":
        return [str(label) for label in labels]
    width = len(str(max(int(labels.max()), 9)))  # so that the order of names is that of numbers
    return [f"{label:0{width}d}" if classes is None else classes[label] for label in labels.tolist()]


def _idx(path: Path) -> np.ndarray:
    """One IDX file: two zero bytes, the type, the number of axes, sizes, and values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or head[3] not in (1, 3, 4):
                raise _bad_idx(path, "this is no IDX file of images or labels")
            shape = np.frombuffer(file.read(4 * head[3]), dtype=">u4").astype(int)
            dtype = _IDX_TYPES[head[2]]
            size = math.prod(shape.tolist()) * dtype.itemsize
            most = path.stat().st_size * (_MOST_GZIP if path.suffix == ".gz" else 1)
            data = file.read(min(size, most))  # what a file cannot hold is never allocated
    except (OSError, EOFError) as error:
        raise _bad_idx(path, f"the IDX file cannot be read ({error})") from error
    if len(shape) != head[3] or len(data) != size:
        raise _bad_idx(path, f"the IDX file ends early: {len(data)} of {size} bytes")
    return np.frombuffer(data, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _bad_idx(path: Path, reason: str) -> DataError:
    return DataError(reason, path=path, field="IDX", remedy="copy it again")
