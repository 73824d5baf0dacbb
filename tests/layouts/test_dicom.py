"""Whose DICOM series are: the folders and PatientID are held against each other; no identifier is kept."""

from __future__ import annotations

import pytest

from medmae.data.identity.given import Given
from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError

pydicom = pytest.importorskip("pydicom", reason="writing DICOM needs pydicom, of the prep extra")
pytest.importorskip("SimpleITK", reason="DICOM needs SimpleITK, of the prep extra")

MR = "1.2.840.10008.5.1.4.1.1.4"


def series(folder, *, patient, study, number, words, agent=None, slices=2):
    """A series of a few tiny slices."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in range(slices):
        uid = f"1.2.3.{study}.{number}.{place + 1}"
        meta = pydicom.dataset.FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MR, uid
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID, data.Modality = MR, uid, "MR"
        data.PatientID, data.SeriesDescription = patient, words
        data.StudyInstanceUID, data.SeriesInstanceUID = f"1.2.3.{study}", f"1.2.3.{study}.{number}"
        data.ImageOrientationPatient, data.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, place]
        data.PixelSpacing, data.Rows, data.Columns, data.SamplesPerPixel = [1, 1], 2, 2, 1
        data.PhotometricInterpretation, data.BitsAllocated, data.BitsStored, data.HighBit = "MONOCHROME2", 16, 16, 15
        data.PixelRepresentation, data.PixelData = 0, bytes(8)
        if agent:
            data.ContrastBolusAgent = agent
        data.save_as(folder / f"{study}-{number}-{place}.dcm", enforce_file_format=True)


def write(root, layout, *, patient="ID{p}"):
    for p in range(1, 4):
        for n, words in ((3, "T1 axial"), (5, "T2 FLAIR")):
            where = root / layout.format(p=p, n=n, words=words)
            series(where, patient=patient.format(p=p), study=p, number=n, words=words)
    return root


@pytest.mark.parametrize(
    ("layout", "subject"),
    [
        ("PAT-0{p}/01-01-2001-NA-BRAIN-1234{p}/{n}.000000-{words}-4002{n}", "PAT-0{p}"),  # TCIA
        ("PA00000{p}/ST000001/SE00000{n}", "PA00000{p}"),  # DICOMDIR media
        ("Smith{p}/2001-01-0{p}/{words}", "Smith{p}"),
        ("KKI{p}/17{p}{n}", "KKI{p}"),  # nothing in the names says it: PatientID does
    ],
)
@pytest.mark.parametrize("patient", ["ID{p}", "ANONYMOUS"])
def test_patient_study_series(layout, subject, patient, tmp_path):
    if patient == "ANONYMOUS" and subject == "KKI{p}":
        with pytest.raises(DataError, match="3 subjects, such as KKI"):
            find_cases(write(tmp_path, layout, patient=patient))
        return
    cases = find_cases(write(tmp_path, layout, patient=patient)).cases
    assert [case.subject for case in cases] == [subject.format(p=p) for p in range(1, 4)]
    assert [[source.name for source in case.contrasts] for case in cases] == [["FLAIR", "T1"]] * 3


def test_a_flat_folder_of_many_patients_is_told_apart_by_patient_and_study(tmp_path):
    cases = find_cases(write(tmp_path / "export", "."), salt=tmp_path / "salt").cases
    assert len({case.subject for case in cases}) == 3
    assert all(case.subject.startswith("id-") and "ID" not in case.subject for case in cases)
    assert [[source.name for source in case.contrasts] for case in cases] == [["FLAIR", "T1"]] * 3
    again = find_cases(tmp_path / "export", salt=tmp_path / "salt").cases
    assert [case.subject for case in again] == [case.subject for case in cases]
    assert (tmp_path / "salt").stat().st_mode & 0o077 == 0


def test_folders_and_patientid_that_disagree_are_refused_with_both(tmp_path):
    write(tmp_path, "P{p}/{words}", patient="ID{p}")
    series(tmp_path / "P4" / "T1", patient="ID1", study=9, number=1, words="T1")
    with pytest.raises(DataError, match="4 subjects, as the folders say, or 3 subjects, as PatientID says") as caught:
        find_cases(tmp_path)
    assert "ID1" not in str(caught.value)
    assert len({case.subject for case in find_cases(tmp_path, given=Given(subject_from="PatientID")).cases}) == 3
    assert len({case.subject for case in find_cases(tmp_path, given=Given(subject_from="^([^/]+)")).cases}) == 4


def test_an_agent_in_the_header_makes_a_t1_one_with_contrast(tmp_path):
    series(tmp_path / "P1" / "3", patient="a", study=1, number=3, words="Ax T1")
    series(tmp_path / "P1" / "4", patient="a", study=1, number=4, words="Ax T1", agent="Gadovist")
    (case,) = find_cases(tmp_path).cases
    assert [source.name for source in case.contrasts] == ["T1", "T1CE"]
