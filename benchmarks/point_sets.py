"""Real clouds for ``point_methods.py``, folds of scans, and what can be said of a cloud without a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from medmae.data.points.shape import sampled
from medmae.data.points.surface import surface_of

FOLDS = 3
_POINTS, _BINS = 1024, 16
_HALF_MM = 32.0  # of the cube of 64 mm that AdrenalMNIST3D cuts around each gland


@dataclass(frozen=True, eq=False)
class Clouds:
    """Clouds of one set.

    Attributes:
        name: ``shapes`` (adrenal glands, chairs, monitors, each in a unit sphere) or ``adrenal`` (normal or enlarged,
            in millimetres over 32, so that an enlarged gland is larger).
        points: ``(N, P, 3)`` float32.
        labels: ``(N,)``.
        classes: Their names.
        unit_mm: Millimetres that 1 means; None where size was taken away.
        sizes: What is measured of a gland beside its points ``(N, 4)``: volume in ml and edges of its box in mm; None.
    """

    name: str
    points: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    unit_mm: float | None = None
    sizes: np.ndarray | None = None

    @classmethod
    def of(cls, name: str, folder: Path, cache: Path) -> Clouds:
        """Those of ``shared/data/pointcloud``."""
        if name == "shapes":
            with np.load(folder / "shapes_points1024.npz", allow_pickle=False) as file:
                points, labels = file["points"].astype(np.float32), file["labels"].astype(np.int64)
                return cls(name, points, labels, tuple(map(str, file["classes"])))
        path = cache / "adrenal.npz"
        if not path.exists():
            np.savez(path, **_glands(folder / "adrenalmnist3d_64_trainval.npz"))
        with np.load(path, allow_pickle=False) as file:
            return cls(
                name, file["points"], file["labels"], ("normal", "enlarged"), unit_mm=_HALF_MM, sizes=file["sizes"]
            )

    @cached_property
    def fold_of(self) -> np.ndarray:
        """The fold of each scan, classes spread evenly."""
        rng, found = np.random.default_rng(0), np.zeros(len(self.labels), dtype=int)
        for label in np.unique(self.labels):
            own = rng.permutation(np.flatnonzero(self.labels == label))
            found[own] = np.arange(len(own)) % FOLDS
        return found

    def split(self, fold: int, share: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Scans to learn from, of which a share of each class is labelled, and scans to test."""
        learn, test = np.flatnonzero(self.fold_of != fold), np.flatnonzero(self.fold_of == fold)
        rng = np.random.default_rng(fold)
        some = [rng.permutation(learn[self.labels[learn] == label]) for label in np.unique(self.labels)]
        return np.sort(np.concatenate([own[: max(1, round(share * len(own)))] for own in some])), test

    def batch(self, scans: np.ndarray, count: int, order: Generator | None = None) -> Tensor:
        """``(B, 3, count)``: with a generator other points each time, turned by up to 15 degrees about each axis."""
        points = torch.from_numpy(self.points[scans])  # (B, P, 3)
        if order is None:
            return points[:, :count].transpose(1, 2).contiguous()
        which = torch.rand(len(scans), points.shape[1], generator=order).argsort(dim=1)[:, :count]
        points = points.gather(1, which.unsqueeze(2).expand(-1, -1, 3))
        return (points @ _turns(len(scans), order)).transpose(1, 2).contiguous()

    def described(self) -> dict[str, np.ndarray]:
        """Features without a network, by name."""
        found = {
            name: np.stack([histogram(cloud) for cloud in self.points])
            for name, histogram in {"radii": _radii, "radii about axes": _about_axes, "coordinates": _places}.items()
        }
        if self.sizes is not None:
            found |= {"volume": self.sizes[:, :1], "volume and box": self.sizes}
        else:
            found["box"] = np.sort(np.ptp(self.points, axis=1), axis=1)
        return found


def _glands(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        masks = np.concatenate([file["train_images"], file["val_images"]]) > 0
        labels = np.concatenate([file["train_labels"], file["val_labels"]]).ravel().astype(np.int64)
    points, sizes = [], []
    for number, mask in enumerate(masks):
        shape = surface_of(mask, np.eye(4))  # a voxel is 1 mm: 64 of them are the cube of 64 mm
        cloud, _ = sampled(shape, _POINTS, seed=number)
        box = np.ptp(shape.points, axis=0)
        sizes.append([mask.sum() / 1000, *box])
        points.append((cloud - cloud.mean(axis=0)) / _HALF_MM)
    return {"points": np.float32(points), "labels": labels, "sizes": np.float32(sizes)}


def _radii(cloud: np.ndarray) -> np.ndarray:
    """Counts of points by their distance from the mean."""
    return np.histogram(np.linalg.norm(cloud - cloud.mean(axis=0), axis=1), bins=_BINS, range=(0, 1))[0]


def _about_axes(cloud: np.ndarray) -> np.ndarray:
    """Counts of points by their distance from each of the three axes."""
    radii = [np.linalg.norm(np.delete(cloud, axis, axis=1), axis=1) for axis in range(3)]
    return np.concatenate([np.histogram(each, bins=_BINS, range=(0, 1))[0] for each in radii])


def _places(cloud: np.ndarray) -> np.ndarray:
    """Counts of points along each axis."""
    return np.concatenate([np.histogram(each, bins=_BINS, range=(-1, 1))[0] for each in cloud.T])


def _turns(count: int, order: Generator, *, most: float = 15.0) -> Tensor:
    """Rotations ``(count, 3, 3)``."""
    angles = torch.deg2rad((torch.rand(count, 3, generator=order) * 2 - 1) * most)
    c, s, one, zero = angles.cos(), angles.sin(), torch.ones(count), torch.zeros(count)
    turns = []
    for axis in range(3):
        rows = [[one, zero, zero], [zero, c[:, axis], -s[:, axis]], [zero, s[:, axis], c[:, axis]]]
        turn = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
        turns.append(turn.roll((axis, axis), dims=(1, 2)))
    return turns[0] @ turns[1] @ turns[2]
