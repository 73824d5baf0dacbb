"""What is said of videos, as people bring it: several captions, marks of missing ones, encodings, keys twice."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from data_prep import video_case
from data_prep.identifying import signs_in
from data_prep.video import prepare
from medmae.data.manifest import Manifest
from medmae.errors import DataError
from tests.videos import found_in_table as found
from tests.videos import numbered, write_video


def captions_of(result):
    return {video.name: video.segments[0].captions for video in result.videos}


def told(result):
    return " | ".join(result.notes)


# ---------------------------------------------------------------------------------------------------------------- forms
def test_one_object_a_line_is_read_as_a_list_of_them_is(clips, tmp_path):
    clips("a.mp4", "b.c.mp4")
    entries = [{"video": "a.mp4", "caption": ["one", "two"]}, {"video": "b.c", "caption": "three"}]
    lines = "\n".join(map(json.dumps, entries)) + "\n\n"
    wanted = {"a.mp4": ("one", "two"), "b.c": ("three",)}
    assert captions_of(found(tmp_path, lines, "t.jsonl")) == wanted
    assert captions_of(found(tmp_path, "\ufeff" + lines, "t.ndjson")) == wanted
    assert captions_of(found(tmp_path, json.dumps(entries), "t.json")) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"path": "a.mp4"}\n{"path": ', "line 2 is not JSON"),
        ('{"path": "a.mp4"}\n"a.mp4"\n', "an object a line is expected"),
        ('{"path": "a.mp4", "caption": "x", "caption": "y"}\n', "keys stand twice: caption"),
        ('{"path": "a.mp4", "caption": {"text": "x"}}\n', "entry 1 holds more than a text"),
    ],
)
def test_bad_lines_of_json_are_refused(text, reason, clips, tmp_path):
    clips("a.mp4")
    with pytest.raises(DataError, match=reason):
        found(tmp_path, text, "t.jsonl")


def test_several_captions_may_stand_in_one_cell_as_json_and_not_as_python_writes_lists(clips, tmp_path):
    clips("a.mp4", "b.mp4")
    text = 'path,caption\na.mp4,"[""one"", ""two""]"\nb.mp4,[left] lobe [seen]\n'
    assert captions_of(found(tmp_path, text)) == {"a.mp4": ("one", "two"), "b.mp4": ("[left] lobe [seen]",)}
    with pytest.raises(DataError, match=r"line 2: a list is written as Python has it"):
        found(tmp_path, "path,caption\na.mp4,\"['one', 'two']\"\n")


def test_a_caption_that_stands_twice_for_a_video_is_kept_once(clips, tmp_path):
    clips("a.mp4")
    assert captions_of(found(tmp_path, '{"a.mp4": ["one", "one", "two"]}', "t.json")) == {"a.mp4": ("one", "two")}


def test_two_names_of_one_video_are_refused_where_each_has_a_caption(clips, tmp_path):
    clips("a.1.mp4")
    with pytest.raises(DataError, match=r"names one video in several ways: a\.1 = a\.1\.mp4"):
        found(tmp_path, '{"a.1": "x", "a.1.mp4": "y"}', "t.json")


# -------------------------------------------------------------------------------------------------------------- missing
@pytest.mark.parametrize("mark", ["NA", "n/a", "nan", "NaN", "N/A", "None", "null", "#N/A", " - ", '""'])
def test_marks_of_missing_captions_are_none_and_are_counted(mark, clips, tmp_path):
    clips("a.mp4", "b.mp4")
    result = found(tmp_path, f"path,caption\na.mp4,seen\nb.mp4,{mark}\n")
    assert captions_of(result) == {"a.mp4": ("seen",), "b.mp4": ()}
    assert "1 captions are empty or say that they are missing" in told(result)
    assert "in line 3" in told(result)
    assert "cannot be told" in told(result)


def test_missing_captions_of_a_list_leave_the_others(clips, tmp_path):
    clips("a.mp4")
    result = found(tmp_path, '[{"path": "a.mp4", "caption": ["NA", "seen", null]}]', "t.json")
    assert captions_of(result) == {"a.mp4": ("seen",)}
    assert "2 captions are empty" in told(result)


def test_words_that_contain_a_mark_are_captions(clips, tmp_path):
    clips("a.mp4")
    result = found(tmp_path, "path,caption\na.mp4,NA 140 mmol/l\n")
    assert captions_of(result) == {"a.mp4": ("NA 140 mmol/l",)}
    assert not result.notes


def test_videos_that_a_table_of_captions_does_not_name_are_counted_and_listed(clips, tmp_path):
    clips("a.mp4", "other/b.mp4", "c.mp4")
    result = found(tmp_path, "path,caption\na.mp4,x\n")
    assert sorted(one.path.name for one in result.left_out) == ["b.mp4", "c.mp4"]
    assert "says nothing of 2 videos" in told(result)
    assert not found(tmp_path, "path,label\na.mp4,x\n").left_out  # of a list of labels a part is meant


def test_captions_of_missing_and_unreadable_videos_go_to_no_other(monkeypatch, tmp_path):
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **__: video_case.store_video(task))
    for number, name in enumerate("abc"):
        write_video(tmp_path / f"{name}.mp4", numbered(4 + number))
    (tmp_path / "b.mp4").write_bytes(b"no video")
    said = {"a.mp4": "says a", "b.mp4": "says b", "gone.mp4": "says gone", "c.mp4": ["NA"]}
    (tmp_path / "t.json").write_text(json.dumps(said))
    console = Console(record=True, width=200, file=io.StringIO())
    result = prepare(source=tmp_path / "t.json", out=tmp_path / "out", workers=0, console=console)
    assert result.quarantined == 2
    rows = {row["case"]: row["captions"] for row in Manifest.read(tmp_path / "out")}
    assert rows == {"a": ["says a"], "c": []}
    quarantine = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "gone.mp4" in quarantine
    assert "b.mp4" in quarantine
    text = console.export_text()
    assert "1 of 2 videos have neither caption nor question, the first: c" in text
    assert "1 captions of 2 to 2 words" in text
    assert ",0,0," in next(line for line in (tmp_path / "out" / "summary.csv").read_text().splitlines() if "c," in line)


# ------------------------------------------------------------------------------------------------------------ encodings
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"])
def test_captions_are_decoded_and_other_encodings_than_utf_8_are_told(encoding, clips, tmp_path):
    clips("a.mp4")
    result = found(tmp_path, '{"a.mp4": "gr\u00fcner Fl\u00fcgel"}', "t.json", encoding=encoding)
    assert captions_of(result) == {"a.mp4": ("gr\u00fcner Fl\u00fcgel",)}
    assert bool(result.notes) == (encoding != "utf-8-sig")


@pytest.mark.parametrize("data", ["path,caption\na.mp4,x\n".encode("utf-16-le"), b"path,caption\na.mp4,\x81\x8d\n"])
def test_what_no_encoding_fits_is_refused_with_the_remedy(data, clips, tmp_path):
    clips("a.mp4")
    with pytest.raises(DataError, match="save it as UTF-8"):
        found(tmp_path, data)


def test_a_half_of_a_letter_in_utf_16_is_refused_and_not_replaced(clips, tmp_path):
    clips("a.mp4")
    with pytest.raises(DataError, match="not text"):
        found(tmp_path, "path,caption\na.mp4,x\n".encode("utf-16") + b"\x00\xd8\x41")


@pytest.mark.parametrize("text", ["gr\u00c3\u00bcn", "gr\ufffdn"])
def test_letters_that_another_program_has_lost_are_told(text, clips, tmp_path):
    clips("a.mp4")
    assert "lost or wrongly decoded letters" in told(found(tmp_path, f"path,caption\na.mp4,{text}\n"))


# ------------------------------------------------------------------------------------------------------ who it may name
@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Patient name: Doe", "a heading of patients"),
        ("MRN# 12", "a heading of patients"),
        ("Geb.: 1961", "a heading of patients"),
        ("seen on 3.12.2021", "a date"),
        ("2021-12-03", "a date"),
        ("reported by Dr. Meyer", "a title before a name"),
        ("DOE^JANE", "a name as DICOM writes it"),
        ("case 12345678", "a number of six digits or more"),
    ],
)
def test_texts_that_may_say_who_somebody_is_are_flagged(text, sign, clips, tmp_path):
    assert sign in signs_in([text])
    clips("a.mp4", "b.mp4")
    result = found(tmp_path, json.dumps({"a.mp4": text, "b.mp4": "a polyp of 3.5 cm"}), "t.json")
    assert {video.name: video.segments[0].flags for video in result.videos} == {
        "a.mp4": ("text_may_identify",),
        "b.mp4": (),
    }
    assert "Nothing was removed" in told(result)


@pytest.mark.parametrize(
    "text", ["the patient was sedated", "polyp, 12 mm, 3/4 of the wall", "name of the drug", "may 5"]
)
def test_plain_findings_are_not_flagged(text):
    assert not signs_in([text])
