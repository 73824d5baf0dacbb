"""Tables that people write."""

from __future__ import annotations

import pytest

from medmae.data.table_files import read_csv
from medmae.errors import DataError


def read(path, text, *, encoding="utf-8", **options):
    path.write_text(text, encoding=encoding)
    return read_csv(path, **({"needs": ["subject", "path"], "remedy": "write it so"} | options))


def test_lines_come_with_their_number_lower_case_names_and_stripped_values(tmp_path):
    lines = read(tmp_path / "a.csv", "Subject , PATH,note\np1, a.nii ,x\n\np2,b.nii\n", encoding="utf-8-sig")
    assert lines == [
        (2, {"subject": "p1", "path": "a.nii", "note": "x"}),
        (4, {"subject": "p2", "path": "b.nii", "note": ""}),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("subject,file\np1,a\n", r"the table lacks columns \[columns = \['path'\]\] -> write it so"),
        ("", r"the table lacks columns \[columns = \['path', 'subject'\]\]"),
        ("subject,path\np1,a\np2,\n", "line 3 has an empty field"),
    ],
)
def test_what_is_missing_is_named(tmp_path, text, words):
    with pytest.raises(DataError, match=rf"a\.csv: {words}"):
        read(tmp_path / "a.csv", text, rows=["path"])


def test_a_missing_file_and_another_encoding_are_refused(tmp_path):
    with pytest.raises(DataError, match="the table does not exist"):
        read_csv(tmp_path / "gone.csv", needs=[], remedy="")
    with pytest.raises(DataError, match="not UTF-8"):
        read(tmp_path / "a.csv", "subject,path\nJosé,a\n", encoding="latin-1")


def test_a_field_longer_than_a_table_can_have_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv: the table cannot be read as CSV \(field larger"):
        read(tmp_path / "a.csv", f"subject,path\n{'x' * 200_000},a\n")


WHOSE = """Patienten-Nr. Patientennummer PatID Pat-Nr Fallnummer Fall-ID Pseudonym Probanden-ID Nachname Geburtsdatum
MRN hospital_mrn Subject-Code subj_no id_patient IDPatient person_id family_id case case_no anon_id StudyInstanceUID
AccessionNumber record_id numero_dossier Pr\u00e9nom paciente sujeto_id \u60a3\u8005ID split fold_0 cv_fold isTrain
train_test usage"""
OTHERS = """diagnosis patient_age sex lipid dataset grade site scanner thyroid note study_date exam_date valid_until
stage family_history patient_sex who_grade width mpp stain laterality"""


@pytest.mark.parametrize("name", WHOSE.split())
def test_a_column_that_is_called_as_patients_or_splits_are_is_refused_if_nobody_reads_it(tmp_path, name):
    with pytest.raises(DataError, match="looks like patients or splits is not read") as caught:
        read(tmp_path / "a.csv", f"subject,path,{name}\np1,a,x\n", known=["note"])
    assert caught.value.value == [name]


def test_other_columns_are_named_and_left(tmp_path):
    with pytest.warns(UserWarning, match="columns that are not read: diagnosis, patient_age, sex"):
        read(tmp_path / "a.csv", "subject,path," + ",".join(OTHERS.split()) + "\np1,a\n", known=[])


@pytest.mark.parametrize(
    ("name", "values", "whose"),
    [
        ("use", ["train", "test", "train", "Val"], True),
        ("w", ["fold1", "fold2", "fold1", "fold2"], True),
        ("who", ["P01", "P02", "P01", "P03"], True),
        ("id", ["7", "8", "7", "9"], True),
        ("id", ["7", "8", "5", "9"], False),
        ("who", ["P01", "P02", "P04", "P03"], False),
        ("age", ["61", "62", "61", "63"], False),
        ("arm", ["A", "B", "A", "B"], False),
        ("use", ["train", "train", "train", "train"], False),
    ],
)
def test_a_column_of_any_name_that_holds_splits_or_repeats_patients_is_refused(tmp_path, name, values, whose):
    table = f"subject,path,{name}\n" + "".join(f"p{n},{n},{value}\n" for n, value in enumerate(values))
    with pytest.raises(DataError, match="looks like") if whose else pytest.warns(UserWarning, match="not read"):
        read(tmp_path / "a.csv", table, known=[])


@pytest.mark.parametrize("column", ["subject", "patient"])
@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("7", "7.0", "8"), "names differ only in case, padding"),
        (("p1", "P01", "p2"), "names differ only in case, padding"),
        (("M\u00fcller Eva", "Eva Mueller", "x"), "letters of other alphabets"),
        (("1.23457E+11", "1.23457E+11", "3"), "a spreadsheet has spoilt"),
        (("1,2E11", "b", "c"), "a spreadsheet has spoilt"),
        (("#NAME?", "b", "c"), "a spreadsheet has spoilt"),
        (("########", "b", "c"), "a spreadsheet has spoilt"),
    ],
)
def test_patients_that_differ_only_in_spelling_or_that_a_spreadsheet_spoilt_are_refused(column, values, told, tmp_path):
    (tmp_path / "t.csv").write_text(f"{column};x\n".replace(";", ",") + "".join(f'"{value}",1\n' for value in values))
    with pytest.raises(DataError, match=told):
        read_csv(tmp_path / "t.csv", needs=(column,), known=("x",), remedy="")


def test_patients_of_other_numbers_and_letters_are_others(tmp_path):
    (tmp_path / "t.csv").write_text("patient,x\n7,1\n70,1\n7E,1\nE11,1\n7.5,1\n")
    assert len(read_csv(tmp_path / "t.csv", needs=("patient",), known=("x",), remedy="")) == 5
