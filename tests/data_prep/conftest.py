from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest


def head(*, seed=0, shape=(14, 16, 10)):
    """Tissue in the middle of a zero background, int16."""
    volume = np.zeros(shape, dtype=np.int16)
    inner = tuple(n - 6 for n in shape)
    volume[3:-3, 3:-3, 3:-3] = np.random.default_rng(seed).integers(50, 1000, inner)
    return volume


@pytest.fixture
def save():
    """Saves a small head: ``save(folder / "T1.nii.gz", seed=1, affine=...)``."""

    def to(path, *, array=None, affine=None, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        array = head(**options) if array is None else array
        nib.save(nib.Nifti1Image(array, np.diag([-1.0, 1.0, 3.0, 1.0]) if affine is None else affine), path)
        return path

    return to


@pytest.fixture
def cohort(tmp_path, save):
    """A folder of cases ``p1, p2, ...``, each with T1 and T2."""

    def make(names=("p1", "p2", "p3"), folder="raw"):
        for number, name in enumerate(names):
            save(tmp_path / folder / name / "T1.nii.gz", seed=2 * number)
            save(tmp_path / folder / name / "T2.nii.gz", seed=2 * number + 1)
        return tmp_path / folder

    return make


@pytest.fixture
def clips(tmp_path):
    """Empty files of these names."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return make
