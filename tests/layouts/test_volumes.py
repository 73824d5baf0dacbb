"""Who is who in the published trees of data sets; a layout that can be read in two ways is refused with both."""

from __future__ import annotations

import re

import pytest

from medmae.data.identity.given import Given
from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError

from .volume_schemes import SCHEMES

CLEAR = {name: scheme for name, scheme in SCHEMES.items() if not scheme.refused}
DOUBTFUL = {name: scheme for name, scheme in SCHEMES.items() if scheme.refused}


def written(scheme, root):
    files = scheme.files()
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return files


@pytest.mark.parametrize("name", CLEAR)
def test_each_file_of_a_published_layout_is_whose_it_is(name, tmp_path):
    files = written(CLEAR[name], tmp_path)
    found = find_cases(tmp_path)
    images = {s.path.relative_to(tmp_path).as_posix(): (c, s.name) for c in found.cases for s in c.contrasts}
    labels = {s.path.relative_to(tmp_path).as_posix(): c for c in found.cases for s in c.labels}
    assert [str(case.fault) for case in found.cases if case.fault] == []
    assert sorted(images) == sorted(path for path, (*_, contrast) in files.items() if contrast)
    assert sorted(labels) == sorted(path for path, (*_, contrast) in files.items() if contrast == "")
    for path, (case, contrast) in images.items():
        _, subject, session, wanted = files[path]
        assert (case.subject, contrast) == (subject, wanted), path
        if session:
            assert case.session == session, path
    for path, case in labels.items():
        assert case.subject == files[path][1]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_layout_of_two_readings_is_refused_with_both_and_with_what_chooses_one(name, tmp_path):
    scheme = DOUBTFUL[name]
    files = written(scheme, tmp_path)
    with pytest.raises(DataError, match="it does not show who is one patient") as caught:
        find_cases(tmp_path)
    for reading in scheme.refused:
        assert reading in str(caught.value)
    assert "--subjects TABLE" in caught.value.remedy
    for pattern, count in re.findall(r"--subject-from '(.+?)' for (\d+) subject", caught.value.remedy):
        chosen = find_cases(tmp_path, given=Given(subject_from=pattern))
        assert len({case.subject for case in chosen.cases}) == int(count)
        assert sum(len(case.contrasts) for case in chosen.cases) == len(files)


@pytest.mark.parametrize("others", [(), ("P07_T1",)])
def test_numbers_of_series_have_a_pattern_if_it_fits_all_files(others, tmp_path):
    for name in ("t1_mprage_sag_3", "t2_4", *others):
        (tmp_path / f"{name}.nii.gz").touch()
    with pytest.raises(DataError, match="may count series") as caught:
        find_cases(tmp_path)
    assert ("--subject-from" in caught.value.remedy) == (not others)


@pytest.mark.parametrize(("count", "refused"), [(20, True), (21, False)])
def test_more_numbers_than_a_study_has_series_count_patients(count, refused, tmp_path):
    for number in range(1, count + 1):
        (tmp_path / f"t1_{number}.nii.gz").touch()
    if refused:
        with pytest.raises(DataError, match="20 subjects, one a number"):
            find_cases(tmp_path)
    else:
        assert len(find_cases(tmp_path).cases) == count


def test_a_table_says_who_is_who_and_what_a_file_shows(tmp_path):
    written(SCHEMES["endings"], tmp_path)
    lines = [f"X{p:03d}_{v},anna{p},v{v}," for p in range(1, 5) for v in (1, 2)] + ["X001_1/T2.nii.gz,anna1,v1,seg"]
    (tmp_path / "who.csv").write_text("\n".join(["path,subject,session,contrast", *lines]) + "\n")
    found = find_cases(tmp_path, given=Given(subjects=tmp_path / "who.csv"))
    assert [(c.subject, c.session) for c in found.cases] == [(f"anna{p}", f"v{v}") for p in range(1, 5) for v in (1, 2)]
    assert [source.name for source in found.cases[0].contrasts] == ["FLAIR", "T1"]
    assert [source.name for source in found.cases[0].labels] == ["seg"]
    (tmp_path / "who.csv").write_text("path,subject\nX001_1,anna\n")
    with pytest.raises(DataError, match="names no subject for 21 paths"):
        find_cases(tmp_path, given=Given(subjects=tmp_path / "who.csv"))
