"""One file of shapes to clouds: read, cleaned, brought to millimetres, sampled, centred, cut into patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from data_prep.outcome import Row
from medmae.data.points.collections import shapes_of
from medmae.data.points.form import form_of
from medmae.data.points.groups import members_of
from medmae.data.points.masks import is_segmentation, surfaces_of
from medmae.data.points.meshes import MESHES, UNITS, Unit, said_unit
from medmae.data.points.read import cleaned, read_shape
from medmae.data.points.shape import Shape, sampled
from medmae.data.points.surface import surface_of
from medmae.errors import DataError
from medmae.files import content_sha256

Size = Literal["kept", "removed"]
_BODY_MM = (1.0, 2500.0)  # radius of the smallest and the largest part of a body


@dataclass(frozen=True, kw_only=True)
class ShapeOptions:
    """What shapes the shards.

    Args:
        points: That are sampled.
        patches: That are cut; 0 cuts none.
        patch_points: Of each.
        size: Whether it is ``kept``, in millimetres, or ``removed``.
        unit: Of files that do not say theirs; None where nobody says it.
        voxel_mm: Edge of a voxel of arrays of masks; None where nobody says it.
        labels: Which labels of segmentations; none takes all.
        seed: Of the points.
        limit_gb: Most memory that one file may take, in 10^9 bytes.
    """

    points: int = 2048
    patches: int = 32
    patch_points: int = 64
    size: Size = "kept"
    unit: Unit | None = None
    voxel_mm: float | None = None
    labels: tuple[str, ...] = ()
    seed: int = 0
    limit_gb: float = 4.0


@dataclass(frozen=True, eq=False)
class Made:
    """What became of one shape.

    Attributes:
        name: Of the part of the file; empty of a whole file.
        cloud: ``(N, 3)`` float32, about its mean.
        members: ``(G, K)``, or None.
        row: What the manifest says of it.
    """

    name: str
    cloud: np.ndarray
    members: np.ndarray | None
    row: Row


def made_of(path: Path, options: ShapeOptions, *, array: str | None, voxels: bool) -> Iterator[Made | DataError]:
    """Each shape of a file, or why it cannot be used: one bad shape costs nothing but itself.

    Raises:
        DataError: If the file cannot be read at all, or nobody says its unit.
    """
    if array is not None:
        yield from _of_array(path, options, array, voxels=voxels)
    elif is_segmentation(path):
        yield from _of_labels(path, options)
    else:
        yield _made(read_shape(path, limit_gb=options.limit_gb), "", options, _unit(path, options), path=path)


def _of_array(path: Path, options: ShapeOptions, array: str, *, voxels: bool) -> Iterator[Made | DataError]:
    unit = _unit_of_voxels(options, path) if voxels else _unit(path, options)
    for place, one in enumerate(shapes_of(path, array, limit_gb=options.limit_gb)):
        name = f"{place:05d}"
        where = f"{path}/{array}/{name}"
        try:
            shape = _voxels(one, options, path=where) if voxels else Shape(np.asarray(one, dtype=np.float64))
            yield _made(cleaned(shape, path=where), name, options, unit, path=path)
        except DataError as error:
            yield DataError(error.reason, path=where, field=error.field, value=error.value, remedy=error.remedy)


def _of_labels(path: Path, options: ShapeOptions) -> Iterator[Made | DataError]:
    if options.unit not in (None, "mm"):
        raise DataError(
            "a segmentation is in millimetres, by its own header",
            path=path,
            field="--unit",
            value=options.unit,
            remedy="leave --unit out, or prepare other files by themselves",
        )
    known = surfaces_of(path, limit_gb=options.limit_gb)
    if lacking := sorted(set(options.labels) - {each.name for each in known}):
        names = ", ".join(each.name for each in known)
        raise DataError("it has no such label", path=path, field="--labels", value=lacking, remedy=f"it has {names}")
    for each in known:
        if options.labels and each.name not in options.labels:
            continue
        try:
            shape = cleaned(each.shape, path=path)
            yield _made(shape, each.name, options, "mm", path=path, volume=each.volume_mm3 / 1000)
        except DataError as error:
            yield DataError(
                error.reason, path=f"{path}/{each.name}", field=error.field, value=error.value, remedy=error.remedy
            )


def _voxels(mask: np.ndarray, options: ShapeOptions, *, path: str) -> Shape:
    values = np.unique(mask)
    if len(values) > 2 or values[0] != 0:
        raise DataError(
            "a mask has 0 and one other value, and this has others",
            path=path,
            field="values",
            value=[float(value) for value in values[:5]],
            remedy="give masks of one structure each; label maps are read as NIfTI, and grey values are no shape",
        )
    edge = options.voxel_mm or 1.0
    return surface_of(mask > 0, np.diag([edge, edge, edge, 1.0]))


def _unit_of_voxels(options: ShapeOptions, path: Path) -> Unit | None:
    if options.size == "kept" and options.voxel_mm is None:
        raise DataError(
            "nothing says how large a voxel is",
            path=path,
            field="--voxel-mm",
            value=None,
            remedy="give its edge in millimetres, or remove sizes with --size removed",
        )
    return None if options.voxel_mm is None else "mm"


def _unit(path: Path, options: ShapeOptions) -> Unit | None:
    """The unit of a file that has none by nature.

    Raises:
        DataError: If its size is to be kept and nobody says the unit; or file and user name different ones.
    """
    said = said_unit(path) if path.suffix.lower() in MESHES else None
    if said is not None and options.unit not in (None, said):
        raise DataError(
            f"the file says that its unit is {said}",
            path=path,
            field="--unit",
            value=options.unit,
            remedy=f"leave --unit out, or prepare files in {said} by themselves",
        )
    unit = said or options.unit
    if unit is None and options.size == "kept":
        raise DataError(
            "nothing says in which unit it is",
            path=path,
            field="--unit",
            value=None,
            remedy=f"say it with --unit {'|'.join(UNITS)}, or remove sizes with --size removed",
        )
    return unit


def _made(
    shape: Shape, name: str, options: ShapeOptions, unit: Unit | None, *, path: Path, volume: float | None = None
) -> Made:
    """One shape, sampled and centred, and what is said of it."""
    factor = 1.0 if unit is None else UNITS[unit]
    drawn, repeated = sampled(shape, options.points, seed=options.seed)
    points = drawn * factor
    centre = points.mean(axis=0)
    radius = float(np.linalg.norm(points - centre, axis=1).max())
    if not radius > 0:
        raise DataError("all of its points are one", path=path, field="radius", value=radius, remedy="leave it out")
    cloud = ((points - centre) / (radius if options.size == "removed" else 1.0)).astype(np.float32)
    flags = [*shape.flags, *repeated]
    if unit is not None and not _BODY_MM[0] <= radius <= _BODY_MM[1]:
        flags.append(f"implausible_radius_mm:{radius:.3g}")
    enclosed = shape.volume
    ml = volume if volume is not None or enclosed is None or unit is None else enclosed * factor**3 / 1000
    row: Row = {
        "kind": "shape",
        "dtype": "float32",
        "points": options.points,
        "unit": "mm" if unit and options.size == "kept" else "",
        "size": options.size,
        "centre": [round(float(value), 4) for value in centre],
        "radius": radius,
        "box": [round(float(value), 4) for value in np.ptp(shape.points, axis=0) * factor],
        "volume_ml": None if ml is None else round(ml, 5),
        "source_unit": unit,
        "source_points": len(shape.points),
        "source_faces": None if shape.faces is None else len(shape.faces),
        "content_sha256": content_sha256(np.unique(shape.points, axis=0)),  # in whatever order a file has them
        "form": form_of(shape.points),
        "flags": flags,
    }
    members = None
    if options.patches:
        members = members_of(cloud, count=options.patches, size=options.patch_points)
    return Made(name, cloud, members, row)
