"""Images with labels for benchmarks: from a zip of class folders or an npz, resized, split once and for all."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.model_selection import GroupShuffleSplit
from torch import Tensor

SETS = {  # of benchmarks/image_methods.py: file, pixels of an edge
    "mednist": ("mednist_jpeg_450perclass.zip", 64),
    "pneumonia": ("pneumoniamnist_train_val.npz", 32),
    "bccd": ("bccd_cells48.npz", 48),
    "fashion": ("fashion_sprite.npz", 32),
    "cifar10": ("cifar10_jpg_500perclass.zip", 32),
}
GRID = 8
TEST_SHARE = 0.2
LIMIT = 400  # test images


@dataclass(frozen=True)
class ImageSet:
    """Images ``(N, C, S, S)`` in [0, 1] and labels ``(N,)``: a pool to learn from, and a test set."""

    pool: Tensor
    pool_labels: np.ndarray
    test: Tensor
    test_labels: np.ndarray

    @property
    def size(self) -> int:
        """S."""
        return int(self.pool.shape[-1])


def read(folder: Path, name: str) -> ImageSet:
    """A data set by its name, split as its source says, else by group, else at random (always the same way)."""
    file, size = SETS[name]
    arrays, labels, groups, test = _arrays(folder / file)
    images = _resized(arrays, size)
    if test is None:
        splitter = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=0)
        members = np.arange(len(labels)) if groups is None else groups
        pool, test = next(splitter.split(labels, groups=members))
    else:
        pool = np.setdiff1d(np.arange(len(labels)), test)
    test = np.random.default_rng(0).permutation(test)[:LIMIT]
    return ImageSet(images[pool], labels[pool], images[test], labels[test])


def read_at_random(path: Path, *, size: int, num_test: int) -> ImageSet:
    """A zip of class folders or an npz with ``images`` and ``labels``, split at random with a fixed seed."""
    arrays, labels, _, _ = _arrays(path)
    images, order = _resized(arrays, size), np.random.default_rng(0).permutation(len(labels))
    test, pool = order[:num_test], order[num_test:]
    return ImageSet(images[pool], labels[pool], images[test], labels[test])


def _resized(arrays: list[np.ndarray], size: int) -> Tensor:
    resized = [np.asarray(Image.fromarray(a).resize((size, size), Image.Resampling.BILINEAR)) for a in arrays]
    images = torch.from_numpy(np.stack(resized)).float().div(255)
    return images.unsqueeze(1) if images.ndim == 3 else images.movedim(-1, 1)


Arrays = tuple[list[np.ndarray], np.ndarray, np.ndarray | None, np.ndarray | None]


def _arrays(path: Path) -> Arrays:
    return _read_zip(path) if path.suffix == ".zip" else _read_npz(path)


def _read_zip(path: Path) -> Arrays:
    arrays, labels = [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if Path(name).suffix.lower() in (".jpg", ".jpeg", ".png"):
                arrays.append(np.asarray(Image.open(io.BytesIO(archive.read(name)))))
                labels.append(Path(name).parent.name)
    return arrays, np.array(labels), None, None


def _read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as archive:
        if "train_images" in archive:
            images = np.concatenate([archive["train_images"], archive["val_images"]])
            labels = np.concatenate([archive["train_labels"], archive["val_labels"]]).reshape(-1)
            return list(images), labels, None, np.arange(len(archive["train_images"]), len(images))
        groups = archive.get("image_id")
        return list(archive["images"]), archive["labels"].reshape(-1), groups, None
