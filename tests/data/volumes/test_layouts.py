from __future__ import annotations

import pytest

from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def described(found):
    return {
        case.case: (case.subject, case.session, [s.name for s in case.contrasts], [s.name for s in case.labels])
        for case in found.cases
    }


def test_bids(tmp_path):
    touch(
        tmp_path,
        "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_ce-gad_T1w.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_FLAIR.nii",
        "sub-02/anat/sub-02_T2w.nii.gz",
        "sub-02/anat/sub-02_defacemask.nii.gz",
        "sub-02/func/sub-02_task-rest_bold.nii.gz",
        "derivatives/seg/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
        "derivatives/n4/sub-02/anat/sub-02_desc-n4_T2w.nii.gz",
    )
    found = find_cases(tmp_path)
    assert described(found) == {
        "sub-01_ses-1": ("sub-01", "ses-1", ["T1", "T1CE"], []),
        "sub-01_ses-2": ("sub-01", "ses-2", ["FLAIR"], []),
        "sub-02": ("sub-02", None, ["T2"], ["lesion_mask"]),
    }
    assert {one.path.name: one.why for one in found.left_out} == {
        "sub-02_defacemask.nii.gz": "a quantitative map, and no image",
        "sub-02_task-rest_bold.nii.gz": "a localiser, functional, diffusion or other series",
        "sub-02_desc-n4_T2w.nii.gz": "an image of BIDS derivatives",
    }


def test_folders_named_by_case_as_in_brats(tmp_path):
    touch(
        tmp_path,
        *(f"BraTS20_Training_{n}/BraTS20_Training_{n}_{c}.nii" for n in ("001", "002") for c in ("t1", "t1ce", "seg")),
    )
    assert described(find_cases(tmp_path)) == {
        f"BraTS20_Training_{n}": (f"BraTS20_Training_{n}", None, ["T1", "T1CE"], ["seg"]) for n in ("001", "002")
    }


def test_a_label_named_otherwise_joins_the_case_of_its_folder_and_shifts_no_other(tmp_path):
    """BraTS20 case 355, whose label breaks every pairing by sorted globs."""
    for n in ("354", "355", "356"):
        touch(tmp_path, f"c{n}/c{n}_t1.nii", f"c{n}/c{n}_seg.nii" if n != "355" else "c355/W39_1998.09.19_Segm.nii")
    labels = {case.case: [s.path.name for s in case.labels] for case in find_cases(tmp_path).cases}
    assert labels == {"c354": ["c354_seg.nii"], "c355": ["W39_1998.09.19_Segm.nii"], "c356": ["c356_seg.nii"]}


def test_plain_names_sessions_and_flat_folders(tmp_path):
    touch(tmp_path / "a", "p1/T1.nii.gz", "p1/GOLD_STANDARD.nii.gz", "p2_study2/FLAIR.nii.gz")
    touch(tmp_path / "b", "p1/study1_T1W.nii.gz", "p1/study2_T1W.nii.gz", "p1/p1_study3_T1W.nii.gz")
    touch(tmp_path / "c", "one_t1.nii.gz", "one_t2.nii.gz", "two_t1.nii.gz")
    touch(tmp_path / "d", "t1.nii.gz", "fla.nii.gz")
    touch(tmp_path / "e", "p1/T1/image.nii.gz", "p1/T2/image.nii.gz", "p1/other/image.nii.gz")
    assert list(described(find_cases(tmp_path / "a"))) == ["p1", "p2_study2"]
    assert [(c.subject, c.session) for c in find_cases(tmp_path / "b").cases] == [
        ("p1", "study1"),
        ("p1", "study2"),
        ("p1", "study3"),
    ]
    assert {name: case[2] for name, case in described(find_cases(tmp_path / "c")).items()} == {
        "one": ["T1", "T2"],
        "two": ["T1"],
    }
    assert described(find_cases(tmp_path / "d")) == {"d": ("d", None, ["FLAIR", "T1"], [])}
    found = find_cases(tmp_path / "e")
    assert described(found) == {"p1": ("p1", None, ["T1", "T2"], [])}
    assert [one.path.parent.name for one in found.left_out] == ["other"]


def test_cases_of_one_name_at_two_sites_are_refused_or_told_apart_and_stay_one_subject(tmp_path):
    touch(tmp_path, "siteA/p1/T1.nii", "siteB/p1/T1.nii", "siteB/p2/T1.nii")
    with pytest.raises(DataError, match="2 subjects, p1 being one, or 3 subjects, p1 of each parent"):
        find_cases(tmp_path)
    cases = find_cases(tmp_path, strict=False).cases
    assert len({case.case for case in cases}) == 3
    assert {case.subject for case in cases} == {"p1", "p2"}


