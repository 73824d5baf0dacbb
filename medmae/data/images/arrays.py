"""Images in arrays: npz files as MedMNIST has them, and IDX files as MNIST has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.images.idx import read_idx_array
from medmae.data.labels import Labels, Task
from medmae.data.npz import read_arrays
from medmae.data.splits import SPLITS
from medmae.data.table import Table, check_columns
from medmae.data.table_files import check_unused
from medmae.errors import DataError
from medmae.files import content_sha256, sha256_of

_WHOSE = ("subjects", "patients", "patient_ids", "image_id")  # keys of an npz that tell whose an image is
_MOST_CHANNELS = 16
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

    def hashes(self, number: int) -> tuple[str, ...]:
        """Of the pixels; none of an image of one value."""
        image = self(number)
        return () if (image == image.flat[0]).all() else (content_sha256(image),)


def read_npz(path: Path, *, task: Task = "single_label", labels: str = "labels") -> Table:
    """Images ``(N, H, W)`` or ``(N, H, W, C)``, uint8 or floats in [0, 1], and what else the file has of them.

    Keys are ``images`` and ``labels`` (whole numbers or texts), or these with ``train_``, ``val_``, ``test_`` before
    them. ``classes`` names the classes by number; ``subjects``, ``patients``, ``patient_ids`` or ``image_id`` tell
    whose an image is.

    Args:
        path: The file.
        task: What labels are; of several labels, or numbers, they are ``(N, K)`` or ``(N,)``.
        labels: Their key, without the split's name before it.

    Raises:
        DataError: No npz, damaged, with objects in it, or with other keys, shapes or values.
    """
    found = read_arrays(path)
    parts = {split: f"{split}_" for split in SPLITS if f"{split}_images" in found} or {"": ""}
    if "images" not in found and "" in parts:
        raise DataError("there are no images", path=path, field="keys", value=sorted(found), remedy=f"name them {_NPZ}")
    _refuse_scalars([found[key] for key in ("classes",) if key in found], field="classes", path=path)
    classes = [str(name) for name in found["classes"]] if "classes" in found else None
    _check_keys(found, parts, labels, path=path)
    return _table(
        path,
        images={split: found[f"{prefix}images"] for split, prefix in parts.items()},
        labels={split: found[f"{prefix}{labels}"] for split, prefix in parts.items() if f"{prefix}{labels}" in found},
        whose={split: found[key] for split, prefix in parts.items() for key in _keys(found, prefix)},
        classes=classes,
        made_of=sha256_of(path),
        task=task,
        key=labels,
    )


def read_idx(path: Path) -> Table:
    """IDX files of a folder, plain or ``.gz``: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-...``.

    The last word before ``-images`` names the split, as in ``emnist-letters-train-images-idx3-ubyte``. Of labels in
    several columns, as QMNIST has them, the first is the class.

    Args:
        path: The folder.

    Raises:
        DataError: A file is damaged, shorter than it says, or of other things than images; or two are of one split.
    """
    images, labels, hashes = {}, {}, []
    for split, file in _by_split(idx_files(path), folder=path).items():
        images[split] = read_idx_array(file)
        beside = f"{file.name.partition('-images')[0]}-labels"
        own = [some for some in _plain_first(path.glob("*-labels*idx*")) if some.name.startswith(beside)]
        if own:
            found = read_idx_array(own[0])
            labels[split] = found[:, 0] if found.ndim == 2 else found
        hashes.append(sha256_of(file))
    return _table(path, images=images, labels=labels, whose={}, classes=None, made_of=" ".join(hashes))


def idx_files(folder: Path) -> list[Path]:
    """The IDX files of images in a folder; of one that is there plain and as ``.gz``, the plain one."""
    return _plain_first(folder.glob("*-images*idx3-*"))


def _plain_first(files: Iterable[Path]) -> list[Path]:
    files = sorted(files)
    return [file for file in files if file.suffix != ".gz" or file.with_suffix("") not in files]


def _by_split(files: Iterable[Path], *, folder: Path) -> dict[str, Path]:
    """Files by split; one file alone may name none."""
    found: dict[str, list[Path]] = {}
    for file in files:
        word = re.split(r"[-_.]", file.name.partition("-images")[0])[-1]
        found.setdefault(_IDX_SPLITS.get(word.lower(), ""), []).append(file)
    twice = next((some for some in found.values() if len(some) > 1), None)
    if twice is not None or ("" in found and len(found) > 1):
        raise DataError(
            "which IDX file is which split cannot be told: each split has one, and names it",
            path=folder,
            field="split",
            value=[file.name for some in found.values() for file in some],
            remedy="give a folder of one set, whose files are called like train-images-..., test-images-...",
        )
    return {split: some[0] for split, some in found.items()}


def _keys(found: Mapping[str, np.ndarray], prefix: str) -> list[str]:
    return [f"{prefix}{name}" for name in _WHOSE if f"{prefix}{name}" in found][:1]


def _check_keys(found: Mapping[str, np.ndarray], parts: Mapping[str, str], labels: str, *, path: Path) -> None:
    """Tells of keys that nobody reads; one that looks like patients or splits is refused."""
    used = {"classes", *(key for prefix in parts.values() for key in _keys(found, prefix))}
    used |= {f"{prefix}{name}" for prefix in parts.values() for name in ("images", labels)}
    rest = {key: array for key, array in found.items() if key not in used}
    values = {key: [str(value) for value in array.tolist()] if array.ndim == 1 else [] for key, array in rest.items()}
    bare = {re.sub(rf"^(?:{'|'.join(SPLITS)})_(?=.)", "", key): some for key, some in values.items()}
    check_unused(bare, ("images", labels, "classes", *_WHOSE), path)


def _table(
    path: Path,
    *,
    images: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    whose: Mapping[str, np.ndarray],
    classes: Sequence[str] | None,
    made_of: str,
    task: Task = "single_label",
    key: str = "labels",
) -> Table:
    names: list[str] = []
    called: list[str | None] = []
    for field, arrays in (("images", images), ("labels", labels), ("patients", whose)):
        _refuse_scalars(arrays.values(), field=field, path=path)
    _check_lengths(images, labels, field="label", path=path)
    _check_lengths(images, whose, field="patient", path=path)
    _check_patients(images, whose, path=path)
    single = task == "single_label"
    columns = {split: _column(array, classes, path=path) for split, array in labels.items() if single}
    width = _width(columns.values())
    for split, array in images.items():
        _check_images(array, path=path, field=f"{split} images".strip())
        names += [f"{split}/{number:06d}".removeprefix("/") for number in range(len(array))]
        called += _classes(columns[split], classes, width) if split in columns else [None] * len(array)
    patients = [str(name) for split in images for name in whose.get(split, ())] if whose else None
    splits = None if "" in images else [split for split, array in images.items() for _ in range(len(array))]
    rows = Rows([_in_unit(array) for array in images.values()])
    table = Table(
        path=path,
        names=names,
        labels=called,
        patients=patients,
        splits=splits,
        made_of=made_of,
        read=rows,
        hashes=rows.hashes,
        targets=None if single else _targets(images, labels, classes, task=task, key=key, path=path),
    )
    return check_columns(table)


def _targets(
    images: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    classes: Sequence[str] | None,
    *,
    task: Task,
    key: str,
    path: Path,
) -> Labels:
    """Several labels, or numbers, of all images; NaN in splits that have none."""
    if not labels:
        raise DataError("there are no labels", path=path, field=key, remedy="name the key of an array (N, K)")
    arrays = {split: array[:, None] if array.ndim == 1 else array for split, array in labels.items()}
    width = max(array.shape[-1] for array in arrays.values())
    missing = {split: np.full((len(some), width), np.nan) for split, some in images.items() if split not in arrays}
    values = np.concatenate([{**arrays, **missing}[split] for split in images])
    names = classes or ([key] if width == 1 else [f"{number:0{len(str(width - 1))}d}" for number in range(width)])
    return Labels.of_values(values, names=names, task=task, path=path)


def _check_images(array: np.ndarray, *, path: Path, field: str) -> None:
    fits = array.ndim == 3 or (array.ndim == 4 and array.shape[3] <= _MOST_CHANNELS)
    fits = fits and 0 not in array.shape[1:]
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


def _refuse_scalars(arrays: Iterable[np.ndarray], *, field: str, path: Path) -> None:
    """A single number has no entries to count."""
    for array in arrays:
        if array.ndim == 0:
            raise DataError(
                f"{field} are an array with an entry each, not a single value",
                path=path,
                field=field,
                value=array.item(),
                remedy="store an array of shape (N, ...)",
            )


def _check_lengths(
    images: Mapping[str, np.ndarray], columns: Mapping[str, np.ndarray], *, field: str, path: Path
) -> None:
    """Each split by itself: too many in one and too few in the next would shift everything between."""
    for split, column in columns.items():
        if len(column) != len(images[split]):
            raise DataError(
                f"{len(images[split])} images {f'of {split} ' if split else ''}have {len(column)} entries of {field}",
                path=path,
                field=field,
                value=len(column),
                remedy="give one to each image, or to none",
            )


def _check_patients(images: Mapping[str, np.ndarray], whose: Mapping[str, np.ndarray], *, path: Path) -> None:
    bare = [split for split, array in images.items() if len(array) and split not in whose]
    if whose and bare:
        raise DataError(
            f"images of {', '.join(bare)} have no patient, others have one",
            path=path,
            field="patient",
            value=bare,
            remedy="name the patient of each image, or of none",
        )


def _column(labels: np.ndarray, classes: Sequence[str] | None, *, path: Path) -> np.ndarray:
    """``(N,)``, whole numbers or texts."""
    labels = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels  # MedMNIST's (N, 1)
    if not labels.size:
        return np.empty(0, dtype=np.int64)
    known = labels.ndim == 1 and (labels.dtype.kind in "US" or (labels.dtype.kind in "iu" and labels.min() >= 0))
    if not known or (classes is not None and labels.dtype.kind in "iu" and labels.max() >= len(classes)):
        raise DataError(
            "an image has one class, a whole number from 0 on or a text",
            path=path,
            field="labels",
            value=(labels.shape, str(labels.dtype)),
            remedy="name every number in `classes`, or none; or say task='multi_label' or 'regression'",
        )
    return labels


def _width(columns: Iterable[np.ndarray]) -> int:
    """Digits of the highest number of all splits, so that a class has one name, and names sort as numbers do."""
    return max((len(str(labels.max())) for labels in columns if labels.dtype.kind in "iu" and labels.size), default=1)


def _classes(labels: np.ndarray, classes: Sequence[str] | None, width: int) -> list[str | None]:
    if labels.dtype.kind in "US":
        return [str(label) for label in labels]
    return [f"{label:0{width}d}" if classes is None else classes[label] for label in labels.tolist()]
