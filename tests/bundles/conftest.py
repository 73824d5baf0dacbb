"""A prepared cohort of three small heads, made once."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from data_prep.mr import prepare


def write_cohort(folder: Path, *, subjects: int = 3) -> Path:
    """Balls of textured tissue in two contrasts, BIDS-like."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in (40, 48, 16)), indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    for number in range(1, subjects + 1):
        rng = np.random.default_rng(number)
        texture = np.kron(rng.random((10, 12, 4)), np.ones((4, 4, 4)))
        name = f"sub-{number:02d}"
        (folder / name / "anat").mkdir(parents=True)
        for contrast, sign in (("T1w", 1), ("T2w", -1)):
            data = np.where(radius < 1, 500 + sign * 200 * texture, 0).astype(np.int16)
            image = nib.Nifti1Image(data, np.diag([2.0, 2.0, 4.0, 1.0]))
            nib.save(image, folder / name / "anat" / f"{name}_{contrast}.nii.gz")
    return folder


@pytest.fixture(scope="session")
def cohort(tmp_path_factory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("cohort") / "raw")


@pytest.fixture(scope="session")
def prepared(cohort, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cohort") / "prepared"
    prepare(source=cohort, out=out, workers=0)
    return out
