"""Cases for inference: found by name, read as preparation reads them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from medmae.data.volumes.cases import VolumeCases
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import load_volume
from medmae.errors import DataError
from medmae.files import sha256_of

AFFINE = np.diag([-1.0, 1.0, 3.0, 1.0])


def save(path, *, seed=0, affine=AFFINE, shape=(14, 16, 10), array=None):
    """Tissue in the middle of a zero background."""
    if array is None:
        array = np.zeros(shape, dtype=np.int16)
        inner = tuple(n - 6 for n in shape)
        array[3:-3, 3:-3, 3:-3] = np.random.default_rng(seed).integers(50, 1000, inner)
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def names(cases):
    return [case.case for case in cases.cases]


def test_a_case_is_cropped_and_normalised_as_preparation_does_it(tmp_path):
    path = save(tmp_path / "p1" / "T1.nii.gz")
    (case,) = VolumeCases(source=tmp_path, contrasts=["T1"])
    volume = load_volume(path)
    fit = Normalisation.fit(volume.array)
    assert (case.name, case.contrasts, case.files) == ("p1", ("T1",), {"T1": ("T1.nii.gz", sha256_of(path))})
    assert case.normalisations == {"T1": fit}
    assert case.array.shape == (8, 1, 14, 12)  # content of 4 x 10 x 8 voxels and a margin of 2
    assert case.array.dtype == np.float32
    np.testing.assert_array_equal(case.array[:, 0], case.grid.to_canonical(fit.apply(volume.array)))
    assert (case.array.min(), case.array.max()) == (0, 1)


def test_the_crop_holds_the_content_of_all_contrasts(tmp_path):
    save(tmp_path / "p1" / "T1.nii.gz")
    wide = np.zeros((14, 16, 10), np.int16)
    wide[7, 8, [0, 5]] = 1, 9  # the faint one lies beyond the margin of the rest
    save(tmp_path / "p1" / "T2.nii.gz", array=wide)
    (case,) = VolumeCases(source=tmp_path, contrasts=["T2", "T1"])
    assert case.array.shape == (9, 2, 14, 12)
    whole = case.grid.from_canonical(case.array[:, 0])
    assert (whole > 0).sum() == (wide > 0).sum()


def test_folders_csv_lists_and_single_files_give_the_same_cases(tmp_path):
    files = [save(tmp_path / "raw" / name / "T1.nii.gz", seed=i) for i, name in enumerate(("p1", "p2"))]
    save(tmp_path / "raw" / "p1" / "T2.nii.gz")
    table = tmp_path / "cases.csv"
    table.write_text("subject,contrast,path\np1,T1,raw/p1/T1.nii.gz\np2,t1w,raw/p2/T1.nii.gz\n")
    for source in (tmp_path / "raw", table, files, [str(file) for file in files]):
        cases = VolumeCases(source=source, contrasts=["T1"])
        assert names(cases) == ["p1", "p2"]
        assert [case.files["T1"][1] for case in cases] == [sha256_of(file) for file in files]
    assert names(VolumeCases(source=files[0], contrasts=["T1"])) == ["p1"]


def test_bids_names_keep_subject_and_session(tmp_path):
    save(tmp_path / "sub-01" / "ses-2" / "anat" / "sub-01_ses-2_T1w.nii.gz")
    flat = save(tmp_path / "flat" / "sub-07_ses-1_T1w.nii.gz")
    assert names(VolumeCases(source=tmp_path / "sub-01", contrasts=["T1"])) == ["sub-01_ses-2"]
    assert names(VolumeCases(source=flat, contrasts=["T1"])) == ["sub-07_ses-1"]


def test_a_file_whose_name_says_no_contrast_is_the_only_one_wanted_if_it_is_named_itself(tmp_path):
    path = save(tmp_path / "brain.nii.gz")
    assert names(VolumeCases(source=path, contrasts=["T1"])) == ["brain"]
    for source, contrasts in ((tmp_path, ["T1"]), (path, ["T1", "T2"])):
        with pytest.raises(
            DataError, match=r"no volume with a known contrast.*1 file left out, a volume whose name tells no contrast"
        ):
            VolumeCases(source=source, contrasts=contrasts, at_least=1)


def test_a_file_of_another_contrast_is_not_taken_for_the_one_wanted(tmp_path):
    path = save(tmp_path / "p1_T2.nii.gz")
    with pytest.raises(DataError, match=r"case p1 has no T1 \[contrasts = \['T2'\]\]"):
        VolumeCases(source=path, contrasts=["T1"])[0]


def test_synthetic_images_never_pass_for_a_patients_own(tmp_path):
    save(tmp_path / "p1" / "T1.nii.gz")
    for name in ("p1_desc-syntheticT2.nii.gz", "p1_desc-uncertaintyT2.nii.gz", "p1_desc-uncalibratedT2.nii.gz"):
        made = save(tmp_path / "p1" / name)
        save(tmp_path / "p1" / "T2" / name)  # not even in a folder of that name
        with pytest.raises(DataError, match="no volume with a known contrast"):
            VolumeCases(source=made, contrasts=["T2"])
    (case,) = VolumeCases(source=tmp_path, contrasts=["T1", "T2"], at_least=1)
    assert case.available.tolist() == [True, False]


def test_contrasts_that_a_case_lacks_are_zero_and_unavailable(tmp_path):
    save(tmp_path / "p1" / "T1.nii.gz", seed=1)
    save(tmp_path / "p1" / "FLAIR.nii.gz", seed=2)
    (case,) = VolumeCases(source=tmp_path, contrasts=["T2", "FLAIR", "T1"], at_least=1)
    assert case.available.tolist() == [False, True, True]
    assert (case.array[:, 0] == 0).all()
    assert not np.array_equal(case.array[:, 1], case.array[:, 2])


def test_a_case_with_too_few_contrasts_is_refused_by_name_and_the_others_are_read(tmp_path):
    save(tmp_path / "p1" / "T1.nii.gz")
    save(tmp_path / "p2" / "T1.nii.gz")
    save(tmp_path / "p2" / "T2.nii.gz")
    cases = VolumeCases(source=tmp_path, contrasts=["T1", "T2"])
    with pytest.raises(DataError, match=r"p1: case p1 has no T2 \[contrasts = \['T1'\]\]"):
        cases[0]
    assert cases[1].name == "p2"
    some = VolumeCases(source=tmp_path, contrasts=["FLAIR", "PD"], at_least=1)
    with pytest.raises(DataError, match="case p1 has no FLAIR or PD"):
        some[0]


def test_two_files_of_a_contrast_are_a_fault_only_if_it_is_wanted(tmp_path):
    save(tmp_path / "p1" / "T1.nii.gz")
    save(tmp_path / "p1" / "T2.nii.gz")
    save(tmp_path / "p1" / "t2w.nii.gz")
    assert VolumeCases(source=tmp_path, contrasts=["T1"])[0].name == "p1"
    with pytest.raises(DataError, match="two files claim to be T2"):
        VolumeCases(source=tmp_path, contrasts=["T2"])[0]


def test_cases_of_one_name_are_refused_before_they_overwrite_each_other(tmp_path):
    table = tmp_path / "cases.csv"
    lines = [f"{subject},{session},T1,x.nii.gz" for subject, session in (("a", "1"), ("a_1", ""))]
    table.write_text("\n".join(["subject,session,contrast,path", *lines]) + "\n")
    with pytest.raises(DataError, match=r"different cases have the same name.*'a_1'"):
        VolumeCases(source=table, contrasts=["T1"])


def test_options_are_checked(tmp_path):
    save(tmp_path / "T1.nii.gz")
    for bad in ({"contrasts": "T1"}, {"contrasts": []}, {"contrasts": ["T1"], "at_least": 2}):
        with pytest.raises(ValueError, match="contrasts is a list of names"):
            VolumeCases(source=tmp_path, **bad)
    with pytest.raises(DataError, match="there is no such file"):
        VolumeCases(source=tmp_path / "gone.nii.gz", contrasts=["T1"])
    with pytest.raises(DataError, match="there is no such file"):
        VolumeCases(source=[tmp_path / "gone.nii.gz"], contrasts=["T1"])
