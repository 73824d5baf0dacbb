"""The data part of ``run.json``."""

from __future__ import annotations

import json

import pytest

from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data


def test_a_prepared_folder_is_summed_up_per_case(tmp_path):
    row = {
        "case": "s1",
        "subject": "s1",
        "split": "train",
        "contrasts": [{"name": "T1"}, {"name": "T2"}],
        "foreground": [0.1, 0.2, 0.3],
    }
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "summary.csv").write_text("case,subject,split,seconds\ns1,s1,train,2.5\n")
    (tmp_path / "quarantine.csv").write_text("case,file,field,value,reason,remedy\ns2,a.nii,dim,0,empty,redo\n")
    summary = summarise_data(tmp_path)
    assert summary["contrasts"] == ["T1", "T2"]
    assert summary["subjects"] == {"train": ["s1"], "val": [], "test": []}
    assert summary["cases"] == [{"case": "s1", "subject": "s1", "split": "train", "slices": 6}]
    assert summary["quarantine"][0]["reason"] == "empty"
    assert len(summary["manifest_sha256"]) == 64


def test_lines_end_where_those_of_the_manifest_do(tmp_path):
    """str.splitlines() knows other ends of lines, which may stand in a name."""
    row = {"case": "s1", "subject": "a\x0b\u2028\x85b", "split": "train"}
    text = json.dumps(row, ensure_ascii=False).replace("\\u000b", "\u2029")
    (tmp_path / "manifest.jsonl").write_text(text + "\n", encoding="utf-8")
    assert summarise_data(tmp_path)["subjects"]["train"] == ["a\u2029\u2028\x85b"]


def test_a_folder_without_manifest_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.jsonl"):
        summarise_data(tmp_path)


def test_tiles_have_no_slices_and_keep_what_the_summary_says(tmp_path):
    row = {"case": "s1", "subject": "p1", "split": "train", "kind": "slide", "count": 12}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "summary.csv").write_text("case,subject,split,tiles,seconds\ns1,p1,train,12,2.5\n")
    summary = summarise_data(tmp_path)
    assert summary["contrasts"] == []
    assert summary["cases"] == [{"case": "s1", "subject": "p1", "split": "train", "tiles": "12", "slices": 0}]
