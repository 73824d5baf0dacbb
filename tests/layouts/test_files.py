"""Whose slides, images and videos are, by the names of public data sets; no file is read for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medmae.data.identity.files import patients_of
from medmae.data.identity.given import Given
from medmae.data.identity.tree import Unit
from medmae.errors import DataError

# Name of the data set -> path without suffix and folders of classes -> patient, or None where nobody can tell.
KNOWN = {
    "TCGA slides": {
        "TCGA-AA-3872-01Z-00-DX1.eb3732ee-40e3": "TCGA-AA-3872",
        "TCGA-AA-3872-01Z-00-DX2.eb3732ee-40e4": "TCGA-AA-3872",
        "TCGA-AA-3873-01A-01-TS1": "TCGA-AA-3873",
    },
    "CPTAC slides": {"C3L-00001-21": "C3L-00001", "C3L-00001-26": "C3L-00001", "C3N-00175-21": "C3N-00175"},
    "GTEx slides": {"GTEX-1117F-0126": "GTEX-1117F", "GTEX-1117F-0226": "GTEX-1117F"},
    "CAMELYON17": {
        "patient_010_node_4": "patient_010", "patient_010_node_0": "patient_010", "patient_020_node_4": "patient_020",
    },
    "TCGA beside others": {"TCGA-02-0003-01Z-00-DX1": "TCGA-02-0003", "my own slide": None},
    "CheXpert": {
        "patient00001/study1/view1_frontal": "patient00001", "patient00001/study2/view1_frontal": "patient00001",
        "patient00002/study1/view2_lateral": "patient00002",
    },
    "ChestX-ray14": {"00000001_000": "00000001", "00000001_001": "00000001", "00000002_000": "00000002"},
    "Kermany's OCT": {"CNV-1016042-1": "1016042", "CNV-1016042-2": "1016042", "DRUSEN-53018-1": "53018"},
    "BreakHis": {
        "SOB_B_A-14-22549AB-40-001": "22549AB", "SOB_B_A-14-22549AB-100-001": "22549AB",
        "SOB_M_DC-14-2523-40-001": "2523",
    },
    "slides in patients' folders": {"P001/HE": "P001", "P001/Ki67": "P001", "P002/HE": "P002"},
    "BIDS microscopy": {"sub-01/micr/sub-01_sample-A": "sub-01", "sub-02/micr/sub-02_sample-A": "sub-02"},
    "folders of numbers": {"10/left": "10", "10/right": "10", "11/left": "11", "11/right": "11"},
    "GlaS": {"train_1": None, "train_2": None, "testA_1": None},
    "CAMELYON16": {"normal_001": None, "tumor_001": None, "test_001": None},
    "PANDA": {"0005f7aaab2800f6170c399693a96917": None, "000920ad0b612851f8e01bcc880d9b3d": None},
    "MedNIST": {"000000": None, "000001": None},
    "BCCD": {"BloodImage_00000": None, "BloodImage_00001": None},
    "NCT-CRC": {"ADI-TCGA-AAAMHQMK": None, "TUM-TCGA-AAHCTWEE": None},
    "HAM10000": {"ISIC_0024306": None, "ISIC_0024307": None},
    "LC25000": {"lungaca1": None, "lungaca10": None},
    "EchoNet-Dynamic": {"0X1A05DFFFCAFB253B": None, "0X1A0A263B22CCD966": None},
    "Cholec80": {"video01": None, "video02": None},
    "HeiChole": {"Hei-Chole1": None, "Hei-Chole2": None},
    "fastMRI": {"file_brain_AXT1_200_6002550": None, "file_brain_AXT1_201_6002551": None},
    "Kinetics": {"--PJHxphWEs_000010_000020": None, "-0Z7ttP8VXw_000020_000030": None},
}  # fmt: skip
DOUBTFUL = {
    "a number after a number": (("p1_1", "p1_2", "p2_1"), "2 subjects, with several visits, or 3 subjects"),
    "a long counter": (("p1_0001", "p1_0002", "p2_0001"), "2 subjects, with several visits, or 3 subjects"),
    "UCF101": (("v_Archery_g01_c01", "v_Archery_g01_c02", "v_Archery_g02_c01"), "2 subjects"),
    "JIGSAWS": (("Suturing_B001_1", "Suturing_B001_2", "Suturing_C002_1"), "2 subjects"),
    "a letter": (("17a", "17b", "18a"), "2 subjects, with several visits, or 3 subjects"),
    "EyePACS": (("10_left", "10_right", "13_left", "13_right"), "2 subjects, such as 10, or 4 subjects, one a name"),
    "IDC": (
        ("8863_idx5_x51_y1251_class0", "8863_idx5_x101_y1251_class0", "8864_idx5_x51_y1251_class0"),
        "2 subjects, such as 8863, or 3 subjects",
    ),
    "HC18": (("000_HC", "001_HC", "010_HC", "010_2HC"), "3 subjects, such as 010, or 4 subjects"),
    "stains": (("17_HE", "17_PAS", "18_HE"), "2 subjects, such as 17, or 3 subjects"),
    "slices": (("vol12_slice33", "vol12_slice34", "vol13_slice1"), "2 subjects, such as vol12, or 3 subjects"),
    "a second copy": (("X12", "X12 (2)", "X13"), "2 subjects, with several visits, or 3 subjects"),
    "folders": (("tumour/x1", "tumour/x2", "normal/x3"), "2 subjects, such as tumour, or 3 subjects, such as x1"),
    "padding beside names of nobody": (("patient1_a", "patient01_b", "IMG_1234"), "1 subject, patient01"),
    "case of folders": (("Meier/left", "meier/left", "Novak/left"), "1 subject, Meier"),
    "visits beside names of nobody": (
        ("patient1pre/a", "patient1post/a", "patient2pre/a", "x"),
        "2 subjects, with several",
    ),
    "two scripts": (("Ivanov/a", "\u0418\u0432\u0430\u043d\u043e\u0432/a"), "2 subjects, as they are written"),
    "padding": (("patient1_a", "patient01_b", "patient2_a"), "1 subject, patient01"),
}


def units(paths):
    return [Unit(path=path, names=tuple(path.split("/"))) for path in paths]


@pytest.mark.parametrize("name", KNOWN)
def test_names_tell_whose_a_file_is_or_that_nobody_knows(name):
    assert patients_of(units(KNOWN[name]), source=Path("src")) == list(KNOWN[name].values())


@pytest.mark.parametrize("name", DOUBTFUL)
def test_names_of_two_readings_are_refused_with_both(name):
    paths, told = DOUBTFUL[name]
    with pytest.raises(DataError) as caught:
        patients_of(units(paths), source=Path("src"))
    assert told in str(caught.value)
    for pattern, count in re.findall(r"--subject-from '(.+?)' for (\d+) subject", caught.value.remedy):
        given = Given(subject_from=pattern, by_name=True)
        assert len(set(patients_of(units(paths), source=Path("src"), given=given))) == int(count)
