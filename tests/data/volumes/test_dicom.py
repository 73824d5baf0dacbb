from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from medmae.data.volumes.dicom import is_dicom, load_image, load_series
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.series import find_series
from medmae.errors import DataError

sitk = pytest.importorskip("SimpleITK")
SHARED = Path(os.environ.get("MEDMAE_SHARED", Path(__file__).parents[4] / "shared"))
SERIES = "1.2.826.0.1.3680043.2.1125.7"


def write_series(folder, *, slices=5, missing=(), turn=None, drift=0.0, modality="MR", words="t2_tse_tra"):
    """Writes a series of 8 x 6 pixels, 1 x 1 x 2.5 mm, file names against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    volume = np.random.default_rng(0).integers(0, 900, (slices, 8, 6)).astype(np.int16)
    for z in set(range(slices)) - set(missing):
        image = sitk.GetImageFromArray(volume[z][None])
        image.SetSpacing((1.0, 1.0, 2.5))
        image.SetOrigin((-10.0, -20.0 + drift * z, 5.0 + 2.5 * z))
        if turn and z == turn:
            image.SetDirection((0.0, 1, 0, -1, 0, 0, 0, 0, 1))
        for tag, value in {
            "0008|103e": words,
            "0010|0010": "Doe^Jane",
            "0020|000e": SERIES,
            "0008|0060": modality,
        }.items():
            image.SetMetaData(tag, value)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{slices - z:03d}.dcm"))
        writer.Execute(image)
    return volume


def only(folder):
    (series,) = find_series(folder).values()
    return series.named.name, series.files


def test_a_series_becomes_a_volume_sorted_by_position(tmp_path):
    wanted = write_series(tmp_path / "s")
    _, files = only(tmp_path / "s")
    volume = load_series(reversed(files))
    np.testing.assert_array_equal(volume.array.transpose(2, 1, 0), wanted)
    assert volume.grid.orientation == "LPS"
    assert volume.grid.spacing == pytest.approx((2.5, 1.0, 1.0))
    np.testing.assert_allclose(np.asarray(volume.grid.affine)[:3, 3], (10.0, 20.0, 5.0))
    np.testing.assert_array_equal(volume.grid.to_canonical(volume.array), wanted)


@pytest.mark.parametrize("words", ["T1 vertebra", "spine T2 post", "Abdomen", ""])
def test_a_ct_is_a_ct_whatever_its_description_mentions(tmp_path, words):
    write_series(tmp_path / "s", modality="CT", words=words)
    assert only(tmp_path / "s")[0] == "CT"


def test_no_name_of_a_patient_travels(tmp_path):
    write_series(tmp_path / "s")
    words, files = only(tmp_path / "s")
    volume = load_series(files)
    volume.grid.write_nifti(volume.grid.to_canonical(volume.array), tmp_path / "out.nii")
    for text in (words, json.dumps(volume.grid.to_dict()), (tmp_path / "out.nii").read_bytes().decode("latin-1")):
        assert "Doe" not in text
        assert "Jane" not in text


def test_the_hash_depends_on_content_and_not_on_names(tmp_path):
    write_series(tmp_path / "s")
    files = only(tmp_path / "s")[1]
    before = load_series(files).sha256
    for number, file in enumerate(files):
        shutil.move(file, tmp_path / "s" / f"renamed{number}")
    assert load_series(only(tmp_path / "s")[1]).sha256 == before


def test_a_missing_slice_is_refused(tmp_path):
    write_series(tmp_path / "s", missing=(2,))
    with pytest.raises(DataError, match=r"not evenly spaced: 5\.000 mm where 2\.500 mm"):
        load_series(only(tmp_path / "s")[1])


def test_a_repeated_slice_is_refused(tmp_path):
    write_series(tmp_path / "s")
    pydicom = pytest.importorskip("pydicom")
    again = pydicom.dcmread(tmp_path / "s" / "002.dcm")
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    again.save_as(tmp_path / "s" / "again.dcm")
    with pytest.raises(DataError, match="not evenly spaced"):
        load_series(only(tmp_path / "s")[1])


def test_a_turned_slice_and_a_tilted_gantry_are_refused(tmp_path):
    write_series(tmp_path / "turned", turn=3)
    with pytest.raises(DataError, match="differ in direction"):
        load_series(only(tmp_path / "turned")[1])
    write_series(tmp_path / "tilted", drift=1.0)
    with pytest.raises(DataError, match="tilted gantry"):
        load_series(only(tmp_path / "tilted")[1])


def test_one_slice_and_too_many_pixels_are_refused(tmp_path):
    write_series(tmp_path / "s")
    files = only(tmp_path / "s")[1]
    with pytest.raises(DataError, match="at least two slices"):
        load_series(files[:1])
    with pytest.raises(DataError, match="the limit is"):
        load_series(files, limit_gb=1e-9)


def test_a_damaged_file_is_named(tmp_path):
    write_series(tmp_path / "s")
    files = only(tmp_path / "s")[1]
    files[2].write_bytes(files[2].read_bytes()[:200])
    with pytest.raises(DataError, match=files[2].name):
        load_series(files)


def test_other_files_are_no_dicom(tmp_path):
    (tmp_path / "LICENSE").write_text("x" * 500)
    assert not is_dicom(tmp_path / "LICENSE")
    assert not is_dicom(tmp_path)
    assert find_series(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "shape", "codes"), [("t1_dicom_16slices", (16, 384, 274), "LPS"), ("torchio_dicom", (17, 128, 88), "RAS")]
)
def test_real_series_are_read(name, shape, codes):
    folder = SHARED / "data" / "ct_dicom" / name
    if not folder.is_dir():
        pytest.skip(f"the shared series {name} is not here")
    volume = load_series(only(folder)[1])
    assert volume.grid.canonical_shape == shape
    assert volume.grid.orientation == codes
    assert Grid.from_dict(volume.grid.to_dict()) == volume.grid


@pytest.mark.parametrize(
    "codec", ["RLE", "bigendian", "expb", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"]
)
def test_one_image_in_each_lossless_codec_is_the_same_image(codec):
    pydicom = pytest.importorskip("pydicom")
    folder = Path(pydicom.__file__).parent / "data" / "test_files"  # they come with pydicom
    np.testing.assert_array_equal(load_image(folder / f"MR_small_{codec}.dcm"), load_image(folder / "MR_small.dcm"))


def edited(folder, edit):
    """Changes the data sets of a series one by one: ``edit(data, number)``."""
    pydicom = pytest.importorskip("pydicom")
    for number, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        data = pydicom.dcmread(path)
        edit(data, number)
        data.save_as(path)


def test_slices_of_different_scales_keep_their_fractions(tmp_path):
    stored = write_series(tmp_path / "s")
    slopes = [1, 0.01, 0.5, 0.001, 2]

    def scale(data, number):
        data.RescaleSlope, data.RescaleIntercept = slopes[number], 0

    edited(tmp_path / "s", scale)
    array = load_series(only(tmp_path / "s")[1]).array.transpose(2, 1, 0)
    np.testing.assert_allclose(array, stored * np.array(slopes)[:, None, None], rtol=1e-6)


def test_fewer_pixels_than_promised_are_refused(tmp_path):
    write_series(tmp_path / "s")

    def shorten(data, number):
        data.PixelData = data.PixelData[: 96 if number != 2 else 24]

    edited(tmp_path / "s", shorten)
    files = only(tmp_path / "s")[1]
    with pytest.raises(DataError, match="take 96 bytes, and 24 are there") as caught:
        load_series(files)
    assert caught.value.path == sorted(files)[2]
    with pytest.raises(DataError, match="24 are there"):
        load_image(caught.value.path)
    cut = files[0]
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(DataError, match=cut.name):
        load_image(cut)


@pytest.mark.parametrize("syntax", [None, "1.2.840.10008.1.2.1.99"], ids=["plain", "deflated"])
def test_an_image_that_claims_more_than_the_budget_is_refused(tmp_path, syntax):
    write_series(tmp_path / "s")

    def enlarge(data, number):
        data.Rows = data.Columns = 65535
        if syntax is not None:
            data.file_meta.TransferSyntaxUID = syntax

    edited(tmp_path / "s", enlarge)
    with pytest.raises(DataError, match=r"promises 25\.8 GB"):
        load_image(sorted((tmp_path / "s").iterdir())[0])


def test_a_file_without_its_preamble_is_dicom_and_other_files_are_not(tmp_path):
    wanted = write_series(tmp_path / "s")
    for path in (tmp_path / "s").iterdir():
        path.write_bytes(path.read_bytes()[132:])
        path.rename(path.with_suffix(""))
    np.testing.assert_array_equal(load_series(only(tmp_path / "s")[1]).array.transpose(2, 1, 0), wanted)
    for content in (b"", b"hello", b"\x08\x00" * 80, b"\x89PNG" + bytes(200)):
        (tmp_path / "a").write_bytes(content)
        assert not is_dicom(tmp_path / "a")


def test_files_without_an_image_are_left_out_of_a_folder_s_series(tmp_path):
    write_series(tmp_path / "s")
    (tmp_path / "s" / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + b"nothing else")
    left = []
    (series,) = find_series(tmp_path / "s", left=left).values()
    assert len(series.files) == 5
    assert [(one.path.name, one.damaged) for one in left] == [("DICOMDIR", False)]
    with pytest.raises(DataError, match="DICOMDIR"):
        find_series(tmp_path / "s")
