"""Files that hold many clouds or masks: npz and HDF5 of MedMNIST3D, ModelNet40, ScanObjectNN, ShapeNet and the like."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.hdf5 import open_hdf5
from medmae.data.identity.columns import looks_like_identity
from medmae.data.npz import read_arrays
from medmae.data.points.read import WIDEST
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, reading

COLLECTIONS = (".npz", ".h5", ".hdf5")
_SPLITS = ("train", "val", "test")
_LABELS = ("labels", "label")
_SUBJECTS = ("subjects", "patients", "patient_ids")


@dataclass(frozen=True)
class Collection:
    """One array of a file: as many shapes as its first axis is long.

    Attributes:
        key: Of the array.
        split: That its key or the file's name tells; None.
        voxels: Whether they are masks of voxels, not clouds.
        labels: Of each, as text; None where there are none.
        count: Of shapes.
        subjects: Whose each is; None where nothing says it.
    """

    key: str
    split: str | None
    voxels: bool
    labels: tuple[str, ...] | None
    count: int
    subjects: tuple[str, ...] | None = None


def collections_in(path: Path) -> tuple[list[Collection], list[str]]:
    """The arrays of shapes of a file, and the names of those that are not taken.

    ``(N, P, 3)`` (or wider: normals and colours are not taken) are clouds; ``(N, D, H, W)`` of two values are masks.

    Raises:
        DataError: If there is none, labels or subjects are not as many as shapes or are none, or an array that says
            who is who is not read.
    """
    with _arrays(path) as arrays:
        shapes = {key: array.shape for key, array in arrays.items()}
        found = [_collection(key, arrays, path) for key, shape in shapes.items() if _holds(shape)]
        taken = {key for one in found for key in (one.key, *_keys(one.key, arrays, (*_LABELS, *_SUBJECTS)))}
        groups = _groups(path)
    if not found:
        raise DataError(
            "no array of it holds shapes",
            path=path,
            field="arrays",
            value=shapes,
            remedy="give (N, P, 3) clouds, or (N, D, H, W) masks",
        )
    others = sorted({*shapes, *groups} - taken - {"classes"})
    counts = {shapes[one.key][0] for one in found}  # one value a shape, or a group; PointNet's pid is one a point
    of_shapes = [name for name in others if name not in shapes or math.prod(shapes[name]) in counts]
    if risky := [name for name in of_shapes if looks_like_identity(name)]:
        raise DataError(
            "an array that looks like patients or splits is not read",
            path=path,
            field="arrays",
            value=risky,
            remedy=f"call it {found[0].key.rpartition('_')[0]}_{_SUBJECTS[0]}".replace(" _", " ") + ", or take it out",
        )
    return found, others


def shapes_of(path: Path, key: str, *, limit_gb: float = LIMIT_GB) -> Iterator[np.ndarray]:
    """Each cloud ``(P, 3)`` or mask ``(D, H, W)`` of an array.

    Raises:
        DataError: If they take more memory than the limit.
    """
    with _arrays(path, only=key) as arrays:
        array = arrays[key]
        size = int(np.prod(array.shape)) * array.dtype.itemsize
        check_budget(size, path=path, field=key, value=array.shape, limit_gb=limit_gb)
        with reading(path, what=f"the array {key}"):
            whole = np.asarray(array[()])
    yield from whole[..., :3] if whole.ndim == 3 else whole


def _holds(shape: tuple[int, ...]) -> bool:
    if 0 in shape:
        return False
    return (len(shape) == 3 and 3 <= shape[2] <= WIDEST and shape[1] > WIDEST) or (len(shape) == 4 and min(shape) > 1)


def _collection(key: str, arrays: Any, path: Path) -> Collection:  # noqa: ANN401 - of NumPy or of h5py
    array = arrays[key]
    labels = _one_each(key, arrays, _LABELS, path)
    told = None if labels is None else _named(labels, arrays, path)
    subjects = _one_each(key, arrays, _SUBJECTS, path)
    words = f"{key} {path.stem}".lower()
    split = next((name for name in _SPLITS if name in words), None)
    return Collection(key, split, array.ndim == 4, told, len(array), None if subjects is None else _texts(subjects))


def _one_each(key: str, arrays: Any, names: Sequence[str], path: Path) -> np.ndarray | None:  # noqa: ANN401
    """What an array of labels or subjects says of each shape."""
    keys = _keys(key, arrays, names)
    if not keys:
        return None
    if len(keys) > 1:
        raise DataError("two arrays say the same thing", path=path, field="arrays", value=keys, remedy="keep one")
    values, count = np.atleast_1d(np.asarray(arrays[keys[0]][()])), len(arrays[key])
    if len(values) != count:
        what = "labels" if names is _LABELS else "subjects"
        raise DataError(f"there are not as many {what} as shapes", path=path, field=keys[0], value=len(values))
    if values.size != count:
        raise DataError(
            "it has several numbers a shape, and one is read",
            path=path,
            field=keys[0],
            value=values.shape,
            remedy="keep the column that counts; several labels a shape are not learnt here",
        )
    return values.reshape(count)


def _named(labels: np.ndarray, arrays: Any, path: Path) -> tuple[str, ...]:  # noqa: ANN401
    """Labels as text; by their names where the file has ``classes``."""
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels) & (labels == np.round(labels))).all():
            raise DataError(
                "labels are no classes",
                path=path,
                field="labels",
                value=[float(label) for label in labels[:5]],
                remedy="give whole numbers or words; numbers to predict stand in a table: path,value",
            )
        labels = labels.astype(np.int64)
    if "classes" not in arrays or labels.dtype.kind not in "iu":
        return _texts(labels)
    classes = _texts(np.asarray(arrays["classes"][()]))
    if not 0 <= labels.min() <= labels.max() < len(classes):
        raise DataError(
            "labels name classes that are not there",
            path=path,
            field="classes",
            value=(len(classes), int(labels.min()), int(labels.max())),
            remedy="give a name for each label, from 0 on",
        )
    return tuple(classes[int(label)] for label in labels)


def _texts(values: np.ndarray) -> tuple[str, ...]:
    return tuple(value.decode() if isinstance(value, bytes) else f"{value}" for value in values.tolist())


def _groups(path: Path) -> list[str]:
    """Groups of an HDF5 file, which are not looked into."""
    if path.suffix.lower() == ".npz":
        return []
    with open_hdf5(path) as file:
        return [f"{key}/" for key in file if not hasattr(file[key], "shape")]


def _keys(key: str, names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Keys that belong to an array: ``train_images`` has ``train_labels``, ``data`` has ``label``."""
    first = key.rpartition("_")[0]
    own = [f"{first}_{name}" if first else name for name in wanted]
    return [name for name in own if name in set(names)]


@contextmanager
def _arrays(path: Path, only: str | None = None) -> Iterator[Any]:
    if path.suffix.lower() == ".npz":
        yield read_arrays(path, wanted=None if only is None else lambda _: [only])
        return
    with open_hdf5(path) as file:
        yield {key: file[key] for key in file if hasattr(file[key], "shape")}
