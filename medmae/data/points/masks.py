"""Segmentations whose labels become surfaces: NIfTI label maps and DICOM SEG, in millimetres of the patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medmae.data.points.shape import Shape
from medmae.data.points.surface import surface_of
from medmae.data.volumes.nifti import load_volume
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, reading

NIFTI = (".nii", ".nii.gz")
_MOST = 256  # labels; more are no label map
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM counts to the left and to the back


@dataclass(frozen=True)
class Segmented:
    """One label of a segmentation.

    Attributes:
        name: Of the label: its number, or what the file calls it.
        shape: Its surface, in millimetres, x to the right, y to the front, z to the head (RAS) of the patient.
        volume_mm3: By its voxels.
    """

    name: str
    shape: Shape
    volume_mm3: float


def is_segmentation(path: Path) -> bool:
    """Whether it may hold labels, by its name: a NIfTI volume or a DICOM file."""
    return path.name.lower().endswith(NIFTI) or path.suffix.lower() == ".dcm"


def surfaces_of(path: Path, *, limit_gb: float = LIMIT_GB) -> list[Segmented]:
    """The surface of each label above 0 that has voxels.

    Raises:
        DataError: If it holds no label, or no segmentation.
    """
    found = []
    read = _of_nifti(path, limit_gb) if path.name.lower().endswith(NIFTI) else _of_dicom(path)
    for name, mask, affine in read:
        shape = surface_of(mask, affine)
        volume = float(mask.sum() * abs(np.linalg.det(affine[:3, :3])))
        found.append(Segmented(name, shape, volume))
    if not found:
        raise DataError("no voxel of it is labelled", path=path, field="labels", value=0, remedy="leave it out")
    return found


def _of_nifti(path: Path, limit_gb: float) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    volume = load_volume(path, limit_gb=limit_gb)
    values = np.unique(volume.array)
    if not (values == np.round(values)).all() or len(values) > _MOST:
        raise DataError(
            "these are no labels",
            path=path,
            field="values",
            value=[float(value) for value in values[:5]],
            remedy="give a segmentation: whole numbers, 0 where there is nothing",
        )
    for value in values[values > 0]:
        yield f"{int(value)}", volume.array == value, np.asarray(volume.grid.affine, dtype=np.float64)


def _of_dicom(path: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    try:
        import highdicom as hd
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("DICOM SEG needs the package highdicom: pip install highdicom") from error
    with reading(path, what="the DICOM segmentation", remedy="give a DICOM SEG object"):
        seg = hd.seg.segread(path)
        described = [(number, seg.get_segment_description(number).segment_label) for number in seg.segment_numbers]
    for number, label in described:
        with reading(path, what=f"segment {number}", remedy="export the segmentation again"):
            volume = seg.get_volume(segment_numbers=[number], combine_segments=True)
        if volume.array.any():
            yield f"{label}", volume.array > 0, _TO_RAS @ volume.affine
