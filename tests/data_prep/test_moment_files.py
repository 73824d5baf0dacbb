"""What belongs to a sound: never the table of somebody else who has a recording of the same name."""

import numpy as np
import pytest

from data_prep.moment_files import with_companions
from data_prep.moment_series import landmarks_at
from data_prep.moments import MomentPreparation
from data_prep.tiny.moments import write_openface
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.errors import DataError


def sounds(root, *names):
    units = []
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        units.append(VideoSource(case=name.replace("/", "_"), name=name, path=path, files=(path,)))
    return FoundUnits(units=tuple(units))


def beside(root, found, landmarks=None, **options):
    units, left = with_companions(found, source=root, landmarks=landmarks or root, pictures=None, **options)
    told = {unit.name: [path.relative_to(landmarks or root).as_posix() for path in unit.files[1:]] for unit in units}
    return told, units, left


def table(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x\n")


def test_one_name_in_folders_of_several_people_takes_the_table_of_its_folder(tmp_path):
    for person in ("P01", "P02"):
        table(tmp_path / person / "talk.csv")
    told, _, _ = beside(tmp_path, sounds(tmp_path, "P01/talk.wav", "P02/talk.wav", "P03/talk.wav"))
    assert told == {"P01/talk.wav": ["P01/talk.csv"], "P02/talk.wav": ["P02/talk.csv"], "P03/talk.wav": []}


@pytest.mark.parametrize("tables", [("one/a.csv", "two/a.csv"), ("a.csv", "a.CSV")])
def test_several_tables_of_one_sound_are_its_fault_and_no_guess(tmp_path, tables):
    for name in tables:
        table(tmp_path / "tables" / name)
    _, units, _ = beside(tmp_path, sounds(tmp_path, "a.wav"), tmp_path / "tables")
    with pytest.raises(DataError, match="2 files and 1 sounds have this name"):
        raise units[0].fault


def test_one_table_of_two_sounds_is_neithers(tmp_path):
    table(tmp_path / "tables" / "talk.csv")
    _, units, _ = beside(tmp_path, sounds(tmp_path, "P01/talk.wav", "P02/talk.wav"), tmp_path / "tables")
    assert all("no folder tells" in unit.fault.reason for unit in units)


def test_the_only_table_of_a_name_is_taken_wherever_it_lies_also_behind_a_link(tmp_path):
    table(tmp_path / "else" / "a.csv")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "linked").symlink_to(tmp_path / "else")
    told, _, _ = beside(tmp_path, sounds(tmp_path, "deep/a.wav"), tmp_path / "tables")
    assert told == {"deep/a.wav": ["linked/a.csv"]}


def test_the_other_files_of_a_recording_are_listed(tmp_path):
    names = ("01-01-03-01-01-01-01.wav", "03-01-03-01-01-01-01.wav")
    told, _, left = beside(tmp_path, sounds(tmp_path, *names))
    assert list(told) == [names[1]]
    assert [(one.path.name, one.damaged) for one in left] == [(names[0], False)]


@pytest.mark.parametrize("option", ["landmarks", "pictures"])
def test_a_folder_that_is_not_there_is_refused(tmp_path, option):
    sounds(tmp_path / "raw", "a.wav")
    asked = {option: tmp_path / "nowhere", "with_pictures": True}
    with pytest.raises(DataError, match="there is no such file or folder") as caught:
        MomentPreparation(source=tmp_path / "raw", out=tmp_path / "out", **asked).find()
    assert str(caught.value.path).endswith("nowhere")


def openface(path, *, frames=48, edit=None):
    points = np.random.default_rng(0).normal(100, 20, (frames, 68, 2))
    write_openface(path, points)
    if edit is not None:
        lines = [line.split(",") for line in path.read_text().splitlines()]
        path.write_text("\n".join(",".join(row) for row in edit(lines)))
    return path


SECONDS = np.arange(48) / 30


def test_a_table_in_milliseconds_or_of_a_far_longer_video_is_refused(tmp_path):
    def in_ms(rows):
        return [rows[0], *([*row[:2], f"{float(row[2]) * 1000:g}", *row[3:]] for row in rows[1:])]

    for path in (openface(tmp_path / "a.csv", edit=in_ms), openface(tmp_path / "b.csv", frames=480)):
        with pytest.raises(DataError, match=r"the sound ends at 1.5\d+ s") as caught:
            landmarks_at(path, SECONDS)
        assert (caught.value.field, caught.value.path) == ("timestamp", path)


def test_a_table_that_ends_elsewhere_than_its_sound_says_so(tmp_path):
    assert landmarks_at(openface(tmp_path / "a.csv", frames=10), SECONDS)[1] == ["landmarks_end:-1.27"]
    assert landmarks_at(openface(tmp_path / "b.csv"), SECONDS)[1] == []


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: [[cell for place, cell in enumerate(row) if place != 3] for row in rows], "lacks columns"),
        (lambda rows: [rows[0], *([*row[:3], "", *row[4:]] for row in rows[1:])], "no number"),
    ],
)
def test_a_face_whose_confidence_nobody_says_is_not_taken_as_seen(tmp_path, edit, message):
    with pytest.raises(DataError, match=message):
        landmarks_at(openface(tmp_path / "a.csv", edit=edit), SECONDS)
