from __future__ import annotations

import json

import pytest

from medmae.data.manifest import Manifest, refuse_seen
from medmae.errors import DataError


def edit(path, change):
    """Rewrites a manifest row by row; ``change(index, row)`` gives the new line."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{change(i, row)}\n" for i, row in enumerate(rows)))


def test_a_manifest_is_read_from_its_file_or_folder(prepared):
    path = prepared({"b": "test", "a": "train"})
    manifest = Manifest.read(path.parent, verify=True)
    assert [row["case"] for row in manifest] == ["a", "b"]
    assert manifest.contrast_names == ("T1", "T2")
    assert manifest.subjects() == ("a", "b")
    assert manifest.subjects("test") == ("b",)
    assert len(manifest.select(split="train", contrasts=["T2"])) == 1
    assert len(manifest.sha256) == 64


def test_bad_rows_are_all_named_with_their_lines(prepared):
    path = prepared({"a": "train", "b": "train", "c": "train", "d": "train"})
    broken = {0: "{not json", 1: "[]", 2: None, 3: None}

    def change(index, row):
        if index == 2:
            row["split"] = "holdout"
        if index == 3:
            del row["grid"]
        return broken[index] or json.dumps(row)

    edit(path, change)
    with pytest.raises(DataError) as caught:
        Manifest.read(path)
    message = str(caught.value)
    for part in ("4 bad rows", "line 1: not JSON", "line 2: a list", "line 3: split 'holdout'", "line 4: key 'grid'"):
        assert part in message


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("grid", {"shape": [1]}, "'grid' is none of a volume"),
        ("source_sha256", 7, "hashes do not stand"),
        ("labels", ["x"], "hashes do not stand"),
        ("labels", 1, "'labels' is 1"),
    ],
)
def test_a_row_whose_parts_are_of_another_form_is_refused_by_its_line(prepared, key, value, told):
    path = prepared({"a": "train", "b": "test"})
    edit(path, lambda index, row: json.dumps({**row, key: value} if index else row))
    with pytest.raises(DataError, match=rf"1 bad row: line 2: .*{told}"):
        Manifest.read(path)


def test_a_number_that_no_manifest_holds_is_told_by_its_line(prepared):
    path = prepared({"a": "train"})
    path.write_text(path.read_text() + '{"version": ' + "9" * 5000 + "}\n")
    with pytest.raises(DataError, match="line 2: not JSON"):
        Manifest.read(path)


def test_a_case_on_two_lines_is_refused(prepared):
    path = prepared({"a": "train"})
    path.write_text(path.read_text() * 2)
    with pytest.raises(DataError, match="line 2: case 'a' is also on line 1"):
        Manifest.read(path)


@pytest.mark.parametrize("shard", ["../outside.npy", "/etc/hostname", "shards/../../outside.npy"])
def test_a_shard_outside_the_folder_is_refused(prepared, shard):
    path = prepared({"a": "train"})
    (path.parent.parent / "outside.npy").write_bytes(b"x")
    edit(path, lambda _, row: json.dumps({**row, "shard": shard}))
    with pytest.raises(DataError, match=r"line 1: .* lies outside the folder"):
        Manifest.read(path)


def test_a_link_that_leads_outside_is_refused(prepared, tmp_path):
    path = prepared({"a": "train"})
    (tmp_path / "elsewhere.npy").write_bytes(b"x")
    shard = path.parent / "shards" / "a.npy"
    shard.unlink()
    shard.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(DataError, match="lies outside the folder"):
        Manifest.read(path)


def test_a_missing_shard_is_named(prepared):
    path = prepared({"a": "train", "b": "test"})
    (path.parent / "shards" / "b.npy").unlink()
    with pytest.raises(DataError, match=r"line 2: shard 'shards/b.npy' does not exist"):
        Manifest.read(path)


def test_a_changed_shard_is_found_when_asked(prepared):
    path = prepared({"a": "train"})
    shard = path.parent / "shards" / "a.npy"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    Manifest.read(path)
    with pytest.raises(DataError, match="has sha256"):
        Manifest.read(path, verify=True)


def test_a_subject_in_two_splits_is_refused(prepared):
    path = prepared({"a": "train", "b": "test"})
    edit(path, lambda _, row: json.dumps({**row, "subject": "same"}))
    with pytest.raises(DataError, match=r"the same subject .* same \(test, train\)"):
        Manifest.read(path)


def test_an_identical_file_in_two_splits_is_refused(prepared):
    path = prepared({"a": "train", "b": "test"})

    def same_source(_, row):
        row["contrasts"][0]["source_sha256"] = "feed"
        return json.dumps(row)

    edit(path, same_source)
    with pytest.raises(DataError, match=r"same source file .* feed \(test, train\)"):
        Manifest.read(path)


def test_evaluating_on_a_patient_of_pretraining_is_refused(prepared):
    first = Manifest.read(prepared({"a": "train", "b": "test"}, folder="one"))
    second = Manifest.read(prepared({"a": "test", "c": "train"}, folder="two"))
    refuse_seen(first.subjects("train"), first)
    with pytest.raises(DataError, match="has seen 1 of the subjects to evaluate: a"):
        refuse_seen(first.subjects("train"), second)


def test_an_empty_or_missing_manifest_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no manifest here"):
        Manifest.read(tmp_path)
    (tmp_path / "manifest.jsonl").write_text("\n")
    with pytest.raises(DataError, match="has no rows"):
        Manifest.read(tmp_path)


def test_an_unknown_contrast_or_split_is_named(prepared):
    manifest = Manifest.read(prepared({"a": "train"}))
    with pytest.raises(DataError, match=r"no contrast T9 in this data set \[contrasts = \['T1', 'T2'\]\]"):
        manifest.select(contrasts=["T9"])
    with pytest.raises(ValueError, match="got 'dev'"):
        manifest.select(split="dev")
