"""Where subjects come from is said by files or users, travels with rows, and is not contradicted in silence."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from data_prep.mr import prepare
from data_prep.tiles import prepare as prepare_tiles
from medmae.data import Manifest
from medmae.data.origin import origins_of
from medmae.data.volumes.cases import VolumeCases
from medmae.data.volumes.origin import SIMULATED, declared_origin
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data


def volume(path, *, descrip=b"", kind=nib.Nifti1Image, seed=0):
    data = np.random.default_rng(seed).integers(1, 900, (8, 10, 4)).astype(np.int16)
    data[:2] = 0
    image = kind(data, np.diag([1.0, 1.0, 2.0, 1.0]))
    image.header["descrip"] = descrip
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def cohort(folder, *, simulated):
    """Three subjects, of whom some say that they are simulated."""
    for number in range(3):
        name = f"p{number}"
        volume(folder / name / "T1.nii.gz", descrip=SIMULATED if name in simulated else b"a scanner", seed=number)
    return folder


def prepared(source, out, **options):
    return Manifest.read(prepare(source=source, out=out, workers=0, **options).manifest)


@pytest.mark.parametrize("name", ["T1.nii", "T1.nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_header_that_says_simulated_is_believed_whatever_its_file_is_called(name, kind, tmp_path):
    mark = SIMULATED
    path = volume(tmp_path / "real_patient" / name, descrip=mark, kind=kind)
    assert declared_origin([Source("T1", path)]) == "simulated"
    other = volume(tmp_path / "simulated_synthetic" / name, descrip=b"a scanner", kind=kind)
    assert declared_origin([Source("T1", other)]) is None


def test_dicom_says_it_by_its_tag(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    def written(name, synthetic):
        data = pydicom.Dataset()
        data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, generate_uid()
        data.Rows = data.Columns = 4
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
        data.PhotometricInterpretation = "MONOCHROME2"
        data.PixelData = np.arange(16, dtype=np.uint16).tobytes()
        data.add_new(0x0008001C, "CS", synthetic)
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = MRImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(tmp_path / name, enforce_file_format=True)
        return Source("T1", tmp_path, (tmp_path / name,))

    assert declared_origin([written("a.dcm", "YES")]) == "simulated"
    assert declared_origin([written("b.dcm", "NO")]) is None


def test_a_file_that_cannot_be_read_says_nothing(tmp_path):
    (tmp_path / "T1.nii.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert declared_origin([Source("T1", tmp_path / "T1.nii.gz"), Source("T2", tmp_path / "missing.nii")]) is None


def test_rows_records_and_kept_cases_say_what_files_declare(tmp_path):
    source = cohort(tmp_path / "raw", simulated={"p1"})
    manifest = prepared(source, tmp_path / "out")
    assert [row.get("origin") for row in manifest] == [None, "simulated", None]
    assert summarise_data(tmp_path / "out")["origins"] == {"simulated": ["p1"]}
    assert [row.get("origin") for row in prepared(source, tmp_path / "out")] == [None, "simulated", None]  # all kept
    assert VolumeCases(source=source, contrasts=["T1"])[1].origin == "simulated"


def test_what_a_user_says_stands_in_every_row_and_contradicts_no_file(tmp_path):
    source = cohort(tmp_path / "raw", simulated=set())
    assert {row["origin"] for row in prepared(source, tmp_path / "a", origin="real")} == {"real"}
    assert {row["origin"] for row in prepared(source, tmp_path / "b", origin="simulated")} == {"simulated"}
    mixed = cohort(tmp_path / "mixed", simulated={"p2"})
    with pytest.raises(DataError, match="the files of p2 say that their subject is simulated"):
        prepared(mixed, tmp_path / "c", origin="real")
    with pytest.raises(ValueError, match="origin"):
        prepared(source, tmp_path / "d", origin="phantom")
    assert not (tmp_path / "d").exists()


def test_other_preparations_carry_it_too(tmp_path):
    from PIL import Image

    for number in range(4):
        path = tmp_path / "raw" / "a" / f"p{number}_1.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (6, 5, 3), dtype=np.uint8)).save(path)
    made = prepare_tiles(
        source=tmp_path / "raw", out=tmp_path / "out", workers=0, subject_from=r"^(p\d)", origin="simulated"
    )
    assert {row["origin"] for row in Manifest.read(made.manifest)} == {"simulated"}


def test_a_manifest_with_an_unknown_origin_is_refused(tmp_path):
    manifest = prepared(cohort(tmp_path / "raw", simulated=set()), tmp_path / "out", origin="real")
    lines = [{**json.loads(line), "origin": "dreamt"} for line in manifest.path.read_text().splitlines()]
    manifest.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DataError, match="origin 'dreamt' is not one of real, simulated"):
        Manifest.read(manifest.path)


def test_subjects_are_listed_by_origin():
    rows = [{"subject": "b", "origin": "real"}, {"subject": "a", "origin": "real"}, {"subject": "c"}]
    assert origins_of([*rows, rows[0]]) == {"real": ["a", "b"]}
