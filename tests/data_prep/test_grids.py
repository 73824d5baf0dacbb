from __future__ import annotations

import numpy as np
import pytest

from data_prep.grids import resampled
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import Volume
from medmae.errors import DataError

AFFINE = np.diag([-1.0, 1.0, 3.0, 1.0])


def volume(shape=(8, 9, 6), affine=AFFINE, array=None):
    array = np.zeros(shape, np.float32) if array is None else array
    return Volume(array=array, grid=Grid.from_affine(array.shape, affine))


def moved(row, column, by):
    affine = AFFINE.copy()
    affine[row, column] += by
    return affine


def test_resampling_follows_the_headers():
    """A world-space ramp sampled on another grid must give the same millimetres there."""
    fine = np.diag([-0.5, 0.5, 1.5, 1.0])
    index = np.indices((24, 26, 18))
    ramp = 100 + (-0.5 * index[0] + 2 * 0.5 * index[1] + 3 * 1.5 * index[2]).astype(np.float32)
    ramp[0, 0, 0] = 0
    label = (index[0] > 8).astype(np.uint8)
    between = fine.copy()
    between[0, 3] = 0.2  # the wanted voxels lie between those of the label
    images, labels = resampled(
        {"T1": volume(), "T2": volume(array=ramp, affine=fine)},
        {"seg": volume(array=label, affine=between)},
        onto="T1",
        case="p",
    )
    at = np.indices((8, 9, 6))
    wanted = 100 - at[0] + 2.0 * at[1] + 9.0 * at[2]
    np.testing.assert_allclose(images["T2"].array[1:, 1:, 1:], wanted[1:, 1:, 1:], rtol=1e-5)
    assert images["T2"].grid == images["T1"].grid == labels["seg"].grid
    assert images["T2"].flags == ("resampled_to:T1",)
    assert images["T1"].flags == ()
    assert set(np.unique(labels["seg"].array)) == {0, 1}
    assert labels["seg"].array[4, 2, 2] == 0
    assert labels["seg"].array[5, 2, 2] == 1


def test_what_lies_outside_becomes_the_background():
    array = np.full((8, 9, 6), -1000, np.float32)
    array[3:5, 3:5, 2:4] = 50
    images, _ = resampled({"T1": volume(), "CT": volume(array=array, affine=moved(0, 3, 4.0))}, {}, onto="T1", case="p")
    assert images["CT"].array.min() == -1000
    assert images["CT"].array.max() == 50


def test_a_case_without_the_reference_is_refused():
    with pytest.raises(DataError, match="case p has no FLAIR"):
        resampled({"T1": volume()}, {}, onto="FLAIR", case="p")
