from __future__ import annotations

import dataclasses
import itertools
import json

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, ornt_transform

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import load_volume

SHAPE = (5, 7, 4)
FIELDS = (
    "dim",
    "pixdim",
    "qform_code",
    "sform_code",
    "quatern_b",
    "qoffset_x",
    "srow_x",
    "srow_y",
    "srow_z",
    "xyzt_units",
)


def oblique(shape, codes):
    """An oblique, anisotropic affine for a volume stored in the orientation ``codes``."""
    turn, _ = np.linalg.qr(np.eye(3) + 0.1 * np.random.default_rng(0).standard_normal((3, 3)))
    turn *= np.sign(np.diag(turn))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.9, 1.1, 3.0])
    affine[:3, 3] = (-80.25, 13.5, 7.75)
    change = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    return affine @ inv_ornt_aff(change, [shape[int(axis)] for axis in change[:, 0]])


ALL_CODES = ["".join(c) for p in itertools.permutations(("RL", "AP", "SI")) for c in itertools.product(*p)]


@pytest.mark.parametrize("codes", ALL_CODES)
def test_every_orientation_comes_back_bit_for_bit(codes):
    array = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    grid = Grid.from_affine(SHAPE, oblique(SHAPE, codes))
    assert grid.orientation == codes
    stored = grid.to_canonical(array)
    assert stored.shape == grid.stored_shape == grid.canonical_shape
    np.testing.assert_array_equal(grid.from_canonical(stored), array)


@pytest.mark.parametrize("codes", ALL_CODES)
def test_stored_arrays_start_low_anterior_right(codes):
    affine = oblique(SHAPE, codes)
    grid = Grid.from_affine(SHAPE, affine)
    voxels = np.indices(SHAPE).reshape(3, -1)
    for axis, world, sign in ((0, 2, 1), (1, 1, -1), (2, 0, -1)):  # slices go up, rows back, columns to the left
        millimetres = (affine[:3, :3] @ voxels + affine[:3, 3:])[world].reshape(SHAPE)
        assert (np.diff(grid.to_canonical(millimetres), axis=axis) * sign > 0).all()


def test_spacing_follows_the_stored_axes():
    grid = Grid.from_affine((4, 5, 6), np.array([[0, 0, 2.0, 0], [3.0, 0, 0, 0], [0, 4.0, 0, 0], [0, 0, 0, 1]]))
    assert grid.spacing == (4.0, 3.0, 2.0)
    assert grid.canonical_shape == (5, 4, 6)


def test_a_crop_is_undone_with_background_outside():
    array = np.full(SHAPE, -3.0, dtype=np.float32)
    array[1:4, 2:5, 1:3] = 7.0
    grid = Grid.from_affine(SHAPE, oblique(SHAPE, "PIR"))
    inside = np.argwhere(grid.to_canonical(array) == 7.0)
    crop = tuple((int(low), int(high) + 1) for low, high in zip(inside.min(0), inside.max(0), strict=True))
    cropped = grid.cropped(crop)
    assert (cropped.to_canonical(array) == 7.0).all()
    assert cropped.start == tuple(inside.min(0))
    assert dataclasses.replace(cropped, pad=((2, 0), (0, 1), (1, 1))).start == tuple(inside.min(0) - (2, 0, 1))
    assert grid.start == (0, 0, 0)
    np.testing.assert_array_equal(cropped.from_canonical(cropped.to_canonical(array), fill=-3.0), array)


def test_pad_is_undone_exactly_and_scale_to_the_same_shape():
    array = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    plain = Grid.from_affine(SHAPE, np.diag([-1.0, -1, 1, 1]))
    padded = Grid(**{**vars(plain), "pad": ((0, 0), (1, 2), (3, 0))})
    assert padded.to_canonical(array).shape == (4, 10, 8)
    np.testing.assert_array_equal(padded.from_canonical(padded.to_canonical(array)), array)
    scaled = Grid(**{**vars(plain), "scale": (1.0, 2.0, 2.0)})
    assert scaled.to_canonical(array).shape == (4, 14, 10)
    np.testing.assert_allclose(scaled.from_canonical(scaled.to_canonical(array)), array, atol=0.3)


def test_the_grid_survives_json():
    grid = Grid.from_affine(SHAPE, oblique(SHAPE, "LAS")).cropped(((0, 2), (1, 3), (0, 4)))
    assert Grid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(("qform", "sform"), [(1, 0), (0, 2), (3, 4), (0, 0)])
def test_nifti_out_has_the_header_geometry_of_nifti_in(tmp_path, suffix, qform, sform):
    array = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)
    image = nib.Nifti1Image(array, oblique(SHAPE, "LAS"))
    image.set_sform(oblique(SHAPE, "LAS"), code=sform)
    image.set_qform(oblique(SHAPE, "LAS"), code=qform, strip_shears=True)
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"Jane Doe"
    nib.save(image, tmp_path / "in.nii.gz")

    volume = load_volume(tmp_path / "in.nii.gz")
    data, grid = volume.array, volume.grid
    grid = Grid.from_dict(json.loads(json.dumps(grid.to_dict())))
    out = tmp_path / f"out{suffix}"
    grid.write_nifti(grid.to_canonical(data), out, descrip="synthetic, not for diagnosis")

    before, after = nib.load(tmp_path / "in.nii.gz"), nib.load(out)
    np.testing.assert_array_equal(before.affine, after.affine)
    np.testing.assert_array_equal(np.asarray(after.dataobj), array)
    assert before.header.get_zooms() == after.header.get_zooms()
    for name in FIELDS:
        np.testing.assert_array_equal(before.header[name], after.header[name], err_msg=name)
    assert after.header["descrip"].item() == b"synthetic, not for diagnosis"  # and not the source's


def test_a_trailing_axis_of_one_comes_back(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((*SHAPE, 1), np.float32), np.eye(4)), tmp_path / "in.nii")
    volume = load_volume(tmp_path / "in.nii")
    data, grid = volume.array, volume.grid
    assert data.shape == SHAPE
    grid.write_nifti(grid.to_canonical(data), tmp_path / "out.nii")
    assert nib.load(tmp_path / "out.nii").shape == (*SHAPE, 1)


def test_a_wrong_shape_is_refused():
    grid = Grid.from_affine(SHAPE, np.eye(4))
    with pytest.raises(ValueError, match="expected the source shape"):
        grid.to_canonical(np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match="expected the stored shape"):
        grid.from_canonical(np.zeros(SHAPE))
    with pytest.raises(ValueError, match="leaves the canonical volume"):
        grid.cropped(((0, 9), (0, 1), (0, 1)))


def test_a_failed_write_leaves_the_older_file(tmp_path):
    grid = Grid.from_affine(SHAPE, np.eye(4))
    path = tmp_path / "out.nii.gz"
    grid.write_nifti(np.zeros(grid.stored_shape, np.float32), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="79 bytes"):
        grid.write_nifti(np.ones(grid.stored_shape, np.float32), path, descrip="x" * 80)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.nii.gz"]
