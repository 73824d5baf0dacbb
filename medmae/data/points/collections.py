"""Files that hold many clouds or masks: npz and HDF5 of MedMNIST3D, ModelNet40, ScanObjectNN, ShapeNet and the like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.hdf5 import open_hdf5
from medmae.data.npz import read_arrays
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, reading

COLLECTIONS = (".npz", ".h5", ".hdf5")
_SPLITS = ("train", "val", "test")
_LABELS = ("labels", "label")
_WIDEST = 9  # columns of a cloud: place, normal, colour


@dataclass(frozen=True)
class Collection:
    """One array of a file: as many shapes as its first axis is long.

    Attributes:
        key: Of the array.
        split: That its key or the file's name tells; None.
        voxels: Whether they are masks of voxels, not clouds.
        labels: Of each, as text; None where there are none.
        count: Of shapes.
    """

    key: str
    split: str | None
    voxels: bool
    labels: tuple[str, ...] | None
    count: int


def collections_in(path: Path) -> tuple[list[Collection], list[str]]:
    """The arrays of shapes of a file, and the names of those that are not taken.

    ``(N, P, 3)`` (or wider: normals and colours are not taken) are clouds; ``(N, D, H, W)`` of two values are masks.

    Raises:
        DataError: If there is none, or labels are not as many as shapes.
    """
    with _arrays(path) as arrays:
        shapes = {key: array.shape for key, array in arrays.items()}
        found = [_collection(key, arrays, path) for key, shape in shapes.items() if _holds(shape)]
        taken = {key for one in found for key in (one.key, *_label_keys(one.key, arrays))}
    if not found:
        raise DataError(
            "no array of it holds shapes",
            path=path,
            field="arrays",
            value=shapes,
            remedy="give (N, P, 3) clouds, or (N, D, H, W) masks",
        )
    return found, sorted(shapes.keys() - taken - {"classes"})


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
    return (len(shape) == 3 and 3 <= shape[2] <= _WIDEST and shape[1] > _WIDEST) or (len(shape) == 4 and min(shape) > 1)


def _collection(key: str, arrays: Any, path: Path) -> Collection:  # noqa: ANN401 - of NumPy or of h5py
    array, names = arrays[key], [*_label_keys(key, arrays)]
    labels = np.atleast_1d(np.asarray(arrays[names[0]][()])) if names else None
    if labels is not None and len(labels) != len(array):
        raise DataError("there are not as many labels as shapes", path=path, field=names[0], value=len(labels))
    told = None if labels is None else _named(labels.reshape(len(array), -1)[:, 0], arrays)
    words = f"{key} {path.stem}".lower()
    split = next((name for name in _SPLITS if name in words), None)
    return Collection(key, split, array.ndim == 4, told, len(array))


def _named(labels: np.ndarray, arrays: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Labels as text; by their names where the file has ``classes``."""
    if "classes" in arrays and labels.dtype.kind in "iu":
        classes = [
            name.decode() if isinstance(name, bytes) else str(name) for name in np.asarray(arrays["classes"][()])
        ]
        if 0 <= labels.min() <= labels.max() < len(classes):
            return tuple(classes[int(label)] for label in labels)
    return tuple(label.decode() if isinstance(label, bytes) else f"{label}" for label in labels.tolist())


def _label_keys(key: str, names: Iterable[str]) -> list[str]:
    """Keys of the labels of an array: ``train_images`` has ``train_labels``, ``data`` has ``label``."""
    first = key.rpartition("_")[0]
    wanted = [f"{first}_{name}" for name in _LABELS] if first else list(_LABELS)
    return [name for name in wanted if name in set(names)]


@contextmanager
def _arrays(path: Path, only: str | None = None) -> Iterator[Any]:
    if path.suffix.lower() == ".npz":
        yield read_arrays(path, wanted=None if only is None else lambda _: [only])
        return
    with open_hdf5(path) as file:
        yield {key: file[key] for key in file if hasattr(file[key], "shape")}
