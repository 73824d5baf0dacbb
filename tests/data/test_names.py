from __future__ import annotations

import pytest

from medmae.data.names import Named, contrast_in, file_name_of, label_kind, parse_stem, subject_session


@pytest.mark.parametrize(
    ("stem", "name", "prefix"),
    [
        ("T1", "T1", ""),
        ("t1c", "T1CE", ""),
        ("fla", "FLAIR", ""),
        ("T1POST", "T1CE", ""),
        ("study2_T1W", "T1", "study2"),
        ("BraTS20_Training_001_t1ce", "T1CE", "BraTS20_Training_001"),
        ("BraTS-GLI-00003-001-t2f", "FLAIR", "BraTS-GLI-00003-001"),
        ("IXI002-Guys-0828-PD", "PD", "IXI002-Guys-0828"),
        ("p1_T1_POST", "T1CE", "p1"),
        ("p1_t2_flair", "FLAIR", "p1"),
        ("patient07-FLAIR_N4_noneck_regtoMNI", "FLAIR", "patient07"),
        ("FLAIR_to_T1", "FLAIR", ""),
        ("sub-01_space-T1w_FLAIR", "FLAIR", "sub-01_space-T1w"),
        ("T1_bet", "T1", ""),
    ],
)
def test_contrasts_get_one_name(stem, name, prefix):
    assert parse_stem(stem) == Named("contrast", name, prefix)


@pytest.mark.parametrize(
    ("stem", "name", "prefix"),
    [
        ("GOLD_STANDARD", "gold_standard", ""),
        ("bet_t1c_mask", "bet_t1c_mask", ""),
        ("BraTS20_Training_355_seg", "seg", "BraTS20_Training_355"),
        ("W39_1998.09.19_Segm", "segm", "W39_1998.09.19"),
        ("patient1_consensus_gt", "consensus_gt", "patient1"),
        ("T1_mask", "t1_mask", ""),
    ],
)
def test_masks_and_label_maps_are_no_contrasts(stem, name, prefix):
    assert parse_stem(stem) == Named("label", name, prefix)
    assert parse_stem(stem).kind == "label"


@pytest.mark.parametrize("stem", ["image", "warp_field", "study2", "T17"])
def test_what_says_nothing_stays_unknown(stem):
    assert parse_stem(stem).kind == "unknown"


@pytest.mark.parametrize(
    ("parts", "subject", "session"),
    [
        (["patient01_study2"], "patient01", "study2"),
        (["patient01", "study2"], "patient01", "study2"),
        (["sub-01", "ses-02", "anat"], "sub-01", "ses-02"),
        (["BraTS20_Training_001"], "BraTS20_Training_001", None),
        (["BraTS-GLI-00003-001"], "BraTS-GLI-00003", "001"),
        (["patient07"], "patient07", None),
        (["siteA", "case-3"], "case-3", None),
        (["site", "prepared"], "prepared", None),
        (["raw"], "raw", None),
    ],
)
def test_subject_and_session_come_from_the_folders(parts, subject, session):
    assert subject_session(parts) == (subject, session)


def test_free_text_gives_its_last_contrast():
    assert contrast_in("anat-T1w anat-T1w MR") == "T1"
    assert contrast_in("ax t2 flair fs") == "FLAIR"
    assert contrast_in("localiser") is None


def test_case_names_become_safe_file_names():
    assert file_name_of("../a b/c:1") == "a_b_c_1"
    assert file_name_of("...") == "case"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("lesion", ["lesion", "lesion_mask", "tumour", "brain_tumor_seg", "gold_standard", "ground_truth", "t1ce_seg"]),
        ("lesion", ["Segm", "consensus_gt", "manual", "roi", "seg2"]),
        ("brain", ["brainmask", "brain_mask", "bet", "bet_t1c_mask", "mask", "brain_seg"]),
        ("other", ["aseg", "aparc_seg", "aparc+aseg", "gm_probseg", "label", "t1_mask", ""]),
    ],
)
def test_a_label_s_name_says_whether_it_marks_a_lesion_or_the_brain(kind, names):
    assert {name: label_kind(name) for name in names} == dict.fromkeys(names, kind)
