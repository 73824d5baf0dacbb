"""Segmentations to surfaces: in millimetres of the patient, closed, and of the size of their voxels."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.data.points.masks import surfaces_of
from medmae.data.points.shape import closed
from medmae.data.points.surface import surface_of
from medmae.errors import DataError
from tests.shapes import dicom_seg, segmentation


@pytest.fixture
def mask():
    places = np.stack(np.meshgrid(*map(np.arange, (24, 26, 20)), indexing="ij"), axis=-1)
    return np.linalg.norm(places - [12, 13, 10], axis=-1) < 7


def outward(shape):
    """The volume, positive where normals point outwards."""
    a, b, c = (shape.points[shape.faces[:, corner]] for corner in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.7, 0.7, 3.0), (-1, 1, 2), (-1, -1, 1)])
def test_a_surface_is_closed_wound_outwards_and_as_large_as_its_voxels(spacing, mask):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [100, -50, 7]
    shape = surface_of(mask, affine)
    assert closed(shape.faces)
    assert outward(shape) == pytest.approx(mask.sum() * abs(np.prod(spacing)), rel=0.03)
    assert np.allclose(shape.points.mean(axis=0), affine[:3] @ [12, 13, 10, 1], atol=0.6)


def test_an_oblique_and_sheared_affine_is_applied(mask):
    affine = np.eye(4)
    affine[:3, :3] = [[0.9, 0.3, 0], [-0.3, 0.9, 0.2], [0, 0, 2]]
    shape = surface_of(mask, affine)
    assert outward(shape) == pytest.approx(mask.sum() * np.linalg.det(affine), rel=0.03)


def test_a_mask_that_touches_the_border_is_closed_there_and_says_so(mask):
    shape = surface_of(mask[10:], np.eye(4))
    assert shape.flags == ("touches_border",)
    assert closed(shape.faces)
    assert shape.points[:, 0].min() == -0.5
    assert surface_of(mask, np.eye(4)).flags == ()


def test_an_empty_mask_and_an_affine_without_an_inverse_are_refused(mask):
    with pytest.raises(DataError, match="nothing is in this mask"):
        surface_of(np.zeros_like(mask), np.eye(4))
    with pytest.raises(DataError, match="voxels have no volume"):
        surface_of(mask, np.diag([1, 1, 0, 1.0]))


def test_one_voxel_has_a_surface():
    mask = np.zeros((5, 5, 5), dtype=bool)
    mask[2, 2, 2] = True
    assert outward(surface_of(mask, np.eye(4))) > 0


def test_each_label_of_a_nifti_is_a_surface_of_its_own(mask, tmp_path):
    labels = np.where(mask, np.where(np.arange(26)[None, :, None] < 13, 1, 3), 0)
    found = surfaces_of(segmentation(tmp_path / "a.nii.gz", labels, np.diag([1, 1, 2, 1.0])))
    assert [one.name for one in found] == ["1", "3"]
    assert sum(one.volume_mm3 for one in found) == pytest.approx(2 * mask.sum())


def test_a_nifti_without_labels_or_with_grey_values_is_refused(mask, tmp_path):
    import nibabel as nib

    with pytest.raises(DataError, match="no voxel of it is labelled"):
        surfaces_of(segmentation(tmp_path / "a.nii.gz", np.zeros((5, 5, 5))))
    nib.save(nib.Nifti1Image(mask * np.float32(0.3), np.eye(4)), tmp_path / "b.nii.gz")
    with pytest.raises(DataError, match="these are no labels"):
        surfaces_of(tmp_path / "b.nii.gz")


def test_a_dicom_segmentation_lies_where_its_patient_does(tmp_path):
    pytest.importorskip("highdicom")
    mask = np.zeros((12, 20, 24), dtype=bool)
    mask[3:9, 5:15, 6:18] = True
    [one] = surfaces_of(dicom_seg(tmp_path / "a.dcm", mask))
    assert one.name == "Liver"
    assert one.volume_mm3 == pytest.approx(mask.sum() * 4.5)
    # Columns 6 to 17 of 1.5 mm from 10 mm on, to the left; rows to the back; slices of 2 mm from 30 mm on.
    assert np.allclose(one.shape.points.max(axis=0), [-18.25, -26.75, 47.0], atol=0.01)
    assert np.allclose(one.shape.points.min(axis=0), [-36.25, -41.75, 35.0], atol=0.01)


def test_a_dicom_file_that_is_no_segmentation_is_refused(tmp_path):
    pytest.importorskip("highdicom")
    (path := tmp_path / "a.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(DataError, match="give a DICOM SEG object"):
        surfaces_of(path)
