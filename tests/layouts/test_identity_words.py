"""Every word that tells patients, visits, groups and shelves apart says what it is there for."""

from __future__ import annotations

import pytest

from medmae.data.identity.endings import dated, endings, numbered
from medmae.data.identity.words import Role, role_of, split_visit, without_shelf

COUNTED = "ses sess session study visit exam scan tp timepoint time day week wk month mo year yr mr st v t m w y d"
NAMED = """baseline bl followup follow_up fu pre post preop pre-op postop post_op screening admission discharge
initial first second third last ses-pre session_late visit-b 2019 2019-05 20190531 3d 2w 6m 6mo 1y
12days 2weeks 6wks 6months 1year"""
PERSONS = "patient pat subject subj sub person participant proband pid"
LETTERS = "p s c pt pa vp vpn id case vol volunteer hc ctrl control donor animal mouse rat mrn record"
GROUPS = "site center centre hospital clinic scanner vendor cohort group arm batch fold dataset collection release"
NAMED_GROUPS = """hgg lgg gbm train training trainset training_data val valid validation validation_set test testing
test-data dev multicoil_train singlecoil_val controls healthy patients subjects cases 3T 1.5T
siemens philips ge toshiba canon"""
SHELVES = """anat raw raw_data nifti nii image images imaging imagesTr imagesTs imagesVal labelsTr labels mask
masks segmentation segmentations dicom dcm mr mri scan scans data processed unprocessed preprocessed
preprocessing orig original files volume volumes lesion lesions registered structural brain
derivatives sourcedata anat1 raw_2"""
SHELF_ENDINGS = "nifti nii dicom dcm image images processed preprocessed raw"
GLUED = "v t tp ses visit scan rescan test retest mr pre post fu bl baseline followup week month day"
MONTHS = """jan january januar janvier feb february februar fev f\u00e9vrier mar march mars m\u00e4rz mrz apr
april avr avril mai may jun june juni juin jul july juli juil juillet aug august aout ao\u00fbt sep
sept september oct okt october oktober nov november dec dez december dezember"""
NO_PERSONS = """ad lmci emci mci cn nc hc con ctl ctrl ctrls control controls kontrolle gesund temoin healthy normal
pd ppms rrms spms cis sz scz bd mdd asd td adhd ftd als hd epi tle stroke gbm hgg lgg met mets
tumour tumor tumors benign malignant brain brains head heads spine img image images im pic photo
slide slides sample samples specimen tile tiles video videos clip clips frame frames vol volume
volumes file files data dataset train training val test example examples demo phantom phantoms dummy
mouse rat monkey dog dogs cat cats ixi brats oasis adni wt ko tg sham group arm cohort ex exam pat
pats patient patients proband person persons subject subjects sub subj case cases vp pb prob
volunteer volunteers participant participants hv nv id"""


@pytest.mark.parametrize(
    ("words", "form", "role"),
    [
        (COUNTED, "{}-2", Role.VISIT),
        (NAMED, "{}", Role.VISIT),
        (PERSONS, "{}_017", Role.STRONG),
        (LETTERS, "{}017", Role.WEAK),
        (GROUPS, "{}_B", Role.GROUP),
        (NAMED_GROUPS, "{}", Role.GROUP),
        (SHELVES, "{}", Role.SHELF),
    ],
)
def test_every_word_has_its_role(words, form, role):
    assert {word: role_of(form.format(word)) for word in words.split()} == dict.fromkeys(words.split(), role)


def test_every_visit_is_taken_off_a_patient_and_every_shelf_off_a_folder():
    for word in COUNTED.split():
        assert split_visit(f"AB17_{word}2") == ("AB17", f"{word}2")
    assert {without_shelf(f"AB17_{word}") for word in SHELF_ENDINGS.split()} == {"AB17"}


def test_every_ending_that_is_glued_to_a_number_may_be_a_visit():
    for word in GLUED.split():
        assert endings([f"A01{word}1", f"A01{word}2", f"A02{word}1"], {}), word
    assert not endings(["A01", "A02", "A03"], {})


def test_every_month_is_a_part_of_a_date():
    for month in MONTHS.split():
        (doubt,) = dated([f"meier {month}2020", f"meier {month}2021", f"novak {month}2020"], {})
        assert [one.count for one in doubt.readings] == [2, 3], month


def test_what_is_numbered_and_no_person_only_counts():
    assert {word: numbered([f"{word}1", f"{word}2", "meier1"], {}) for word in NO_PERSONS.split()} == {
        word: [] for word in NO_PERSONS.split()
    }
    assert numbered(["novak1", "novak2", "meier1"], {})
