"""The surface of a segmentation, in millimetres of the patient."""

from __future__ import annotations

import numpy as np

from medmae.data.points.shape import Shape
from medmae.errors import DataError

TOUCHES = "touches_border"


def surface_of(mask: np.ndarray, affine: np.ndarray) -> Shape:
    """Triangles between the voxels of a mask and the others, by marching cubes, wound so that normals point outwards.

    A mask that touches the border of its grid is closed there, half a voxel outside, and flagged: the organ goes on.

    Args:
        mask: ``(I, J, K)`` bool.
        affine: Voxels to millimetres, ``(4, 4)``; oblique, sheared and mirrored ones, too.

    Raises:
        DataError: If nothing is in the mask, or the affine has no inverse.

    Source: Lewiner et al., "Efficient implementation of Marching Cubes' cases with topological guarantees", 2003.
    """
    from skimage.measure import marching_cubes

    box = _box(mask)
    if not np.isfinite(affine).all() or not abs(np.linalg.det(affine[:3, :3])) > 0:
        raise DataError("voxels have no volume in this affine", field="affine", value=affine.tolist())
    part = np.pad(mask[tuple(slice(low, high) for low, high in box)], 1)
    corners, faces, _, _ = marching_cubes(part.astype(np.float32), 0.5, gradient_direction="ascent")
    corners = corners + [low - 1 for low, _ in box]
    points = corners @ affine[:3, :3].T + affine[:3, 3]
    faces = faces.astype(np.int64)
    if np.linalg.det(affine[:3, :3]) < 0:  # a mirror turns triangles inside out
        faces = faces[:, ::-1]
    touches = any(low == 0 or high == size for (low, high), size in zip(box, mask.shape, strict=True))
    return Shape(points.astype(np.float64), np.ascontiguousarray(faces), (TOUCHES,) if touches else ())


def _box(mask: np.ndarray) -> list[tuple[int, int]]:
    """First voxel, and the one behind the last, along each axis."""
    if mask.ndim != 3 or not mask.any():
        raise DataError("nothing is in this mask", field="voxels", value=0, remedy="leave it out")
    found = []
    for axis in range(3):
        along = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        found.append((int(along[0]), int(along[-1]) + 1))
    return found
