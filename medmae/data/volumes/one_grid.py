"""The volumes of a case lie on one grid, or are refused; what they hold decides where it is cropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.grid import Grid, Pairs
from medmae.data.volumes.nifti import Volume
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
    name = _first(images)
    for error in _off_grid(name, images, labels, case=case, paths=paths).values():
        raise error


def on_one_grid(
    images: Mapping[str, Volume], labels: Mapping[str, Volume], *, case: str, paths: Mapping[str, Path]
) -> tuple[dict[str, Volume], dict[str, Volume], list[DataError]]:
    """The images and label maps of a case that lie on the grid of most of its images, and why the others do not.

    Of grids that hold equally many images that of T1 counts, else that of the first contrast.
    """
    shared = {
        name: sum(difference(volume.grid, other.grid) is None for other in images.values())
        for name, volume in images.items()
    }
    name = max(images, key=lambda one: (shared[one], one == _first(images)))
    off = _off_grid(name, images, labels, case=case, paths=paths)
    on = ({one: volume for one, volume in some.items() if one not in off} for some in (images, labels))
    return next(on), next(on), list(off.values())


def _first(images: Mapping[str, Volume]) -> str:
    return "T1" if "T1" in images else next(iter(images))


def _off_grid(
    name: str, images: Mapping[str, Volume], labels: Mapping[str, Volume], *, case: str, paths: Mapping[str, Path]
) -> dict[str, DataError]:
    """Why each volume that is not on the grid of the image ``name`` is not."""
    errors = {}
    for other, volume in (*images.items(), *labels.items()):
        differing = difference(images[name].grid, volume.grid)
        if differing is None:
            continue
        field, expected, found = differing
        errors[other] = DataError(
            f"case {case}: {other} and {name} ({paths[name].name}) are not on one grid",
            path=paths[other],
            field=field,
            value=f"{found} in {other}, {expected} in {name}",
            remedy=f"register them, or resample by their headers alone (medmae prep mr --resample-to {name})",
        )
    return errors


def difference(wanted: Grid, found: Grid) -> tuple[str, object, object] | None:
    """The first thing in which two grids differ: field, value wanted, value found; None if nothing matters."""
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


def content_box(grid: Grid, masks: Sequence[np.ndarray], *, margin: int) -> Pairs:
    """The smallest box around all True voxels, in canonical order (z, y, x), with a margin.

    Args:
        grid: Of the source volumes, uncropped.
        masks: Bool, in source orientation: voxels that must stay.
        margin: Voxels to keep around them.
    """
    return bounding_box(grid.to_canonical(np.logical_or.reduce(list(masks))), margin=margin)
