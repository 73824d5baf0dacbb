from __future__ import annotations

import pytest

from medmae.data.contrasts import contrast_in, dicom_contrast, label_kind, read_name
from medmae.data.identity.words import split_visit
from medmae.data.names import file_name_of


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
        ("case1_space-T1w_FLAIR", "FLAIR", "case1_space-T1w"),
        ("AX_T1_FLAIR", "T1", "AX"),
        ("T2_SPACE_FLAIR", "FLAIR", "T2_SPACE"),
        ("t2_tirm_tra_dark-fluid", "FLAIR", ""),
        ("AX_T1_POST_GAD", "T1CE", "AX"),
        ("T1_pre_contrast", "T1", ""),
        ("T1_without_contrast", "T1", ""),
        ("CE_T1", "T1CE", "CE"),
        ("mprage_post", "T1CE", ""),
        ("T1W+C", "T1CE", ""),
        ("T1_bet", "T1", ""),
        ("T1_bias_corrected", "T1", ""),
        ("T1+Gd", "T1CE", ""),
        ("T1-FLAIR+C", "T1CE", ""),
        ("3D_FLAIR_T2", "FLAIR", "3D"),
        ("t2_spc_da-fl_sag", "FLAIR", ""),
        ("FSPGR", "T1", ""),
        ("sT2W_FLAIR", "FLAIR", ""),
        ("FLAIR_2_T1", "FLAIR", ""),
        ("T2_onto_T1", "T2", ""),
        ("patient_2_T1", "T1", "patient_2"),
        ("T1_ohne_KM", "T1", ""),
        ("T1_vor_KM", "T1", ""),
        ("T1_sans_gado", "T1", ""),
        ("T1_sin_contraste", "T1", ""),
        ("T1_C-", "T1", ""),
        ("P1_T1_Gd-", "T1", "P1"),
        ("T1_nachKM", "T1CE", ""),
        ("T1_con_contraste", "T1CE", ""),
        ("T1_C+", "T1CE", ""),
        ("T2_TSE_cor_hippocampus", "T2", ""),
        ("atlas_01_T1", "T1", "atlas_01"),
        ("T2_SPACE_MPR_tra", "T2", ""),
        ("P1_FLAIR_mpr", "FLAIR", "P1"),
        ("3D_T1_POST_MPR", "T1CE", "3D"),
        ("OAS1_0001_MR1_mpr-1", "T1", "OAS1_0001_MR1"),
        ("t1_post_op", "T1", ""),
        ("P01_T1_post_treatment", "T1", "P01"),
        ("T1_6months_post_surgery", "T1", ""),
        ("T1_post_op_gd", "T1CE", ""),
        ("T1_post_injection", "T1CE", ""),
        ("t2_fl2d_tra_hemo", "T2STAR", ""),
        ("T2W_FFE", "T2STAR", ""),
        ("ep2d_diff_3scan_trace_p2_ADC", "ADC", "ep2d_diff_3scan_trace_p2"),
        ("T1_sub-01", "T1", ""),
    ],
)
def test_contrasts_get_one_name(stem, name, prefix):
    named = read_name(stem)
    assert (named.kind, named.name, named.before) == ("contrast", name, prefix)


@pytest.mark.parametrize(
    ("stem", "name", "prefix"),
    [
        ("GOLD_STANDARD", "gold_standard", ""),
        ("bet_t1c_mask", "bet_t1c_mask", ""),
        ("BraTS20_Training_355_seg", "seg", "BraTS20_Training_355"),
        ("W39_1998.09.19_Segm", "segm", "W39_1998.09.19"),
        ("patient1_consensus_gt", "consensus_gt", "patient1"),
        ("T1_mask", "t1_mask", ""),
        ("T2_lesionmask", "t2_lesionmask", ""),
        ("p1_brain_mask", "brain_mask", "p1"),
        ("p1_rater1_seg", "rater1_seg", "p1"),
    ],
)
def test_masks_and_label_maps_are_no_contrasts(stem, name, prefix):
    named = read_name(stem)
    assert (named.kind, named.name, named.before) == ("label", name, prefix)


@pytest.mark.parametrize("stem", ["image", "study2", "T17"])
def test_what_says_nothing_stays_unknown(stem):
    assert read_name(stem).kind == "unknown"


