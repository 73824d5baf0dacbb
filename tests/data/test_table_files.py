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
