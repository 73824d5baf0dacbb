"""One shape from one file, cleaned: points that are no numbers, corners that are one, triangles that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from medmae.data.points.meshes import MESHES, read_mesh
from medmae.data.points.shape import Shape, closed
from medmae.data.points.vtk import read_vtk
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, reading

TEXTS = (".xyz", ".pts", ".txt")
SHAPES = (*MESHES, ".vtk", ".npy", *TEXTS)
WIDEST = 9  # columns of a cloud: place, normal, colour
FEWEST = 16  # points of which nothing can be learnt any more


def read_shape(path: str | Path, *, limit_gb: float = LIMIT_GB) -> Shape:
    """A mesh or a cloud, of one file.

    Args:
        path: See :data:`SHAPES`; ``.npy`` ``(N, 3)`` or wider, of which x, y, z come first; text likewise.
        limit_gb: Most memory, in 10^9 bytes.

    Raises:
        DataError: If it cannot be read, or holds no shape.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in MESHES:
        shape = read_mesh(path, limit_gb=limit_gb)
    elif suffix == ".vtk":
        shape = read_vtk(path, limit_gb=limit_gb)
    elif suffix in (".npy", *TEXTS):
        shape = Shape(_rows(path, limit_gb=limit_gb))
    else:
        raise DataError(
            "no shape is read from such a file", path=path, field="suffix", value=suffix, remedy=str(SHAPES)
        )
    return cleaned(shape, path=path)


def _rows(path: Path, *, limit_gb: float) -> np.ndarray:
    with reading(path, what="the cloud", remedy="give (N, 3) numbers: x, y, z"):
        if path.suffix.lower() == ".npy":
            rows = np.load(path, allow_pickle=False, mmap_mode="r")
            check_budget(rows.size * 8, path=path, field="shape", value=rows.shape, limit_gb=limit_gb)
        else:
            first = path.open().readline()
            rows = np.loadtxt(path, delimiter="," if "," in first else None, ndmin=2)
    if rows.ndim != 2 or rows.shape[1] < 3 or rows.dtype.kind not in "fiu":
        raise DataError(
            "this is no cloud", path=path, field="shape", value=rows.shape, remedy="give (N, 3) numbers: x, y, z"
        )
    if rows.shape[1] > WIDEST or (rows.shape[1] > 3 and _counts(rows[:, 0])):
        raise DataError(
            f"x, y and z come first, with at most a normal and a colour behind them: {WIDEST} columns",
            path=path,
            field="columns",
            value=(rows.shape[1], [float(value) for value in rows[:3, 0]]),
            remedy="keep the columns x, y, z; a number of the point is none of them",
        )
    return np.asarray(rows[:, :3], dtype=np.float64)


def _counts(column: np.ndarray) -> bool:
    """Whether it numbers the lines."""
    return len(column) > 1 and bool((np.diff(column.astype(np.float64)) == 1).all())


def cleaned(shape: Shape, *, path: str | Path) -> Shape:
    """Without what is no number, no point of its own, or no triangle; each is counted in a flag.

    Raises:
        DataError: If fewer than 16 different points are left, or a mesh has no triangle of any area.
    """
    flags = list(shape.flags)
    finite = np.isfinite(shape.points).all(axis=1)
    points, faces = shape.points, shape.faces
    if not finite.all():
        flags.append(f"not_finite:{int((~finite).sum())}")
        points = np.where(finite[:, None], points, 0.0)
    if faces is not None:
        if len(faces) and not 0 <= faces.min() <= faces.max() < len(points):
            raise DataError(
                "triangles name points that are not there", path=path, field="faces", value=int(faces.max())
            )
        faces = faces[finite[faces].all(axis=1)]
    unique, number = np.unique(points[finite], axis=0, return_inverse=True)
    if len(unique) < FEWEST:
        raise DataError(
            f"it has {len(unique)} different points, fewer than {FEWEST}",
            path=path,
            field="points",
            value=len(points),
            remedy="leave it out, or sample it anew",
        )
    if faces is None:
        repeated = int(finite.sum()) - len(unique)
        flags += [f"duplicates:{repeated}"] if repeated else []
        kept = points[finite][np.sort(np.unique(number, return_index=True)[1])]  # in the order of the file
        return replace(shape, points=kept, flags=tuple(flags))
    numbers = np.full(len(points), -1)
    numbers[finite] = number.ravel()
    return replace(
        shape, points=unique, faces=(faces := _of_area(numbers[faces], unique, path)), flags=_told(flags, faces)
    )


def _of_area(faces: np.ndarray, points: np.ndarray, path: str | Path) -> np.ndarray:
    kept = faces[Shape(points, faces).areas > 0]
    if not len(kept):
        raise DataError(
            "it has no triangle of any area", path=path, field="faces", value=len(faces), remedy="export it again"
        )
    return kept


def _told(flags: list[str], faces: np.ndarray) -> tuple[str, ...]:
    if not closed(faces):
        flags.append("not_closed")
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    more = int((np.unique(edges, axis=0, return_counts=True)[1] > 2).sum())
    return (*flags, *([f"not_manifold:{more}"] if more else []))
