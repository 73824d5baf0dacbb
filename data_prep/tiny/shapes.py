"""Simulated organs as segmentations: smooth ones and lobed ones, left and right of each patient.

An organ is an ellipsoid of 15 to 25 mm, of any tilt, with waves of 3 mm on its surface where it is lobed; voxels are
2 x 2 x 2.5 mm, on an oblique grid. Nothing but the waves goes with the class. This is no anatomy.
"""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.spatial.transform import Rotation

_PATIENTS = 6  # a class
_SHAPE, _VOXEL = (36, 36, 30), (2.0, 2.0, 2.5)
POINTS = 256  # in as many patches as the bundles take


def organ(seed: int, *, lobed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A mask uint8 and its affine, voxels to millimetres."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", rng.uniform(-10, 10, 3), degrees=True).as_matrix() * _VOXEL
    affine[:3, 3] = -affine[:3, :3] @ (np.array(_SHAPE) / 2)
    places = np.stack(np.meshgrid(*map(np.arange, _SHAPE), indexing="ij"), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    own = places @ turn / rng.uniform(15, 25, 3)  # the unit sphere is the ellipsoid
    radius = np.linalg.norm(own, axis=-1)
    azimuth, height = np.arctan2(own[..., 1], own[..., 0]), own[..., 2] / np.maximum(radius, 1e-6)
    waves = 0.15 * np.cos(4 * azimuth) * np.cos(3 * height) if lobed else 0.0
    return (radius < 1 + waves).astype(np.uint8), affine


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files; see :func:`data_prep.tiny.make`."""
    from data_prep.points import prepare

    for label in ("lobed", "smooth"):
        for patient in range(_PATIENTS):
            for side in ("left", "right"):
                number = patient + _PATIENTS * (label == "lobed")
                path = folder / "raw" / label / f"p{number:02d}_{side}.nii.gz"
                path.parent.mkdir(parents=True, exist_ok=True)
                mask, affine = organ(2 * number + (side == "left"), lobed=label == "lobed")
                nib.save(nib.Nifti1Image(mask, affine), path)
    prepare(
        source=folder / "raw",
        out=folder / "prepared",
        subject_from=r"^(p\d+)_",
        points=POINTS,
        workers=0,
        origin="simulated",
    )
    return folder / "prepared", folder / "raw"
