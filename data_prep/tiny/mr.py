"""Balls of textured tissue in several contrasts, BIDS-like NIfTI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

_SHAPE = (40, 48, 16)
_SPACING = (2.0, 2.0, 4.0, 1.0)  # mm
_CONTRASTS = {"T1w": 1.0, "T2w": -1.0, "FLAIR": 0.5}  # how much of the texture each shows, and which way round


def write_cohort(folder: Path, *, subjects: int = 3, contrasts: Sequence[str] = ("T1w", "T2w")) -> Path:
    """Writes ``sub-XX/anat/sub-XX_<contrast>.nii.gz``; each subject's texture is its own.

    Args:
        folder: Need not be there.
        subjects: How many.
        contrasts: Among T1w, T2w and FLAIR.
    """
    grid = np.stack(np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in _SHAPE), indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    for number in range(1, subjects + 1):
        rng = np.random.default_rng(number)
        texture = np.kron(rng.random((10, 12, 4)), np.ones((4, 4, 4)))
        name = f"sub-{number:02d}"
        (folder / name / "anat").mkdir(parents=True)
        for contrast in contrasts:
            data = np.where(radius < 1, 500 + _CONTRASTS[contrast] * 200 * texture, 0).astype(np.int16)
            image = nib.Nifti1Image(data, np.diag(_SPACING))
            nib.save(image, folder / name / "anat" / f"{name}_{contrast}.nii.gz")
    return folder


def make(folder: Path) -> tuple[Path, Path]:
    """The prepared data set and the raw files of three subjects; see :func:`data_prep.tiny.make`."""
    from data_prep.mr import prepare

    raw = write_cohort(folder / "raw")
    prepare(source=raw, out=folder / "prepared", workers=0)
    return folder / "prepared", raw
