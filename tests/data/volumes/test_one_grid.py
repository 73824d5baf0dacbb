from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import Volume
from medmae.data.volumes.one_grid import check_one_grid, content_box
from medmae.errors import DataError

AFFINE = np.diag([-1.0, 1.0, 3.0, 1.0])
PATHS = {"T1": Path("p1/T1.nii"), "T2": Path("p1/T2.nii"), "seg": Path("p1/seg.nii")}


def volume(shape=(8, 9, 6), affine=AFFINE, array=None):
    array = np.zeros(shape, np.float32) if array is None else array
    return Volume(array=array, grid=Grid.from_affine(array.shape, affine))


def moved(row, column, by):
    affine = AFFINE.copy()
    affine[row, column] += by
    return affine


@pytest.mark.parametrize(
    ("other", "field", "words"),
    [
        (volume((8, 9, 7)), "shape", "(8, 9, 7) in T2, (8, 9, 6) in T1"),
        (volume(affine=np.diag([1.0, 1, 3, 1])), "orientation", "RAS in T2, LAS in T1"),
        (volume(affine=moved(1, 3, 0.01)), "affine[1,3]", "0.01 in T2, 0.0 in T1"),
    ],
)
def test_a_different_grid_is_refused_by_case_file_field_values_and_remedy(other, field, words):
    with pytest.raises(DataError) as caught:
        check_one_grid({"T1": volume(), "T2": other}, {}, case="p1", paths=PATHS)
    assert caught.value.field == field
    for part in ("case p1", "p1/T2.nii", "T1.nii", words, "--resample-to T1"):
        assert part in str(caught.value)


def test_labels_are_compared_too():
    with pytest.raises(DataError, match="seg and T1"):
        check_one_grid({"T1": volume()}, {"seg": volume((8, 9, 5))}, case="p1", paths=PATHS)


def test_rounding_noise_is_no_difference():
    for row, column in ((0, 3), (0, 1), (2, 2)):
        check_one_grid({"T1": volume(), "T2": volume(affine=moved(row, column, 5e-4))}, {}, case="p1", paths=PATHS)


def test_the_box_holds_all_content_and_a_margin():
    grid = Grid.from_affine((8, 9, 6), AFFINE)
    one, two = np.zeros((2, 8, 9, 6), dtype=bool)
    one[3, 4, 2] = two[5, 5, 3] = True
    assert content_box(grid, [one, two], margin=0) == ((2, 4), (3, 5), (3, 6))  # LAS: y runs the other way
    assert content_box(grid, [one, two], margin=50) == ((0, 6), (0, 9), (0, 8))
    assert content_box(grid, [np.zeros((8, 9, 6), bool)], margin=2) == ((0, 6), (0, 9), (0, 8))
