"""Faults 1 to 9 of a reader, and the real volumes."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medmae.data.volumes.nifti import load_volume
from medmae.errors import DataError

SHARED = Path(os.environ.get("MEDMAE_SHARED", Path(__file__).parents[4] / "shared"))
# Offsets in the NIfTI-1 header.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, QFORM_CODE, SFORM_CODE, SROW = 40, 70, 76, 108, 252, 254, 280


@pytest.fixture
def content():
    """A sound file, uncompressed: 6 x 5 x 4 int16, both forms set."""
    array = np.arange(120, dtype=np.int16).reshape(6, 5, 4)
    image = nib.Nifti1Image(array, np.diag([-1.0, 1.0, 2.0, 1.0]))
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    return bytearray(image.to_bytes())


@pytest.fixture
def write(tmp_path, content):
    """Writes the sound file with some bytes changed: ``write({offset: ("<h", values)})``."""

    def to(changes=None, *, name="v.nii.gz", cut=None):
        data = bytearray(content)
        for offset, (code, values) in (changes or {}).items():
            struct.pack_into(code, data, offset, *values)
        data = gzip.compress(bytes(data)) if name.endswith(".gz") else bytes(data)
        (tmp_path / name).write_bytes(data[:cut])
        return tmp_path / name

    return to


def refused(path, field=None, **options):
    with pytest.raises(DataError) as caught:
        load_volume(path, **options)
    assert caught.value.path == path
    assert caught.value.field == field
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_a_sound_file_is_read_with_its_hash(write, name):
    path = write(name=name)
    volume = load_volume(path)
    np.testing.assert_array_equal(volume.array, np.arange(120).reshape(6, 5, 4))
    assert volume.array.dtype == np.int16
    assert volume.flags == ()
    assert volume.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert volume.grid.orientation == "LAS"


def test_a_truncated_gz_is_refused(write):
    assert "damaged" in refused(write(cut=-30), "gzip")


def test_a_truncated_nii_is_refused(write):
    assert "shorter than its header promises" in refused(write(name="v.nii", cut=-30), "size")


@pytest.mark.parametrize("place", [-8, -4], ids=["checksum", "length"])
def test_a_wrong_checksum_or_length_is_refused(write, place):
    path = write()
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    refused(path, "gzip")


def test_a_plain_file_named_gz_an_empty_and_a_missing_file_are_refused(tmp_path, content):
    (tmp_path / "plain.nii.gz").write_bytes(content)
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "text.nii").write_text("<html>not found</html>" * 40)
    assert "not gzip" in refused(tmp_path / "plain.nii.gz", "magic")
    assert "empty" in refused(tmp_path / "empty.nii.gz", "size")
    assert "not a NIfTI" in refused(tmp_path / "text.nii", "sizeof_hdr")
    assert "cannot be read" in refused(tmp_path / "missing.nii")
    assert "cannot be read" in refused(tmp_path)


def test_a_promise_above_the_limit_is_refused_before_allocation(write):
    path = write({DIM: ("<8h", (3, 32000, 32000, 32000, 1, 1, 1, 1))})
    assert "131,072.0 GB" in refused(path, "dim")
    assert "limit" in refused(write(), "dim", limit_gb=1e-7)


def test_a_promise_above_the_file_is_refused(write):
    refused(write({DIM: ("<8h", (3, 60, 50, 40, 1, 1, 1, 1))}), "size")


@pytest.mark.parametrize(
    "dim", [(3, -6, 5, 4), (3, 0, 5, 4), (0, 6, 5, 4), (9, 6, 5, 4), (2, 6, 20, 1), (1, 120, 1, 1)], ids=str
)
def test_impossible_dimensions_are_refused(write, dim):
    refused(write({DIM: ("<8h", (*dim, 1, 1, 1, 1))}), "dim")


def test_a_series_of_volumes_is_refused(write):
    assert "one 3-D volume" in refused(write({DIM: ("<8h", (4, 6, 5, 2, 2, 1, 1, 1))}), "dim")


@pytest.mark.parametrize(("code", "words"), [(128, "RGB"), (32, "complex"), (9999, "unknown"), (1, "unknown")])
def test_colours_complex_and_unknown_numbers_are_refused(write, code, words):
    message = refused(write({DATATYPE: ("<h", (code,))}), "datatype")
    assert words in message or code == 1


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), -1.0, 10.0])
def test_an_impossible_data_offset_is_refused(write, offset):
    refused(write({VOX_OFFSET: ("<f", (offset,))}), "vox_offset")


@pytest.mark.parametrize("size", [0.0, float("nan"), 80.0, 0.001])
def test_an_absurd_voxel_size_is_refused(write, size):
    refused(write({PIXDIM + 4: ("<f", (size,))}), "pixdim")


@pytest.mark.parametrize(
    "row",
    [
        (0.0,) * 12,
        (float("nan"),) * 12,
        (1.0, 0, 0, 0, 1.0, 0, 0, 0, 0, 0, 1.0, 0),
        (1.0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0),
    ],
    ids=["zero", "nan", "an axis of no length", "two axes in one direction"],
)
def test_a_singular_sform_is_refused_and_the_qform_only_offered(write, row):
    path = write({SROW: ("<12f", row)})
    assert "--repair-affine qform" in refused(path, "sform")
    volume = load_volume(path, repair_affine="qform")
    np.testing.assert_allclose(volume.grid.affine, np.diag([-1.0, 1.0, 2.0, 1.0]))
    assert "affine_from_qform" in volume.flags


def test_a_singular_sform_without_qform_has_no_repair(write):
    path = write({SROW: ("<12f", (0.0,) * 12), QFORM_CODE: ("<h", (0,))})
    assert "repair" not in refused(path, "sform", repair_affine="qform")


def test_what_is_unusual_but_usable_is_flagged(write):
    assert load_volume(write({QFORM_CODE: ("<hh", (0, 0))})).flags == ("no_orientation_codes",)
    assert load_volume(write({PIXDIM + 4: ("<f", (3.0,))})).flags == ("pixdim_differs_from_affine",)


def test_nan_follows_the_policy_and_is_counted(tmp_path):
    array = np.full((4, 4, 4), 5.0, dtype=np.float32)
    array[0, 0, 0], array[1, 1, 1] = np.nan, np.inf
    nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / "v.nii")
    assert "--nan zero" in refused(tmp_path / "v.nii", "voxels")
    for policy, value in (("zero", 0.0), ("median", 5.0)):
        volume = load_volume(tmp_path / "v.nii", nan=policy)
        assert volume.array[0, 0, 0] == volume.array[1, 1, 1] == value
        assert volume.flags == (f"nan_set_to_{policy}:2",)
    nib.save(nib.Nifti1Image(np.full((4, 4, 4), np.nan, np.float32), np.eye(4)), tmp_path / "v.nii")
    refused(tmp_path / "v.nii", "voxels", nan="zero")


def test_the_slope_of_the_header_is_applied(tmp_path):
    image = nib.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(2.0, -1.0)
    data = bytearray(image.to_bytes())
    struct.pack_into("<2f", data, 112, 2.0, -1.0)
    (tmp_path / "v.nii").write_bytes(data)
    array = load_volume(tmp_path / "v.nii").array
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array.ravel(), np.arange(8) * 2.0 - 1.0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_nifti2_and_both_byte_orders_are_read(tmp_path, order):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        header = kind.header_class(endianness=order)
        header.set_data_dtype(np.float32)
        nib.save(kind(array, np.eye(4), header), tmp_path / "v.nii")
        np.testing.assert_array_equal(load_volume(tmp_path / "v.nii").array, array)


def test_a_bad_argument_is_no_data_error(write):
    with pytest.raises(ValueError, match="got 'ignore'") as caught:
        load_volume(write(), nan="ignore")
    assert not isinstance(caught.value, DataError)


@pytest.mark.parametrize(
    "name", ["open_ms_cross/patient07/T1", "open_ms_long_raw/patient01/study2_FLAIR", "tcga_fg_6692/fla"]
)
def test_real_volumes_come_back_identical(tmp_path, name):
    path = SHARED / "data" / "mri" / f"{name}.nii.gz"
    if not path.is_file():
        pytest.skip(f"the shared volume {name} is not here")
    volume = load_volume(path)
    array, grid = volume.array, volume.grid
    grid.write_nifti(grid.to_canonical(array), tmp_path / "out.nii")
    before, after = nib.load(path), nib.load(tmp_path / "out.nii")
    np.testing.assert_array_equal(before.affine, after.affine)
    np.testing.assert_array_equal(np.asarray(after.dataobj), array)
    assert before.header.get_zooms() == after.header.get_zooms()
    for field in ("qform_code", "sform_code", "xyzt_units"):
        assert before.header[field] == after.header[field]


XYZT_UNITS, SCL_SLOPE = 123, 112


@pytest.mark.parametrize("rank", [4, 5, 7])
def test_further_axes_of_1_are_no_series(write, rank):
    volume = load_volume(write({DIM: ("<8h", (rank, 6, 5, 4, 1, 1, 1, 1))}))
    assert volume.array.shape == (6, 5, 4)
    assert volume.grid.canonical_shape == (4, 5, 6)


@pytest.mark.parametrize(
    ("pixdim", "flags"),
    [((0, 1, 1, 2), ("qfac_counts_as_1",)), ((-1, 1, -1, 2), ("voxel_size_without_sign",))],
    ids=["qfac 0", "negative size"],
)
def test_a_qform_is_read_as_the_standard_says(write, pixdim, flags):
    path = write({SFORM_CODE: ("<h", (0,)), PIXDIM: ("<4f", pixdim)})
    volume = load_volume(path)
    assert volume.flags == flags
    np.testing.assert_allclose(volume.grid.affine, nib.load(path).affine)


@pytest.mark.parametrize("code", [6, 66, 136])
def test_units_that_the_standard_does_not_know_count_as_unknown(write, code):
    volume = load_volume(write({XYZT_UNITS: ("<B", (code,))}))
    assert f"unknown_units:{code}" in volume.flags
    assert volume.grid.spacing == (2, 1, 1)


def test_microns_are_millimetres_in_the_grid_and_microns_again_in_what_is_written(write, tmp_path):
    rows = (-1000, 0, 0, 0, 0, 1000, 0, 0, 0, 0, 2000, 0)
    path = write({XYZT_UNITS: ("<B", (3,)), PIXDIM: ("<4f", (-1, 1000, 1000, 2000)), SROW: ("<12f", rows)})
    volume = load_volume(path)
    assert volume.grid.spacing == (2, 1, 1)
    volume.grid.write_nifti(volume.grid.to_canonical(volume.array), tmp_path / "back.nii")
    np.testing.assert_array_equal(nib.load(tmp_path / "back.nii").affine, nib.load(path).affine)


def test_the_budget_counts_what_becomes_of_the_voxels(write):
    stored = 352 + 240
    load_volume(write(), limit_gb=(stored + 240) / 1e9)
    scaled = write({SCL_SLOPE: ("<2f", (0.5, 1.0))})
    assert "raise --limit-gb" in refused(scaled, "dim", limit_gb=(stored + 240) / 1e9)
    np.testing.assert_array_equal(load_volume(scaled).array, np.arange(120).reshape(6, 5, 4) * 0.5 + 1)


def test_a_repaired_affine_is_what_is_written_back(write, tmp_path):
    path = write({SROW: ("<12f", (0,) * 12)})
    volume = load_volume(path, repair_affine="qform")
    volume.grid.write_nifti(volume.grid.to_canonical(volume.array), tmp_path / "back.nii")
    back = nib.load(tmp_path / "back.nii")
    np.testing.assert_allclose(back.affine, np.diag([-1, 1, 2, 1]))
    np.testing.assert_allclose(back.header.get_sform(), back.header.get_qform(), atol=1e-6)
