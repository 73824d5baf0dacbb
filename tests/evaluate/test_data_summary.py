"""The data part of ``run.json``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from medmae.data.images.source import read_images
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


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_images_of_one_value_are_counted_in_the_flags_of_a_plain_folder(suffix, tmp_path):
    rng = np.random.default_rng(0)
    for name, flat in (("p1_a", True), ("p1_b", False), ("p2_a", False), ("p3_a", True), ("p3_b", True)):
        pixels = np.full((90, 120, 3), 77, np.uint8) if flat else rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}{suffix}")
    (tmp_path / "p2_b.png").write_bytes(b"no image")
    cases = summarise_data(read_images(tmp_path, subject_from=r"^(p\d)"))["cases"]
    assert {case["subject"]: case["flags"] for case in cases} == {"p1": "constant:1", "p2": "", "p3": "constant:2"}
    alone = summarise_data(read_images(tmp_path, fractions=(1, 0, 0)))["cases"]
    assert [case["flags"] for case in alone] == ["no_patient split_by_image constant:3"]


def test_a_large_compressed_image_is_not_decoded_to_ask_for_its_value(tmp_path, monkeypatch):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (600, 600), dtype=np.uint8)).save(tmp_path / "a.png")
    table = read_images(tmp_path, fractions=(1, 0, 0))
    monkeypatch.setattr("medmae.data.images.source.pixels_of", None)
    assert summarise_data(table)["cases"][0]["flags"] == "no_patient split_by_image"
