"""Folders that stand where classes do: patients, visits and splits in every room of recordings, shapes and faces."""

import importlib
import io

import pytest
from rich.console import Console

from data_prep.video_files import find_videos
from medmae.data.identity.class_folders import doubts_of_classes
from medmae.errors import DataError

ROOMS = {"audio": ".wav", "moments": ".wav", "video": ".mp4", "skeleton": ".csv", "points": ".npy", "faces": ".png"}


def dry(tmp_path, room, *names, **options):
    for name in names:
        path = tmp_path / "raw" / f"{name}{ROOMS[room]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    console = Console(file=io.StringIO(), width=400)
    module = importlib.import_module(f"data_prep.{room}")
    module.prepare(source=tmp_path / "raw", out=tmp_path / "out", dry_run=True, console=console, **options)
    return console.file.getvalue()


@pytest.mark.parametrize("room", ROOMS)
def test_folders_of_patients_are_no_classes(tmp_path, room):
    names = ["P01/left", "P01/right", "P02/left", "P02/right"]
    with pytest.raises(DataError, match="folders of classes are called as patients are") as caught:
        dry(tmp_path, room, *names)
    assert "for 2 subjects, one a folder" in caught.value.remedy
    told = dry(tmp_path, room, *names, subject_from="^(?:[^/]+/){0}([^/]+)/")
    assert "2 subjects in 2 top folders" in told


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["001/rest", "001/walk", "002/rest", "003/rest"], "numbered, and hold the same names"),
        (["happy/anna", "sad/anna", "sad/otto"], "one name lies in folders of several classes"),
        (["session1/anna", "session2/anna"], "numbered, and hold the same names"),
        (["fold1/a", "fold2/b"], "called as splits"),
        (["Normal/a", "normal/b"], "differ only in case"),
        (["train/P01/a", "train/P02/b", "test/P03/c"], "called as patients are"),
    ],
)
def test_what_stands_where_classes_do_is_asked_for(tmp_path, room, names, message):
    with pytest.raises(DataError, match=message):
        dry(tmp_path, room, *names)


@pytest.mark.parametrize("room", ["audio", "skeleton", "points", "faces", "video"])
def test_what_lies_deeper_than_classes_is_told(tmp_path, room):
    names = ["ill/P01/a", "ill/P01/b", "well/P02/c", "well/P03/d"]
    paths = [tmp_path / "raw" / f"{name}{ROOMS[room]}" for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    module = importlib.import_module(f"data_prep.{room}")
    kind = next(
        one for name, one in vars(module).items() if name.endswith("Preparation") and one.__module__ == module.__name__
    )
    found = kind(source=tmp_path / "raw", out=tmp_path / "out").find()
    assert {unit.subject for unit in found.units} == {"P01", "P02", "P03"}
    assert any("4 files lie deeper than [split/]class/file" in note for note in found.notes)


def test_folders_of_patients_give_no_label(tmp_path):
    for name in ("P01/a", "P02/b"):
        (tmp_path / "raw" / name).parent.mkdir(parents=True)
        (tmp_path / "raw" / f"{name}.npy").write_bytes(b"x")
    from data_prep.points import PointPreparation

    found = PointPreparation(source=tmp_path / "raw", out=tmp_path / "out", subject_from="^(P[0-9]+)/").find()
    assert [(unit.subject, unit.segments[0].label) for unit in found.units] == [("P01", None), ("P02", None)]
    assert any("folders are those of patients" in note for note in found.notes)


@pytest.mark.parametrize("name", ["Train", "training", "TEST", "validation"])
def test_pictures_of_faces_keep_the_split_of_their_folder(tmp_path, name):
    from data_prep.faces import FacePreparation

    for split in (name, "train"):
        (tmp_path / "raw" / split / "happy").mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / split / "happy" / f"{split}.png").write_bytes(b"x")
    found = FacePreparation(source=tmp_path / "raw", out=tmp_path / "out").find()
    assert {unit.split for unit in found.units} <= {"train", "val", "test"}
    assert {unit.coded.expressions for unit in found.units} == {("happy",)}


@pytest.mark.parametrize(
    ("paths", "doubts"),
    [
        (["benign/img_1", "malignant/img_1", "benign/img_2"], 0),
        (["benign/7", "malignant/7"], 0),
        (["0/a", "1/b"], 0),
        (["murmur/p1_0", "normal/p2_0"], 0),
        (["a", "b"], 0),
        (["P01/a", "tumour/b"], 0),
        (["P01/a", "P01/b"], 0),
        (["P01/a", "P02/b"], 1),
        (["0/left", "1/left"], 1),
    ],
)
def test_counted_names_in_classes_say_nothing(paths, doubts):
    assert len(doubts_of_classes(paths)) == doubts


def test_classes_that_a_table_says_stay_though_they_are_called_as_subjects(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("path,label,subject\na.mp4,anna,anna\nb.mp4,bob,bob\n")
    found = find_videos(tmp_path / "t.csv")
    assert [video.segments[0].label for video in found.videos] == ["anna", "bob"]
    assert not any("no classes" in note for note in found.notes)