def test_two_files_for_one_contrast_are_a_fault_of_the_case(tmp_path):
    touch(tmp_path, "p1/T1.nii.gz", "p1/T1_N4.nii.gz", "p2/T1.nii.gz")
    first, second = find_cases(tmp_path).cases
    assert "two files claim to be T1" in str(first.fault)
    assert second.fault is None


def test_of_one_name_in_several_formats_one_is_taken_and_the_others_are_told(tmp_path):
    names = ("T1.nii", "T1.nii.gz", "T1.mgz", "FLAIR.nrrd", "FLAIR.nii", "seg.nii", "seg.nii.gz")
    touch(tmp_path, *(f"p1/{name}" for name in names), "p1/ses/T1.nii")
    (case, _) = found = find_cases(tmp_path).cases
    assert [one.fault for one in found] == [None, None]
    assert sorted(one.path.name for one in (*case.contrasts, *case.labels)) == ["FLAIR.nii", "T1.nii.gz", "seg.nii.gz"]
    told = {one.path.name: one.why for one in find_cases(tmp_path).left_out}
    taken = {"T1.nii": "T1.nii.gz", "T1.mgz": "T1.nii.gz", "FLAIR.nrrd": "FLAIR.nii", "seg.nii": "seg.nii.gz"}
    assert told == {
        name: f"a copy, or the same name in another format, of what is taken: {other}" for name, other in taken.items()
    }


def test_what_a_file_manager_calls_a_copy_is_left_out_beside_its_original_and_else_an_image(tmp_path):
    touch(tmp_path, "p1/T1.nii", "p1/Copy of T1.nii", "p1/T1 - Kopie.nii", "p1/T1 - Copy (2).nii.gz")
    touch(tmp_path, "p2/Copy of T2.nii", "p2/T1.nii", "p2/seg.nii", "p2/seg - Copy.nii")
    found = find_cases(tmp_path)
    assert described(found) == {"p1": ("p1", None, ["T1"], []), "p2": ("p2", None, ["T1", "T2"], ["seg"])}
    assert [case.fault for case in found.cases] == [None, None]
    assert {source.path.name for case in found.cases for source in case.contrasts} == {"T1.nii", "Copy of T2.nii"}
    told = sorted(one.path.name for one in found.left_out)
    assert told == ["Copy of T1.nii", "T1 - Copy (2).nii.gz", "T1 - Kopie.nii", "seg - Copy.nii"]


def test_csv(tmp_path):
    touch(tmp_path, "x/1.nii.gz", "x/2.nii.gz", "x/3.nii.gz")
    table = tmp_path / "cases.csv"
    table.write_text(
        "Subject,session,contrast,path\na,,T1W,x/1.nii.gz\na,,seg,x/2.nii.gz\nb,s1,myelin,x/3.nii.gz\nc,,T1,gone.nii\n"
    )
    found = find_cases(table)
    assert described(found) == {
        "a": ("a", None, ["T1"], ["seg"]),
        "b_s1": ("b", "s1", ["MYELIN"], []),
        "c": ("c", None, [], []),
    }
    assert "line 5 of cases.csv names a file that does not exist" in str(found.cases[2].fault)


@pytest.mark.parametrize(
    ("text", "message"),
    [("id,path\n", "lacks columns"), ("subject,contrast,path\na,,x\n", "line 2 has an empty field")],
)
def test_a_bad_csv_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        find_cases(tmp_path / "t.csv")


def test_nothing_to_read_is_refused(tmp_path):
    touch(tmp_path / "a", "image1.nii.gz")
    with pytest.raises(DataError, match="1 file left out, a volume whose name tells no contrast"):
        find_cases(tmp_path / "a")
    with pytest.raises(DataError, match="no such file or folder"):
        find_cases(tmp_path / "b")
    with pytest.raises(DataError, match="a folder or a"):
        find_cases(tmp_path / "a" / "image1.nii.gz")
    with pytest.raises(ValueError, match="got 'dcm'"):
        find_cases(tmp_path / "a", layout="dcm")


def test_a_folder_of_pictures_or_of_nothing_is_told_what_would_help(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"nothing: no volume .* -> it holds no file: check the path$"):
        find_cases(tmp_path / "nothing")
    (tmp_path / "a.PNG").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"1 file left out.*; pictures are read by medmae prep tiles, or without"):
        find_cases(tmp_path)
    (tmp_path / "b.xyz").write_bytes(b"?")
    with pytest.raises(DataError, match=r"name the files in a CSV"):
        find_cases(tmp_path)
