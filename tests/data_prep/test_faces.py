"""Faces are prepared: layouts, folds, codes that nobody gave, alignment, and what is refused with a reason."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep.face_align import aligned, to_template
from data_prep.face_drawing import Person, draw_face
from data_prep.face_folds import PARTS, held_out_in
from data_prep.face_layouts import recordings
from data_prep.face_sets import bp4d_codes
from data_prep.face_units import UNITS, moved
from data_prep.faces import prepare
from data_prep.tiny.faces import write_faces
from medmae.data import Faces, Manifest, Samples
from medmae.errors import DataError
from medmae.face import MIRRORED, TEMPLATE
from tests.conftest import shared_folder

CONSOLE = Console(quiet=True)


def picture(path, *, seed=0, size=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_face(Person.of(seed), {}, size=size, seed=seed).pixels).save(path)


def run(source, out, **options):
    return prepare(source=source, out=out, size=32, workers=0, console=CONSOLE, **options)


def rows_of(out):
    return {row["case"]: row for row in Manifest.read(out).rows}


def measures(out, row):
    return np.load(out / row["coords"])


PUBLISHED = {  # of section 3 of the specification: people of each part, and its frames
    "bp4d": {
        1: ("F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014", 50_631),
        2: ("F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018", 50_182),
        3: ("F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015", 46_034),
    },
    "disfa": {
        1: ("SN001 SN002 SN009 SN010 SN016 SN026 SN027 SN030 SN032", 43_604),
        2: ("SN006 SN011 SN012 SN013 SN018 SN021 SN024 SN028 SN031", 43_605),
        3: ("SN003 SN004 SN005 SN007 SN008 SN017 SN023 SN025 SN029", 43_605),
    },
}


def labels_of_bp4d(folder):
    """Eight tables a person, of one unit, so long that parts have their published frames."""
    (folder / "AU_OCC").mkdir(parents=True)
    for people, total in PUBLISHED["bp4d"].values():
        names = [f"{person}_T{task}" for person in people.split() for task in range(1, 9)]
        for place, name in enumerate(names):
            frames = total // len(names) + (place < total % len(names))
            lines = ["0,12", *(f"{frame},0" for frame in range(1, frames + 1))]
            (folder / "AU_OCC" / f"{name}.csv").write_text("\n".join(lines))
    return folder


def labels_of_disfa(folder):
    """One unit a person, of 4,845 frames, but for one person's 4,844; and a file in a video's place."""
    for people, _ in PUBLISHED["disfa"].values():
        for person in people.split():
            lines = [f"{frame},0" for frame in range(1, 4846 - (person == "SN010"))]
            (folder / person).mkdir(parents=True)
            (folder / person / f"{person}_au12.txt").write_text("\n".join(lines))
            (folder / f"LeftVideo{person}_comp.avi").touch()
    return folder


def test_label_folders_of_the_published_lengths_have_the_published_totals_in_each_fold(tmp_path):
    frames = {}
    for table in (labels_of_bp4d(tmp_path / "bp4d") / "AU_OCC").iterdir():
        frames[table.stem[:4]] = frames.get(table.stem[:4], 0) + len(bp4d_codes(table)[0])
    disfa = recordings(labels_of_disfa(tmp_path / "disfa"), "disfa")
    frames |= {one.subject: len(one.coded.frames) for one in disfa}
    for layout, total in (("bp4d", 146_847), ("disfa", 130_814)):
        tested = [held_out_in(layout, fold) for fold in (1, 2, 3)]
        assert sorted(name for some in tested for name in some) == sorted(
            name for people, _ in PUBLISHED[layout].values() for name in people.split()
        )  # everyone is tested once
        counted = [sum(frames[name] for name in some) for some in tested]
        assert counted == [PUBLISHED[layout][part][1] for part in (3, 2, 1)]
        assert sum(counted) == total
    assert len(frames) == 41 + 27


def test_folds_of_other_papers_part_the_same_people_otherwise():
    for layout, people in (("bp4d", 41), ("disfa", 27)):
        tested = [held_out_in(layout, fold, folds="fmae") for fold in (1, 2, 3)]
        assert sum(map(len, tested)) == len(frozenset().union(*tested)) == people
        assert frozenset().union(*tested) == frozenset().union(*PARTS["me_graphau"][layout].values())
    assert {"M016", "F008"} <= held_out_in("bp4d", 1, folds="fmae")
    assert held_out_in("disfa", 1, folds="fmae") == held_out_in("disfa", 3)  # the same parts, numbered otherwise
    with pytest.raises(ValueError, match="fold 4 of bp4d"):
        held_out_in("bp4d", 4)
    with pytest.raises(ValueError, match="fold 1 of pictures"):
        held_out_in("pictures", 1)


def bp4d(folder, people=("F001", "F003", "F004"), frames=(7, 8)):
    for place, person in enumerate(people):
        table = folder / "AUCoding" / "AU_OCC" / f"{person}_T1.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        lines = [[0, 1, 2, 12], [frames[0], 1, 0, 9], [frames[1], 0, 9, 1], [99, 0, 0, 0]]
        table.write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
        for frame in frames:
            picture(folder / person / "T1" / f"{frame:03d}.jpg", seed=10 * place + frame)
    return folder


def test_bp4d_is_read_with_frames_of_any_zeros_and_nine_is_not_coded(tmp_path):
    source = bp4d(tmp_path / "bp4d")
    run(source, tmp_path / "out", align="none", fold=1)
    rows = rows_of(tmp_path / "out")
    assert {case: row["split"] for case, row in rows.items()}["F004_T1"] == "test"  # part 3 is the test of fold 1
    assert {row["split"] for row in rows.values()} == {"train", "val", "test"}
    row = rows["F001_T1"]
    assert row["units"] == ["AU1", "AU2", "AU12"]
    assert row["count"] == 2
    assert "without_picture:1" in row["flags"]
    np.testing.assert_array_equal(measures(tmp_path / "out", row)[:, 136:139], [[1, 0, np.nan], [0, np.nan, 1]])


def test_bp4d_has_intensities_of_units_that_its_owners_measured(tmp_path):
    source = bp4d(tmp_path / "bp4d")
    measured = source / "AUCoding" / "AU_INT" / "AU12"
    measured.mkdir(parents=True)
    (measured / "F001_T1_AU12.csv").write_text("7,9\n8,3\n99,0\n")
    (measured / "F003_T1_AU12.csv").write_text("7,1\n8,3\n")
    run(source, tmp_path / "out", align="none", fold=1, folds="fmae")
    rows = rows_of(tmp_path / "out")
    read = measures(tmp_path / "out", rows["F001_T1"])[:, 139:142]
    np.testing.assert_array_equal(read, [[np.nan, np.nan, np.nan], [np.nan, np.nan, 3]])
    assert rows["F004_T1"]["split"] == "test"  # of FMAE-IAT's first fold, too
    assert "F003_T1" not in rows
    (told,) = csv.DictReader((tmp_path / "out" / "quarantine.csv").open())
    assert "of frames, that AU_OCC does not have" in told["reason"]


def test_a_table_of_bp4d_with_other_cells_is_refused(tmp_path):
    path = tmp_path / "F001_T1.csv"
    path.write_text("0,1,2\n5,1,3\n")
    with pytest.raises(DataError, match="active \\(1\\) or not \\(0\\)"):
        bp4d_codes(path)
    path.write_text("frame,AU1\n5,1\n")
    with pytest.raises(DataError, match="names action units"):
        bp4d_codes(path)


def disfa(folder, person="SN001", counts=(3, 3)):
    for unit, count in zip((1, 12), counts, strict=True):
        path = folder / "ActionUnit_Labels" / person / f"{person}_au{unit}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{frame + 1},{frame + unit % 2}\n" for frame in range(count)))
    for frame in range(3):
        picture(folder / person / f"{frame}.png", seed=10 * int(person[2:]) + frame)
    return folder


def test_disfa_is_active_from_two_on_and_lines_are_frames_from_zero(tmp_path):
    for person in ("SN001", "SN003", "SN006"):
        source = disfa(tmp_path / "disfa", person)
    run(source, tmp_path / "out", align="none", fold=3)
    row = rows_of(tmp_path / "out")["SN001"]
    assert row["split"] == "test"
    assert row["names"] == ["SN001/0.png", "SN001/1.png", "SN001/2.png"]
    found = measures(tmp_path / "out", row)[:, 136:]
    np.testing.assert_array_equal(found, [[0, 0, 1, 0], [1, 0, 2, 1], [1, 1, 3, 2]])


def test_of_disfa_s_two_cameras_the_left_one_is_read(tmp_path):
    source = disfa(tmp_path / "disfa")
    for side in ("Right", "Left"):
        (source / f"{side}VideoSN001_comp.avi").touch()
    (found,) = recordings(source, "disfa")
    assert found.path.name == "LeftVideoSN001_comp.avi"
    assert not any("Right" in file.name for file in found.files)
    (source / "LeftVideoSN001_comp.avi").unlink()
    (found,) = recordings(source, "disfa")
    assert found.path == source  # pictures, and never the other camera


def test_of_all_units_of_bp4d_twelve_are_picked_in_their_order(tmp_path):
    source = bp4d(tmp_path / "bp4d")
    everyone = [*range(1, 3), *range(4, 8), *range(9, 21), *range(22, 25), *range(27, 35), *range(36, 40)]
    for table in (source / "AUCoding" / "AU_OCC").iterdir():
        lines = [[0, *everyone], *([frame, *(unit % 2 for unit in everyone)] for frame in (7, 8, 99))]
        table.write_text("\n".join(",".join(map(str, line)) for line in lines))
    run(source, tmp_path / "out", align="none", fold=1)
    wanted = ("AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU14", "AU15", "AU17", "AU23", "AU24")
    faces = Samples(source=tmp_path / "out", split="test", view=Faces(size=32, units=wanted))
    assert faces[0]["target"].tolist() == [int(name[2:]) % 2 for name in wanted]


def test_disfa_with_other_numbers_of_frames_is_quarantined_with_a_reason(tmp_path):
    disfa(tmp_path / "disfa", "SN001", counts=(3, 2))
    for person in ("SN003", "SN006"):
        disfa(tmp_path / "disfa", person)
    (tmp_path / "disfa" / "SN003" / "2.png").unlink()
    result = run(tmp_path / "disfa", tmp_path / "out", align="none")
    lines = list(csv.DictReader((tmp_path / "out" / "quarantine.csv").open()))
    assert {line["case"] for line in lines} == {"SN001", "SN003"}
    assert any("different numbers of frames" in line["reason"] for line in lines)
    assert any("no picture" in line["reason"] for line in lines)
    assert result.quarantined == 2


def test_tables_of_people_keep_intensities_landmarks_and_labels(tmp_path):
    table = write_faces(tmp_path / "raw", people=3, each=2, size=48, units=("AU1", "AU12"))
    run(table, tmp_path / "out")
    row = rows_of(tmp_path / "out")["p0001"]
    given = [line for line in csv.DictReader(table.open()) if line["subject"] == "p0001"]
    found = measures(tmp_path / "out", row)
    np.testing.assert_allclose(
        found[:, 138:], [[float(line[f"AU{n}_r"]) for n in (1, 12)] for line in given], atol=1e-6
    )
    eyes = found[:, :136].reshape(-1, 68, 2)[:, 36:48].mean(axis=1)
    np.testing.assert_allclose(eyes, [[0.5, 0.4]] * 2, atol=0.02)


def test_a_person_in_two_splits_of_a_table_is_refused(tmp_path):
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.png", seed=ord(name))
    lines = ["path,subject,split,AU1", "a.png,p1,train,1", "b.png,p1,test,0", "c.png,p2,train,1"]
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    run(tmp_path / "faces.csv", tmp_path / "out", align="none")
    line = next(csv.DictReader((tmp_path / "out" / "quarantine.csv").open()))
    assert "two splits" in line["reason"]


def test_folders_are_splits_and_expressions_and_nobody_known_is_said(tmp_path):
    for split, word, name in (("train", "joy", "a"), ("train", "fear", "b"), ("test", "joy", "c")):
        picture(tmp_path / "faces" / split / word / f"{name}.jpg", seed=ord(name))
    run(tmp_path / "faces", tmp_path / "out", align="none")
    rows = rows_of(tmp_path / "out")
    assert {row["expressions"][0] for row in rows.values()} == {"joy", "fear"}
    assert rows["test_joy_c"]["split"] == "test"
    assert all("no_patient" in row["flags"] for row in rows.values())
    data = Samples(source=tmp_path / "out", view=Faces(size=16, learn="expression"), split=None)
    assert data.classes == ("fear", "joy")


def test_a_picture_without_a_face_is_told_and_not_cropped_anyhow(tmp_path):
    for name in ("a", "b"):
        path = tmp_path / "faces" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.linear_gradient("L").rotate(ord(name)).resize((48, 48)).save(path)
    with pytest.raises(DataError, match="no face was found"):
        run(tmp_path / "faces", tmp_path / "out")


def test_a_second_run_keeps_what_was_made_and_other_codes_make_it_anew(tmp_path):
    source = bp4d(tmp_path / "bp4d")
    run(source, tmp_path / "out", align="none")
    assert run(source, tmp_path / "out", align="none").kept == 3
    table = source / "AUCoding" / "AU_OCC" / "F001_T1.csv"
    table.write_text(table.read_text().replace("7,1,0,9", "7,0,0,9"))
    result = run(source, tmp_path / "out", align="none")
    assert (result.kept, result.prepared) == (2, 1)


def test_alignment_turns_scales_and_moves_and_never_warps():
    points = np.array(TEMPLATE) * 200
    hanging = points.copy()
    hanging[48] += [0, 20]  # a corner of the mouth
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved_points = hanging @ turn.T * 1.7 + [30, -12]
    move = to_template(moved_points)
    found = moved_points @ move[:, :2].T + move[:, 2]
    np.testing.assert_allclose(np.delete(found, 48, axis=0), np.delete(np.array(TEMPLATE), 48, axis=0), atol=1e-6)
    np.testing.assert_allclose(found[48], np.array(TEMPLATE)[48] + [0, 0.1], atol=1e-6)


def test_a_crop_shows_what_its_landmarks_say():
    drawn = draw_face(Person.of(3), {}, size=128, seed=1)
    turned = np.asarray(Image.fromarray(drawn.pixels).rotate(20, resample=Image.Resampling.BICUBIC))
    angle = np.deg2rad(-20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (drawn.landmarks * 128 - 64) @ turn.T + 64
    crop = aligned(turned, points, size=96)
    straight = aligned(drawn.pixels, drawn.landmarks * 128, size=96)
    np.testing.assert_allclose(crop.points, straight.points, atol=0.02)
    middle = slice(20, 76)
    difference = np.abs(crop.pixels[middle, middle].astype(float) - straight.pixels[middle, middle].astype(float))
    assert difference.mean() < 12


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_moves_something_on_both_sides_alike(name):
    base = np.array(TEMPLATE)
    base = (base + (base[list(MIRRORED)] * [-1, 1] + [1, 0])) / 2  # quite symmetric
    face = moved(base, {name: 1.0})
    assert np.abs(face.points - base).max() > 0.005 or face.lines
    mirror = face.points[list(MIRRORED)] * [-1, 1] + [1, 0]
    np.testing.assert_allclose(mirror, face.points, atol=1e-9)


def test_drawn_faces_are_their_seed_s_and_units_show():
    person = Person.of(5)
    plain, again = (draw_face(person, {}, size=48, seed=2).pixels for _ in range(2))
    assert np.array_equal(plain, again)
    smiling = draw_face(person, {"AU12": 1.0}, size=48, seed=2).pixels
    assert np.abs(smiling.astype(int) - plain)[28:40].mean() > 3 * np.abs(smiling.astype(int) - plain)[:16].mean()


def test_real_tables_of_openface_and_py_feat_are_read(tmp_path):
    from data_prep.face_tables import format_of, openface, pyfeat

    folder = shared_folder() / "data" / "faces" / "pyfeat"
    if not folder.is_dir():
        pytest.skip("needs the shared faces")
    assert format_of(folder / "OpenFace_Test.csv") == "openface"
    coded, flags = openface(folder / "OpenFace_Test.csv")
    assert len(coded.frames) == 100
    assert coded.frames[0] == 0
    assert "AU12" in coded.units
    assert set(np.unique(coded.active[:, coded.units.index("AU12")])) <= {0, 1}
    assert np.nanmax(coded.intensity) <= 5
    assert np.isfinite(coded.points).all()
    assert flags[0] == "model_labels"
    assert coded.points[0, 0].tolist() == pytest.approx([277.276, 181.19])  # pixels, not the millimetres of X_0
    assert format_of(folder / "Feat_Test.csv") == "pyfeat"
    (by_picture,) = pyfeat(folder / "Feat_Test.csv").values()
    assert by_picture.active[0, by_picture.units.index("AU12")] == 1
    (tmp_path / "raw").mkdir()
    for name in ("Feat_Test.csv", "single_face.jpg"):
        (tmp_path / "raw" / name).write_bytes((folder / name).read_bytes())
    run(tmp_path / "raw", tmp_path / "out")
    row = rows_of(tmp_path / "out")["single_face"]
    assert "model_labels" in row["flags"]
    eyes = measures(tmp_path / "out", row)[0, :136].reshape(68, 2)[36:48].mean(axis=0)
    np.testing.assert_allclose(eyes, [0.5, 0.4], atol=0.02)


def test_the_record_says_what_was_done(tmp_path):
    run(bp4d(tmp_path / "bp4d"), tmp_path / "out", align="none")
    record = json.loads((tmp_path / "out" / "prep.json").read_text())
    assert record["options"]["align"] == "none"
    assert record["counts"]["cases"] == 3
