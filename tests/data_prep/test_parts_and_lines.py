"""Lines of tables of recordings: parts that go on behind their end, spoilt patients, numbers where captions are."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from data_prep.audio import prepare
from data_prep.media_case import _late
from data_prep.video_line import line_of
from data_prep.video_source import Segment
from medmae.errors import DataError


def sound(**more):
    return {"kind": "sound", "rate": 4000, "count": 8000, "start": 0.0, **more}


@pytest.mark.parametrize(
    ("row", "end", "flags"),
    [
        (sound(), 2.0, []),
        (sound(), 2.4, []),
        (sound(), 3.0, ["part_ends:+1.00"]),
        (sound(), None, []),
        (sound(start=1.0), 4.0, ["part_ends:+1.00"]),
        ({"kind": "skeleton", "rate": 30.0, "count": 60, "recorded": {}}, 3.0, ["part_ends:+1.00"]),
        ({"kind": "skeleton", "rate": 30.0, "count": 60, "recorded": {"numbers_a_frame": 2}}, 300.0, []),
        ({"kind": "skeleton", "rate": None, "count": 60, "recorded": {}}, 3.0, []),
        ({"kind": "video", "fps": 10.0, "times": np.arange(20) / 10, "count": 20}, 3.0, ["part_ends:+1.10"]),
    ],
)
def test_a_part_that_goes_on_behind_its_recording_says_so(tmp_path, row, end, flags):
    assert _late(row, Segment(name="x", start=0.5, end=end), tmp_path) == flags


def test_a_part_of_which_most_is_not_there_is_quarantined_and_the_others_stay(tmp_path):
    import soundfile

    soundfile.write(str(tmp_path / "a.wav"), np.random.default_rng(0).normal(0, 0.1, 4000), 4000)
    (tmp_path / "t.csv").write_text("path,start,end\na.wav,0,0.5\na.wav,0.5,500\n")
    console = Console(file=io.StringIO())
    result = prepare(source=tmp_path / "t.csv", out=tmp_path / "out", rate=4000, workers=0, console=console)
    assert int(result.exit_code) == 1
    rows = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert [row["case"] for row in rows] == ["a_0-0.5"]
    assert "ends at 1.00 s" in (tmp_path / "out" / "quarantine.csv").read_text()


@pytest.mark.parametrize("subject", ["1.2E+11", "#NAME?"])
def test_a_patient_that_a_spreadsheet_has_spoilt_is_refused_in_tables_of_recordings_too(tmp_path, subject):
    with pytest.raises(DataError, match="a spreadsheet has spoilt the subject of line 7") as caught:
        line_of(7, {"path": "a.mp4", "subject": subject}, tmp_path / "t.csv", remedy="")
    assert caught.value.value == subject


def test_a_number_is_no_caption(tmp_path):
    with pytest.raises(DataError, match="line 1 has a number where a caption is"):
        line_of(1, {"path": "a.mp4", "caption": 3}, tmp_path / "t.json", remedy="")
    assert line_of(1, {"path": "a.mp4", "caption": "3"}, tmp_path / "t.json", remedy="").captions == ("3",)
