"""Reports beside videos, or in a folder of their own: whose they are, and their sentences."""

from __future__ import annotations

import pytest

from data_prep.sentences import sentences_of
from data_prep.video_files import find_videos
from medmae.data.identity.given import Given
from medmae.errors import DataError

BY_FOLDER = Given(subject_from="^([^/]+)/")


@pytest.fixture
def study(tmp_path):
    """Empty videos, and texts: ``study({"raw/a.mp4": "", "reports/a.txt": "..."})``."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "raw"

    return make


def said(found):
    return {video.name: video.segments[0].captions for video in found.videos}


def test_a_report_beside_its_video_is_its_captions_a_sentence_each(study):
    raw = study({"raw/a.1.mp4": "", "raw/a.1.txt": "No stones. The duct is wide.", "raw/a.mp4": ""})
    found = find_videos(raw, reports=raw)
    assert said(found) == {"a.1.mp4": ("No stones.", "The duct is wide."), "a.mp4": ()}
    assert not found.left_out
    assert said(find_videos(raw, reports=raw, report_as="whole"))["a.1.mp4"] == ("No stones. The duct is wide.",)


@pytest.mark.parametrize(
    "report", ["raw/s1/report.txt", "raw/s1/REPORT.TXT", "raw/s1/s1.txt", "other/s1.txt", "raw/s1.txt"]
)
def test_a_report_of_a_study_is_of_all_its_videos_and_says_so(report, study, tmp_path):
    raw = study({"raw/s1/a.mp4": "", "raw/s1/b.mp4": "", "raw/s2/c.mp4": "", report: "Normal."})
    found = find_videos(raw, reports=tmp_path / report.split("/")[0], given=BY_FOLDER)
    assert said(found) == {"s1/a.mp4": ("Normal.",), "s1/b.mp4": ("Normal.",), "s2/c.mp4": ()}
    assert [video.segments[0].flags for video in found.videos] == [("report_of:2",), ("report_of:2",), ()]
    assert "1 reports are of several videos each" in " ".join(found.notes)


def test_the_nearest_report_counts(study):
    raw = study({"raw/s/a.mp4": "", "raw/s/b.mp4": "", "raw/s/a.txt": "Of a.", "raw/s/report.txt": "Of the study."})
    assert said(find_videos(raw, reports=raw)) == {"s/a.mp4": ("Of a.",), "s/b.mp4": ("Of the study.",)}


def test_reports_of_no_video_are_listed_and_of_another_folder_fail(study, tmp_path):
    raw = study({"raw/x/a.mp4": "", "raw/y/a.mp4": "", "reports/a.txt": "Whose?", "reports/gone.txt": "Of nobody."})
    found = find_videos(raw, reports=tmp_path / "reports", given=BY_FOLDER)
    assert set(said(found).values()) == {()}
    assert [name for name, _ in found.failed] == ["a", "gone"]  # two videos are called a
    raw = study({"raw/x/README.txt": "A data set."})
    beside = find_videos(raw, reports=raw, given=BY_FOLDER)
    assert [one.path.name for one in beside.left_out] == ["README.txt"]
    assert not beside.failed
    assert set(said(beside).values()) == {()}


def test_reports_in_other_encodings_are_told_and_bad_ones_fail_alone(study):
    raw = study({"raw/a.mp4": "", "raw/b.mp4": "", "raw/c.mp4": "", "raw/d.mp4": ""})
    study({"raw/a.txt": "gr\u00fcn".encode("latin-1"), "raw/b.txt": b"\x00\x01", "raw/c.txt": " \n", "raw/d.txt": "NA"})
    found = find_videos(raw, reports=raw)
    assert said(found) == {"a.mp4": ("gr\u00fcn",), "b.mp4": (), "c.mp4": (), "d.mp4": ()}
    assert [name for name, _ in found.failed] == ["b"]
    assert "2 reports are empty" in " ".join(found.notes)
    assert "1 reports are not UTF-8" in " ".join(found.notes)


def test_captions_of_a_table_and_a_report_are_both_kept_and_told(study, tmp_path):
    raw = study({"raw/a.mp4": "", "raw/t.csv": "path,caption\na.mp4,a polyp\n", "reports/a.txt": "Removed. A polyp"})
    found = find_videos(raw / "t.csv", reports=tmp_path / "reports")
    assert said(found) == {"a.mp4": ("a polyp", "Removed.", "A polyp")}
    assert "1 videos have captions in the table and a report" in " ".join(found.notes)


def test_what_is_no_folder_of_reports_is_refused(study, tmp_path):
    raw = study({"raw/a.mp4": "", "empty/notes.md": ""})
    with pytest.raises(DataError, match="no report is here"):
        find_videos(raw, reports=tmp_path / "empty")
    with pytest.raises(DataError, match="there is no such folder"):
        find_videos(raw, reports=tmp_path / "none")
    study({"both/a.txt": "x", "both/a.TXT": "y"})
    with pytest.raises(DataError, match="two reports have one name"):
        find_videos(raw, reports=tmp_path / "both")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three! four", ["One.", "Two?", "Three! four"]),
        ("It is 3.5 cm wide.Next to it", ["It is 3.5 cm wide.Next to it"]),
        ("Seen by Dr. Doe at approx. 5 cm. Left", ["Seen by Dr. Doe at approx. 5 cm.", "Left"]),
        ("a line that\nis wrapped\n\nanother", ["a line that is wrapped", "another"]),
        ("Liver: normal\nSpleen: large", ["Liver: normal", "Spleen: large"]),
        ("1. No stones.\n2. A polyp.\n- small", ["1. No stones.", "2. A polyp.", "- small"]),
        ("FINDINGS:\n\nIMPRESSION:\nnormal", ["FINDINGS: IMPRESSION: normal"]),
        ("Befund: gro\u00df. \u00dcbriges normal.", ["Befund: gro\u00df.", "\u00dcbriges normal."]),
        ("He said \"stop.\" Then left", ['He said "stop."', "Then left"]),
        ("only a heading:", ["only a heading:"]),
        ("", []),
    ],
)  # fmt: skip
def test_a_text_is_cut_into_its_sentences_and_loses_no_word(text, sentences):
    found = list(sentences_of(text))
    assert found == sentences
    assert " ".join(found).split() == text.split()
