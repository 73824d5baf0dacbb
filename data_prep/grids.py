"""One grid a case: volumes are resampled onto it only on request."""

from __future__ import annotations

from collections.abc import Mapping

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import Volume
from medmae.data.volumes.one_grid import difference
from medmae.errors import DataError


def resampled(
    images: Mapping[str, Volume], labels: Mapping[str, Volume], *, onto: str, case: str
) -> tuple[dict[str, Volume], dict[str, Volume]]:
    """Puts every volume of a case on the grid of one contrast, by header geometry alone.

    Images are interpolated linearly, labels take the nearest voxel; what lies outside becomes background. Volumes that
    are on the grid already stay as they are.

    Raises:
        DataError: If the case has no such contrast.
    """
    if onto not in images:
        raise DataError(
            f"case {case} has no {onto} to resample onto",
            field="resample_to",
            value=list(images),
            remedy="name a contrast that every case has",
        )
    grid = images[onto].grid
    moved = {name: _on(volume, grid, onto=onto, order=1) for name, volume in images.items()}
    return moved, {name: _on(volume, grid, onto=onto, order=0) for name, volume in labels.items()}


def grid_flags(grid: Grid) -> list[str]:
    """What a user should know of its voxels: how much thicker they are than wide, and along which axis."""
    z, y, x = grid.spacing
    flags = ["anisotropic"] if z > 2 * max(y, x) else []
    return flags + (["thick_slices_not_axial"] if max(y, x) > 2 * min(z, y, x) and max(y, x) > z else [])


def _on(volume: Volume, grid: Grid, *, onto: str, order: int) -> Volume:
    if difference(grid, volume.grid) is None:
        return volume
    outside = Normalisation.fit(volume.array).background if order else 0
    image = nib.Nifti1Image(volume.array.astype(np.float32), np.asarray(volume.grid.affine))
    target = (grid.shape[:3], np.asarray(grid.affine))
    array = np.asarray(resample_from_to(image, target, order=order, cval=outside).dataobj, dtype=np.float32)
    flags = (*volume.flags, f"resampled_to:{onto}", *([] if order else _lost(volume, grid, array)))
    return Volume(array=array, grid=grid, flags=flags, sha256=volume.sha256)


def _lost(label: Volume, grid: Grid, moved: np.ndarray) -> list[str]:
    """A flag with the share of a label map's volume in mm that is gone, if it is more than half."""
    sizes = [abs(np.linalg.det(np.asarray(one.affine)[:3, :3])) for one in (label.grid, grid)]
    before, after = (float((array > 0).sum() * size) for array, size in zip((label.array, moved), sizes, strict=True))
    return [f"label_lost:{1 - after / before:.2f}"] if before and after < before / 2 else []
