"""Whose DICOM series are: the folders and PatientID are held against each other; no identifier is kept."""

from __future__ import annotations

import pytest

from medmae.data.identity.given import Given
from medmae.data.volumes.layouts import find_cases
from medmae.data.volumes.series import find_series
from medmae.errors import DataError

pydicom = pytest.importorskip("pydicom", reason="writing DICOM needs pydicom, of the prep extra")
pytest.importorskip("SimpleITK", reason="DICOM needs SimpleITK, of the prep extra")

MR = "1.2.840.10008.5.1.4.1.1.4"


def series(folder, *, patient, study, number, words, agent=None, slices=2, **tags):
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
        data.InstanceNumber = place + 1
        for name, value in tags.items():
            setattr(data, name, value)
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


def test_broken_files_of_a_flat_folder_cost_nobody_else_and_are_listed(tmp_path):
    root = write(tmp_path / "export", ".")
    for number in range(3):
        (root / f"broken{number}.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes(range(40)))
    (root / "0-1.txt").write_text("first of all")
    found = find_cases(root)
    assert [len(case.files) for case in found.cases] == [4] * 3
    damaged = sorted(one.path.name for one in found.left_out if one.damaged)
    assert damaged == [f"broken{n}.dcm" for n in range(3)]
    assert [one.path.name for one in found.left_out if not one.damaged] == ["0-1.txt"]


def test_a_table_names_series_of_a_flat_folder_by_their_uids(tmp_path):
    root = write(tmp_path / "export", "ward", patient="ANONYMOUS")
    table = tmp_path / "who.csv"
    names = {f"1.2.3.{p}.{n}": f"P{p}" for p in range(1, 4) for n in (3, 5)}
    for prefix in ("", "ward/"):
        table.write_text("path,subject\n" + "".join(f"{prefix}{uid},{name}\n" for uid, name in names.items()))
        cases = find_cases(root, given=Given(subjects=table)).cases
        assert [case.subject for case in cases] == ["P1", "P2", "P3"]
    table.write_text("path,subject\n1.2.3.1,P1\n")  # the beginning of an UID is not that UID
    with pytest.raises(DataError, match="no subject for 6 paths"):
        find_cases(root, given=Given(subjects=table))


def test_a_line_of_a_table_means_one_series_of_its_folder(tmp_path):
    write(tmp_path / "export", ".")
    table = tmp_path / "cases.csv"
    table.write_text("subject,contrast,path,series\na,T1,export,1.2.3.1.3\na,FLAIR,export,1.2.3.1.5\nb,T1,export,\n")
    one, other = find_cases(table).cases
    assert [[file.name for file in source.files] for source in one.contrasts] == [
        ["1-5-0.dcm", "1-5-1.dcm"],
        ["1-3-0.dcm", "1-3-1.dcm"],
    ]
    assert other.fault is not None
    assert "SeriesInstanceUID" in str(other.fault)


def test_two_series_of_one_contrast_are_named_by_their_files(tmp_path):
    write(tmp_path / "export", ".")
    series(tmp_path / "export", patient="ID1", study=1, number=7, words="T1 axial")
    (case,) = [case for case in find_cases(tmp_path / "export").cases if case.lost]
    assert [source.name for source in case.contrasts] == ["FLAIR"]
    assert "1-3-0.dcm and 1-7-0.dcm" in str(case.lost[0].error)
    assert "series" in str(case.lost[0].error.remedy)


def flags_of(folder):
    return {source.name: source.flags for case in find_cases(folder).cases for source in case.contrasts}


@pytest.mark.parametrize("broken", ["empty", "zeros", "cut in its header", "without the series"])
def test_a_broken_slice_at_the_end_of_a_series_is_told_where_no_gap_shows_it(broken, tmp_path):
    series(tmp_path / "P1" / "T1", patient="a", study=1, number=3, words="T1", slices=5)
    series(tmp_path / "P1" / "T2", patient="a", study=1, number=4, words="T2", slices=5)
    last = tmp_path / "P1" / "T1" / "1-3-4.dcm"
    whole = last.read_bytes()
    cut = whole[: whole.rindex(b"1.2.3.1.3") + 20]  # behind the series' UID
    content = {"empty": b"", "zeros": bytes(400), "cut in its header": cut, "without the series": whole[:200]}
    last.write_bytes(content[broken])
    assert flags_of(tmp_path) == {"T1": ("unreadable_slices:1",), "T2": ()}
    (damaged,) = [one for one in find_cases(tmp_path).left_out if one.damaged]
    assert damaged.path == last


def test_copies_of_slices_are_left_out_and_told_and_others_of_one_uid_are_not(tmp_path):
    series(tmp_path / "P1" / "T1", patient="a", study=1, number=3, words="T1", slices=5)
    for path in sorted((tmp_path / "P1" / "T1").iterdir()):
        (path.parent / f"copy of {path.name}").write_bytes(path.read_bytes())
    (source,) = find_cases(tmp_path).cases[0].contrasts
    assert (len(source.files), source.flags) == (5, ())
    told = {one.path.name: one.why for one in find_cases(tmp_path).left_out}
    assert told == {f"1-3-{n}.dcm": f"a copy of an image beside it: copy of 1-3-{n}.dcm" for n in range(5)} or told == {
        f"copy of 1-3-{n}.dcm": f"a copy of an image beside it: 1-3-{n}.dcm" for n in range(5)
    }
    other = tmp_path / "P1" / "T1" / "copy of 1-3-0.dcm"
    other.write_bytes(other.read_bytes()[:-1] + b"\1")  # the same UID, another image
    assert len(find_cases(tmp_path).cases[0].contrasts[0].files) == 6


def test_a_slice_of_another_patient_is_not_of_the_series(tmp_path):
    series(tmp_path / "P1" / "T1", patient="a", study=1, number=3, words="T1", slices=5)
    series(tmp_path / "x", patient="b", study=1, number=3, words="T1", slices=5)
    (tmp_path / "x" / "1-3-4.dcm").replace(tmp_path / "P1" / "T1" / "1-3-4.dcm")
    for path in (tmp_path / "x").iterdir():
        path.unlink()
    found = find_cases(tmp_path)
    assert [(one.path.name, one.damaged) for one in found.left_out] == [("1-3-4.dcm", True)]
    assert found.cases[0].contrasts[0].flags == ("unreadable_slices:1",)
    with pytest.raises(DataError, match="its PatientID is another one than that of its series"):
        find_series(tmp_path / "P1" / "T1")


def test_slices_that_are_not_there_at_all_are_told_by_their_numbers(tmp_path):
    series(tmp_path / "P1" / "T1", patient="a", study=1, number=3, words="T1", slices=5)
    series(tmp_path / "P1" / "T2", patient="a", study=1, number=4, words="T2", slices=5, ImagesInAcquisition=5)
    (tmp_path / "P1" / "T1" / "1-3-0.dcm").unlink()
    (tmp_path / "P1" / "T2" / "1-4-4.dcm").unlink()
    assert flags_of(tmp_path) == {"T1": ("instances:2-5",), "T2": ("slices:4/5",)}


def test_a_damaged_file_of_a_flat_folder_may_be_of_any_series_that_is_not_complete(tmp_path):
    for number, words in ((3, "T1"), (4, "T2"), (5, "T2 FLAIR")):
        promised = 5 if number == 4 else ""
        series(tmp_path, patient="a", study=1, number=number, words=words, slices=5, ImagesInAcquisition=promised)
    (tmp_path / "1-3-4.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes(range(40)))
    assert flags_of(tmp_path) == {"T1": ("unreadable_slices:1",), "T2": (), "FLAIR": ("unreadable_slices:1",)}


@pytest.mark.parametrize("suffix", ["", ".dicom", ".ima", ".MR"])
def test_dicom_is_known_by_its_bytes_with_or_without_preamble(suffix, tmp_path):
    folder = tmp_path / "P1" / "T1"
    series(folder, patient="a", study=1, number=3, words="T1", slices=3)
    (folder / "0-a.txt").write_text("a")
    (folder / "0-b.txt").write_text("b")
    (folder / "0-c.txt").write_text("c")
    for number, path in enumerate(sorted(folder.glob("*.dcm"))):
        path.write_bytes(path.read_bytes()[132 if number else 0 :])
        path.rename(path.with_suffix(suffix))
    (case,) = find_cases(tmp_path).cases
    assert len(case.contrasts[0].files) == 3


def test_series_of_equal_words_are_runs_by_their_numbers_and_others_are_a_doubt(tmp_path):
    for number, words in ((3, "T1 axial"), (7, "T1 axial"), (5, "T2")):
        series(tmp_path / "P1", patient="a", study=1, number=number, words=words, SeriesNumber=number)
    (case,) = find_cases(tmp_path, run="last").cases
    assert [(one.name, one.flags, one.files[0].name) for one in case.contrasts] == [
        ("T1", ("run:2/2",), "1-7-0.dcm"),
        ("T2", (), "1-5-0.dcm"),
    ]
    series(tmp_path / "P1", patient="a", study=1, number=9, words="T1 sagittal", SeriesNumber=9)
    (case,) = find_cases(tmp_path, run="last").cases
    assert [one.name for one in case.contrasts] == ["T2"]
    assert len(case.lost) == 3


def test_a_table_takes_a_map_or_a_localiser_for_what_it_says(tmp_path):
    root = write(tmp_path / "export", "P{p}/{n}")
    series(root / "P1" / "9", patient="ID1", study=1, number=9, words="T1 map")
    assert "a quantitative map, and no image" in {one.why for one in find_cases(root).left_out}
    table = tmp_path / "who.csv"
    table.write_text("path,subject,contrast\nP1,a,\nP2,b,\nP3,c,\nP1/9,a,T1map\n")
    found = find_cases(root, given=Given(subjects=table))
    assert [source.name for source in found.cases[0].contrasts] == ["FLAIR", "T1", "T1MAP"]
    assert found.left_out == []


def test_a_mask_of_nifti_beside_a_series_is_no_image_that_was_converted_from_it(tmp_path):
    series(tmp_path / "P1" / "T1", patient="a", study=1, number=3, words="T1")
    (tmp_path / "P1" / "T1" / "lesion_mask.nii.gz").touch()
    (case,) = find_cases(tmp_path).cases
    assert ([one.name for one in case.contrasts], [one.name for one in case.labels]) == (["T1"], ["lesion_mask"])
