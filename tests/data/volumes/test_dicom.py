from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from medmae.data.volumes.dicom import find_series, is_dicom, load_series
from medmae.data.volumes.grid import Grid
from medmae.errors import DataError

sitk = pytest.importorskip("SimpleITK")
SHARED = Path(os.environ.get("MEDMAE_SHARED", Path(__file__).parents[4] / "shared"))
SERIES = "1.2.826.0.1.3680043.2.1125.7"


def write_series(folder, *, slices=5, missing=(), turn=None, drift=0.0):
    """Writes an MR series of 8 x 6 pixels, 1 x 1 x 2.5 mm, file names against the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    volume = np.random.default_rng(0).integers(0, 900, (slices, 8, 6)).astype(np.int16)
    for z in set(range(slices)) - set(missing):
        image = sitk.GetImageFromArray(volume[z][None])
        image.SetSpacing((1.0, 1.0, 2.5))
        image.SetOrigin((-10.0, -20.0 + drift * z, 5.0 + 2.5 * z))
        if turn and z == turn:
            image.SetDirection((0.0, 1, 0, -1, 0, 0, 0, 0, 1))
        for tag, value in {
            "0008|103e": "t2_tse_tra",
            "0010|0010": "Doe^Jane",
            "0020|000e": SERIES,
            "0008|0060": "MR",
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
    shutil.copy(tmp_path / "s" / "002.dcm", tmp_path / "s" / "copy.dcm")
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
    with pytest.raises(DataError, match="larger than the limit"):
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
