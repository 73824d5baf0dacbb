"""One grid a case: compared, resampled only on request, and cropped to its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to

from medmae.data.grid import Grid, Pairs, bounding_box
from medmae.data.intensity import Normalisation
from medmae.data.nifti import Volume
from medmae.errors import DataError

TOLERANCE_MM = 1e-3


def check_one_grid(
    images: Mapping[str, Volume], labels: Mapping[str, Volume], *, case: str, paths: Mapping[str, Path]
) -> None:
    """Refuses volumes of a case whose shape, axis codes or affine differ from the reference's.

    The reference is T1 where there is one, else the first contrast. Affines may differ by 0.001 mm, so that rounding
    in a header does not reject a case.

    Raises:
        DataError: Naming case, file, field, both values and the remedy.
    """
    name = "T1" if "T1" in images else next(iter(images))
    wanted = images[name].grid
    for other, volume in (*images.items(), *labels.items()):
        difference = _difference(wanted, volume.grid)
        if difference is None:
            continue
        field, expected, found = difference
        raise DataError(
            f"case {case}: {other} and {name} ({paths[name].name}) are not on one grid",
            path=paths[other],
            field=field,
            value=f"{found} in {other}, {expected} in {name}",
            remedy=f"register them, or resample by their headers alone with --resample-to {name}",
        )


def _difference(wanted: Grid, found: Grid) -> tuple[str, object, object] | None:
    if wanted.shape[:3] != found.shape[:3]:
        return "shape", wanted.shape[:3], found.shape[:3]
    if wanted.orientation != found.orientation:
        return "orientation", wanted.orientation, found.orientation
    expected, given = np.asarray(wanted.affine), np.asarray(found.affine)
    if np.abs(expected - given).max() > TOLERANCE_MM:
        row, column = np.unravel_index(np.abs(expected - given).argmax(), (4, 4))
        field = f"affine[{row},{column}]"
        return field, round(float(expected[row, column]), 5), round(float(given[row, column]), 5)
    return None


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


def _on(volume: Volume, grid: Grid, *, onto: str, order: int) -> Volume:
    if _difference(grid, volume.grid) is None:
        return volume
    outside = Normalisation.fit(volume.array).background if order else 0
    image = nib.Nifti1Image(volume.array.astype(np.float32), np.asarray(volume.grid.affine))
    target = (grid.shape[:3], np.asarray(grid.affine))
    array = np.asarray(resample_from_to(image, target, order=order, cval=outside).dataobj, dtype=np.float32)
    flags = (*volume.flags, f"resampled_to:{onto}")
    return Volume(array=array, grid=grid, flags=flags, sha256=volume.sha256)


def content_box(grid: Grid, masks: Sequence[np.ndarray], *, margin: int) -> Pairs:
    """The smallest box around all True voxels, in canonical order (z, y, x), with a margin.

    Args:
        grid: Of the source volumes, uncropped.
        masks: Bool, in source orientation: voxels that must stay.
        margin: Voxels to keep around them.
    """
    return bounding_box(grid.to_canonical(np.logical_or.reduce(list(masks))), margin=margin)
