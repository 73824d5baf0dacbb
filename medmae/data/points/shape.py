"""A shape as it was read: points of a cloud, or corners of triangles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medmae.errors import DataError


@dataclass(frozen=True, eq=False)
class Shape:
    """In the unit and the frame of its file, or in millimetres of the patient where it was cut from a segmentation.

    Attributes:
        points: Of the cloud, or corners of triangles, ``(N, 3)`` float64.
        faces: Numbers of the corners of each triangle, ``(F, 3)`` int64; None of a cloud.
        flags: What was found, and what was done about it.
    """

    points: np.ndarray
    faces: np.ndarray | None = None
    flags: tuple[str, ...] = ()

    @property
    def areas(self) -> np.ndarray:
        """Of the triangles, ``(F,)``, in the square of the unit; none of a cloud."""
        if self.faces is None:
            return np.zeros(0)
        a, b, c = (self.points[self.faces[:, corner]] for corner in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2

    @property
    def volume(self) -> float | None:
        """What the surface encloses, in the cube of the unit; None of a cloud, or of a surface that is not closed."""
        if self.faces is None or not closed(self.faces):
            return None
        a, b, c = (self.points[self.faces[:, corner]] - self.points.mean(axis=0) for corner in range(3))
        return float(abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)


def closed(faces: np.ndarray) -> bool:
    """Whether each edge of triangles ``(F, 3)`` belongs to two of them: a surface that encloses something."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, times = np.unique(edges, axis=0, return_counts=True)
    return bool(len(faces)) and bool((times == 2).all())


def sampled(shape: Shape, count: int, *, seed: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Points of a shape, ``(count, 3)`` float64, and flags.

    Of a surface they are drawn evenly by area; of a cloud they are some of its own, drawn without return. A smaller
    cloud is repeated, and says so.

    Args:
        shape: With at least one point.
        count: How many.
        seed: Of the draw.

    Raises:
        DataError: If triangles have no area.
    """
    rng = np.random.default_rng(seed)
    if shape.faces is None:
        whole = [rng.permutation(len(shape.points)) for _ in range(-(-count // len(shape.points)))]
        flags = ("points_repeated",) if len(shape.points) < count else ()
        return shape.points[np.concatenate(whole)[:count]], flags
    areas = shape.areas
    if not areas.sum() > 0:
        raise DataError("its triangles have no area", field="faces", value=len(areas), remedy="leave this shape out")
    chosen = np.searchsorted(np.cumsum(areas) / areas.sum(), rng.random(count), side="right")
    corners = shape.points[shape.faces[np.minimum(chosen, len(areas) - 1)]]  # (count, 3 corners, 3)
    one, other = rng.random((2, count, 1))
    over = one + other > 1  # the other half of a parallelogram is folded back
    one, other = np.where(over, 1 - one, one), np.where(over, 1 - other, other)
    return corners[:, 0] + one * (corners[:, 1] - corners[:, 0]) + other * (corners[:, 2] - corners[:, 0]), ()
