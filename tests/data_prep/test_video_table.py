"""Tables and lists of videos, as people bring them."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
from rich.console import Console

from data_prep import video_case
from data_prep.video import prepare
from medmae.data.manifest import Manifest
from medmae.errors import DataError, ExitCode
from tests.videos import found_in_table as found
from tests.videos import numbered, numbers_of, write_video


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """The work of the child in this process, which saves the start of another one."""
    monkeypatch.setattr(video_case, "run_in_child", lambda _, task, **__: video_case.store_video(task))


def labels_of(result):
    return {video.name: video.segments[0].label for video in result.videos}


# -------------------------------------------------------------------------------------------------------------- forms
def test_a_table_with_a_header_has_all_columns(clips, tmp_path):
    clips("a.mp4", "sub/b c.avi")
    text = "Path,Label,value,caption,split,patient,fps,extra\n"
    text += 'a.mp4,x,55.5,"one, two",TRAIN, P1 ,30,1\nsub/b c.avi,y,,,test,P2,,2\n'
    with pytest.warns(UserWarning, match="columns that are not read: extra"):
        result = found(tmp_path, text)
    first, second = result.videos
    assert (first.name, first.subject, first.known, first.split, first.rate) == ("a.mp4", "P1", True, "train", 30)
    assert first.segments[0].captions == ("one, two",)
    assert (first.segments[0].label, first.segments[0].value) == ("x", 55.5)
    assert (second.name, second.split, second.segments[0].value) == ("sub/b c.avi", "test", None)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_known(delimiter, clips, tmp_path):
    clips("a.mp4")
    assert labels_of(found(tmp_path, delimiter.join(("file", "label")) + "\n" + delimiter.join(("a.mp4", "x")))) == {
        "a.mp4": "x"
    }


def test_lists_without_header_have_a_path_and_a_label_and_paths_may_have_blanks(clips, tmp_path):
    clips("a.mp4", "my clip 2.mp4", "c,d.mp4")
    result = found(tmp_path, "a.mp4 0\nmy clip 2.mp4 12\nc,d.mp4 3\n", "train.csv")
    assert labels_of(result) == {"a.mp4": "0", "my clip 2.mp4": "12", "c,d.mp4": "3"}
    assert labels_of(found(tmp_path, "a.mp4,7\n", "commas.csv")) == {"a.mp4": "7"}
    clips("a\u2028b.mp4")  # str.splitlines() would end the line within
    assert labels_of(found(tmp_path, "a\u2028b.mp4 4\r\na.mp4 5\n", "odd.txt")) == {"a\u2028b.mp4": "4", "a.mp4": "5"}
    assert labels_of(found(tmp_path, "a.mp4\nmy clip 2.mp4\n", "bare.txt")) == {"a.mp4": None, "my clip 2.mp4": None}


def test_lists_of_videomae_v2_name_whole_files_and_parts_are_refused(clips, tmp_path):
    clips("a.mp4")
    assert labels_of(found(tmp_path, "a.mp4 0 -1\n", "v2.txt")) == {"a.mp4": None}
    assert labels_of(found(tmp_path, "a.mp4 0 -1 5\n", "v2.txt")) == {"a.mp4": "5"}
    with pytest.raises(DataError, match="line 1 takes a part of a video by numbers of frames"):
        found(tmp_path, "a.mp4 10 64\n", "v2.txt")


def test_absolute_paths_and_another_root(clips, tmp_path):
    clips("data/a.mp4")
    assert len(found(tmp_path, f"{tmp_path}/data/a.mp4 1\n").videos) == 1
    assert found(tmp_path, "path\na.mp4\n", root=tmp_path / "data").videos[0].fault is None


def test_echonet_names_files_without_their_suffix(clips, tmp_path):
    clips("Videos/0X1.avi", "Videos/0X2.avi")
    text = "FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split\n"
    text += "0X1,62.1,1,2,112,112,50,174,TRAIN\n0X2,40,1,2,112,112,51,215,VAL\n"
    videos = found(tmp_path, text, "FileList.csv").videos
    assert [(v.path.name, v.segments[0].value, v.rate, v.split) for v in videos] == [
        ("0X1.avi", 62.1, 50, "train"),
        ("0X2.avi", 40, 51, "val"),
    ]


def test_ssv2_and_captions_come_as_json(clips, tmp_path):
    clips("78687.webm", "42326.webm")
    entries = [
        {"id": "78687", "label": "holding potato", "template": "Holding [something]"},
        {"id": "42326", "label": "x"},
    ]
    assert len(found(tmp_path, json.dumps(entries), "train.json").videos) == 2
    result = found(tmp_path, json.dumps({"78687": ["one", "two"], "42326.webm": "three"}), "captions.json")
    assert {v.name: v.segments[0].captions for v in result.videos} == {
        "78687": ("one", "two"),
        "42326.webm": ("three",),
    }


# ----------------------------------------------------------------------------------------------- names and encodings
def test_a_name_is_not_cut_at_its_first_dot(clips, tmp_path):
    clips("scan.1.mp4", "scan.2.mp4")
    videos = found(tmp_path, "path,label\nscan.1,a\nscan.2.mp4,b\n").videos
    assert [video.path.name for video in videos] == ["scan.1.mp4", "scan.2.mp4"]
    assert [video.case for video in videos] == ["scan.1", "scan.2"]


def test_a_name_of_several_files_is_quarantined_and_not_guessed(clips, tmp_path):
    clips("x/a.mp4", "y/a.mp4", "b.mp4")
    videos = {video.name: video for video in found(tmp_path, "path\na\nb\n").videos}
    assert "2 videos are called so" in videos["a"].fault.reason
    assert videos["b"].fault is None


def test_a_missing_video_is_quarantined_with_its_line(clips, tmp_path):
    write_video(tmp_path / "a.mp4", numbered(4))
    (tmp_path / "t.csv").write_text("path,label\na.mp4,x\ngone.mp4,y\n")
    result = prepare(source=tmp_path / "t.csv", out=tmp_path / "out", workers=0, console=Console(quiet=True))
    assert result.exit_code == ExitCode.SOME_FAILED
    text = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "there is no such video" in text
    assert "line 3 of t.csv" in text
    assert [row["label"] for row in Manifest.read(tmp_path / "out")] == ["x"]  # no label has moved


def test_decomposed_letters_are_the_same_name(clips, tmp_path):
    name = "m\u00fcller.mp4"
    clips(unicodedata.normalize("NFD", name))
    video = found(tmp_path, f"path,caption\n{name},gr\u00fcn\n").videos[0]
    assert video.fault is None
    assert video.name == name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_tried_and_said(encoding, clips, tmp_path):
    clips("a.mp4")
    result = found(tmp_path, "path,caption\na.mp4,gr\u00fcn \u2013 \u00e9\n", encoding=encoding)
    assert result.videos[0].segments[0].captions == ("gr\u00fcn \u2013 \u00e9",)
    assert bool(result.notes) == (encoding in ("utf-16", "cp1252"))


def test_captions_keep_quotes_and_line_breaks(clips, tmp_path):
    clips("a.mp4", "b.mp4")
    text = 'path,caption\na.mp4,"he said ""go""\nand went"\nb.mp4,NA 140\n'
    captions = {video.name: video.segments[0].captions for video in found(tmp_path, text).videos}
    assert captions == {"a.mp4": ('he said "go"\nand went',), "b.mp4": ("NA 140",)}


def test_all_captions_of_a_video_are_kept(clips, tmp_path):
    clips("a.mp4")
    assert found(tmp_path, "path,caption\na.mp4,one\na.mp4,two\n").videos[0].segments[0].captions == ("one", "two")


def test_a_mark_of_missing_values_is_no_class(clips, tmp_path):
    clips("a.mp4", "b.mp4")
    assert labels_of(found(tmp_path, "path,label\na.mp4,NA\nb.mp4,x\n")) == {"a.mp4": None, "b.mp4": "x"}


# ------------------------------------------------------------------------------------------------------ what is wrong
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("path,label\na.mp4,x\na.mp4,y\n", "lines 2, 3 disagree about a.mp4"),
        ("path,label\na.mp4,x\na.mp4,x\n", "lines 2, 3 say the same"),
        ("path,label\na.mp4,x\n./a.mp4,x\n", "names one video in several ways"),
        ("path,label\na.mp4\n", "line 2 has 1 fields where 2 are expected"),
        ("path,label\na.mp4,x,y\n", "line 2 has 3 fields where 2 are expected"),
        ("path,split\na.mp4,holdout\n", "line 2 names no split"),
        ("path,value\na.mp4,about 5\n", "line 2 has no number"),
        ("path,value\na.mp4,nan\n", "line 2 has no number"),
        ("path,start,end\na.mp4,5,2\n", "line 2 names no part"),
        ("path,start,end\na.mp4,-1,2\n", "line 2 names no part"),
        ("path,label\n,x\n", "line 2 names no video"),
        ("path,Path\na.mp4,x\n", "two columns have the same name"),
        ('path,caption\na.mp4,"open\n', "not CSV"),
        ("path,start,end\na.mp4,,\na.mp4,1,2\n", "as a whole and in parts"),
        ("path,patient\na.mp4,p1\nb.mp4,\n", "1 of 2 have no subject"),
        ("path,split\na.mp4,train\nb.mp4,\n", "1 of 2 have no split"),
        ("path,patient\na.mp4,p1\na.mp4,p2\n", "disagree about a.mp4"),
        ("path,patient\na.mp4,p1\nb.mp4,NA\n", "1 of 2 have no subject"),
        ("path,patient\na.mp4,p1\nb.mp4,P01\n", "it does not show who is one patient.*'P01' = 'p1'"),
        ("path,fps\na.mp4,-25\n", "line 2 names a rate that no camera has"),
        ("path,fps\na.mp4,0\n", "line 2 names a rate that no camera has"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_the_line(text, reason, clips, tmp_path):
    clips("a.mp4", "b.mp4")
    with pytest.raises(DataError, match=reason) as caught:
        found(tmp_path, text)
    assert str(caught.value.path) == str(tmp_path / "table.csv")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a.mp4": "x", "a.mp4": "y"}', "keys stand twice: a.mp4"),
        ("[1, 2]", "a list of objects"),
        ("{", "not JSON"),
        ('[{"caption": "x"}]', "no column names the videos"),
        ('{"a.mp4": {"duration": 82.7, "sentences": ["one", "two"]}}', "entry 1 holds more than a text"),
        ('[{"path": "a.mp4", "label": ["x", "y"]}]', "entry 1 holds more than a text.*label"),
        ('{"a.mp4": [{"text": "one"}]}', "entry 1 holds more than a text"),
    ],
)
def test_bad_json_is_refused(text, reason, clips, tmp_path):
    clips("a.mp4")
    with pytest.raises(DataError, match=reason):
        found(tmp_path, text, "t.json")


def test_columns_can_be_named(clips, tmp_path):
    clips("a.mp4", "b.mp4")
    text = "path,patient,site,EDV\na.mp4,p1,s1,3\nb.mp4,p2,s1,4\n"
    videos = found(tmp_path, text, columns={"subject": "Site", "value": "EDV"}).videos
    assert [(video.subject, video.segments[0].value) for video in videos] == [("s1", 3), ("s1", 4)]
    with pytest.raises(DataError, match="no such column"):
        found(tmp_path, text, columns={"subject": "hospital"})


# -------------------------------------------------------------------------------------------------------------- parts
def test_parts_by_seconds_are_samples_of_one_shard(tmp_path):
    write_video(tmp_path / "surgery.mkv", numbered(20), rate=10, codec="ffv1", pixels="yuv444p")
    text = "path,label,start,end,group\nsurgery.mkv,cut,0,0.5,p1\nsurgery.mkv,sew,1.2,,p1\nsurgery.mkv,late,7,8,p1\n"
    (tmp_path / "t.csv").write_text(text)
    result = prepare(source=tmp_path / "t.csv", out=tmp_path / "out", workers=0, console=Console(quiet=True))
    assert result.quarantined == 1
    rows = {row["label"]: row for row in Manifest.read(tmp_path / "out", verify=True)}
    assert set(rows) == {"cut", "sew"}
    assert rows["cut"]["case"] == "surgery_0-0.5"
    assert len({row["shard"] for row in rows.values()}) == 1
    shard = np.load(tmp_path / "out" / rows["cut"]["shard"])
    of = {label: shard[row["first"] : row["first"] + row["count"]] for label, row in rows.items()}
    assert numbers_of(of["cut"]) == [0, 1, 2, 3, 4]
    assert numbers_of(of["sew"]) == list(range(12, 20))
    assert "the video is 1.90 s long" in (tmp_path / "out" / "quarantine.csv").read_text()


def test_a_stated_rate_gives_times_to_what_has_none_and_is_compared_with_what_has(tmp_path):
    np.save(tmp_path / "a.npy", numbered(20)[..., 0])
    write_video(tmp_path / "b.mkv", numbered(20), rate=25, codec="ffv1", pixels="yuv444p")
    (tmp_path / "t.csv").write_text("path,fps,start,end\na.npy,10,1,1.5\nb.mkv,10,0,0.2\n")
    prepare(source=tmp_path / "t.csv", out=tmp_path / "out", workers=0, console=Console(quiet=True))
    rows = {row["case"][0]: row for row in Manifest.read(tmp_path / "out")}
    assert (rows["a"]["fps"], rows["a"]["first"], rows["a"]["count"]) == (10, 10, 5)
    assert "rate_from_table" in rows["a"]["flags"]
    assert (rows["b"]["fps"], rows["b"]["count"]) == (25, 5)
    assert "table_rate:10" in rows["b"]["flags"]


def test_parts_of_a_video_without_times_are_told(tmp_path):
    np.save(tmp_path / "a.npy", numbered(20)[..., 0])
    (tmp_path / "t.csv").write_text("path,start,end\na.npy,1,1.5\n")
    with pytest.raises(DataError, match="a part by seconds needs the times of frames"):
        prepare(source=tmp_path / "t.csv", out=tmp_path / "out", workers=0, console=Console(quiet=True))