@pytest.mark.parametrize(
    ("stem", "kind"),
    [
        ("sub-01_ce-gad_T1w", "contrast"),
        ("sub-01_seg", "label"),
        ("sub-01_desc-expert_roi", "label"),
        ("sub-01_T1map", "map"),
        ("sub-01_part-phase_T2starw", "map"),
        ("sub-01_task-rest_bold", "other"),
        ("sub-01_desc-brain_mask", "label"),
        ("sub-01_label-GM_probseg", "map"),
        ("lesion_prob", "map"),
        ("T2_lesion_probability_map", "map"),
        ("prob_01_seg", "label"),
        ("mwc1p01_T1", "map"),
        ("T1_rho", "map"),
        ("quantT1", "map"),
        ("T1_bias", "map"),
        ("mIP_SWI", "other"),
        ("3_PLANE_T1", "other"),
        ("T1_subtraction", "other"),
        ("AX_T1_SUB", "other"),
        ("T1_post_minus_pre", "other"),
        ("ep2d_diff_TRACEW", "other"),
        ("ep2d_diff", "other"),
        ("PTV_T1", "label"),
        ("T1_tissues", "label"),
        ("T2_segmented", "label"),
        ("T1_map", "map"),
        ("warp_field", "map"),
        ("swi_phase", "map"),
        ("case_T1_prob", "map"),
        ("localizer_T1", "other"),
        ("T1_outline", "label"),
        ("P1_T1_tumorcore", "label"),
        ("T2_mapping", "map"),
        ("T1_MOLLI", "map"),
        ("P1_T1_GM", "map"),
        ("T1_imag", "map"),
        ("FLAIR_saliency", "map"),
        ("T1_pred", "other"),
        ("P1_T2_fake", "other"),
        ("T1_std", "contrast"),
        ("FLAIR_to_atlas", "contrast"),
        ("fake_01_T1", "contrast"),
        ("T1_edema", "label"),
        ("FLAIR_\u00d6dem", "label"),
        ("T1_ventricles", "label"),
        ("FLAIR_ED", "label"),
        ("FLAIR_l\u00e9sion", "label"),
        ("T1_skull", "label"),
        ("T1_skull_stripped", "contrast"),
        ("T2_vessel_wall", "contrast"),
        ("PET_T1", "other"),
        ("T1_PET", "other"),
        ("PET_MR_T1", "contrast"),
        ("c1P01_T1", "map"),
        ("c1sub-01_T1w", "map"),
        ("mwp1P01_T1", "map"),
        ("y_P01_T1", "map"),
        ("c1_T1", "contrast"),
        ("p1A_T1", "contrast"),
        ("p1Pre_T1", "contrast"),
        ("y_01_T1", "contrast"),
        ("T1_atlas", "other"),
        ("template_T1", "other"),
        ("MNI152_T1_1mm", "other"),
        ("MNI_001_T1", "contrast"),
        ("P01_MNI_T1", "contrast"),
        ("T1_MNI152", "contrast"),
        ("T1_SynthSR", "other"),
        ("T1_overlay", "other"),
        ("T1_fast_mixeltype", "map"),
    ],
)
def test_masks_maps_and_localisers_are_never_images(stem, kind):
    assert read_name(stem).kind == kind


def test_an_agent_of_a_bids_name_makes_a_t1_alone_one_with_contrast():
    names = ("sub-01_ce-gad_T1w", "sub-01_T1w", "sub-01_ce-gad_T2w", "sub-01_ce-gad_FLAIR")
    assert [read_name(name).name for name in names] == ["T1CE", "T1", "T2", "FLAIR"]


def test_a_dicom_series_is_read_by_its_words_and_then_by_its_tags():
    assert dicom_contrast(["Ax T1 FSE", "brain"]).name == "T1"
    assert dicom_contrast(["Ax T1 FSE"], agent="Gadovist").name == "T1CE"
    assert dicom_contrast(["Ax T1 FSE"], agent="NO").name == "T1"
    assert dicom_contrast(["Ax T1 C-"]).name == dicom_contrast(["T1 SE (C-)"]).name == "T1"
    assert dicom_contrast(["Ax T1 C+"]).name == dicom_contrast(["T1 post-op"], agent="Dotarem").name == "T1CE"
    assert dicom_contrast(["", "t2_tse_dark-fluid"]).name == "FLAIR"
    assert dicom_contrast(["T2"], image_type="DERIVED\\PRIMARY\\T2MAP").kind == "map"
    assert dicom_contrast(["T1"], image_type="ORIGINAL\\PRIMARY\\LOCALIZER").kind == "other"
    assert dicom_contrast(["TOF"], image_type="DERIVED\\SECONDARY\\PROJECTION IMAGE").kind == "other"
    assert dicom_contrast(["head routine"]).kind == "unknown"
    assert dicom_contrast(["Ax T1 ventricles"]).name == "T1"  # what was looked at


@pytest.mark.parametrize(
    ("name", "subject", "session"),
    [
        ("patient01_study2", "patient01", "study2"),
        ("BraTS20_Training_001", "BraTS20_Training_001", None),
        ("BraTS-GLI-00003-001", "BraTS-GLI-00003", "001"),
        ("patient07", "patient07", None),
        ("case-3", "case-3", None),
        ("OAS30001_MR_d0129", "OAS30001", "MR_d0129"),
        ("P001_2020-01-31", "P001", "2020-01-31"),
    ],
)
def test_one_name_can_hold_patient_and_visit(name, subject, session):
    assert split_visit(name) == (subject, session)


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
