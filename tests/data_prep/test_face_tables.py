"""Tables of faces that leave people out, contradict themselves, or belong to other pictures: refused, not guessed."""

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from data_prep.face_align import fault_of_points
from data_prep.face_layouts import recordings
from data_prep.face_sets import bp4d_codes, disfa_codes
from data_prep.face_tables import pyfeat, read_lines
from data_prep.faces import prepare
from medmae.errors import DataError


def picture(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (48, 48, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def table(tmp_path, head, *lines):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


@pytest.mark.parametrize("column", ["patient_id", "Patient", "participant_id"])
def test_people_are_found_under_the_names_that_tables_have(tmp_path, column):
    lines = [f"{number}.png,p{number // 2},1" for number in range(4)]
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    found = recordings(table(tmp_path, f"path,{column},AU1", *lines), "table")
    assert [(one.subject, one.known, len(one.files)) for one in found] == [("p0", True, 2), ("p1", True, 2)]


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        ("path,person,AU1", ["a.png,p1,1", "b.png,p2,0"], "looks like patients or splits is not read: person"),
        ("path,subject,AU1", ["a.png,p1,1", "b.png,,0"], "1 of 2 have no subject"),
        ("path,split,AU1", ["a.png,train,1", "b.png,,0"], "1 of 2 have no split"),
        ("path,split,AU1", ["a.png,first,1"], "in no split"),
        ("path,subject,AU1", ["a.png,p1,1", "./a.png,p1,0"], "stands twice"),
    ],
)
def test_a_table_of_some_people_of_other_splits_or_of_a_picture_twice_is_refused(tmp_path, head, lines, message):
    with pytest.raises(DataError, match=message):
        read_lines(table(tmp_path, head, *lines))


def test_splits_are_read_however_they_are_written_and_units_under_any_separator(tmp_path):
    path = table(tmp_path, "path,subject,split,AU 1,au_12", "a.png,p1,Training,1,0", "b.png,p2,TEST,0,1")
    assert [line["split"] for line in read_lines(path)] == ["train", "test"]
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    assert {one.coded.units for one in recordings(path, "table")} == {("AU1", "AU12")}


def test_columns_that_nobody_reads_are_warned_of(tmp_path):
    with pytest.warns(UserWarning, match="Valence"):
        read_lines(table(tmp_path, "path,AU1,Valence", "a.png,1,3"))


def test_a_picture_of_py_feat_is_that_beside_its_table(tmp_path):
    for person, active in (("P01", "0.9"), ("P02", "0.1")):
        picture(tmp_path / person / "face.png")
        (tmp_path / person / "feat.CSV").write_text(f"FaceScore,AU01,AU12,input,frame\n1,{active},0,face.png,0\n")
    found = {one.files[0].parent.name: one.coded.active[0, 0] for one in recordings(tmp_path, "pyfeat")}
    assert found == {"P01": 1.0, "P02": 0.0}
    (tmp_path / "feat.csv").write_text("FaceScore,AU01,AU12,input,frame\n1,1,0,face.png,0\n")
    faults = [one.fault for one in recordings(tmp_path, "pyfeat") if one.fault]
    assert len(faults) == 1
    assert "one face.png, not 2" in str(faults[0].value)


def test_probabilities_in_percent_are_no_probabilities(tmp_path):
    path = tmp_path / "feat.csv"
    path.write_text("FaceScore,AU01,AU12,input,frame\n1,90,10,face.png,0\n")
    with pytest.raises(DataError, match="from 0 to 1") as caught:
        pyfeat(path)
    assert caught.value.path == path


def test_lines_of_disfa_in_another_order_and_frames_of_bp4d_twice_are_refused(tmp_path):
    (tmp_path / "SN001_au1.txt").write_text("2,0\n1,3\n")
    with pytest.raises(DataError, match="line n would not be frame n"):
        disfa_codes({1: tmp_path / "SN001_au1.txt"})
    (tmp_path / "F001_T1.csv").write_text("0,1\n7,1\n7,0\n")
    with pytest.raises(DataError, match="a frame stands twice"):
        bp4d_codes(tmp_path / "F001_T1.csv")
    (tmp_path / "raw" / "AU_OCC").mkdir(parents=True)
    (tmp_path / "raw" / "AU_OCC" / "F001_T1.csv").write_text("0,1\n7,1\n")
    for folder in ("F001", "copy/F001"):
        picture(tmp_path / "raw" / folder / "T1" / "7.png")
    with pytest.raises(DataError, match="one frame lies in two files"):
        recordings(tmp_path / "raw", "bp4d")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.linspace(0.2, 0.8, 136).reshape(68, 2), "shares"),
        (np.full((68, 2), 20.0), "one point"),
        (np.linspace(200, 260, 136).reshape(68, 2), "outside"),
        (np.full((68, 2), np.nan), None),
        (np.linspace(10, 60, 136).reshape(68, 2), None),
    ],
)
def test_landmarks_of_another_picture_or_in_another_unit_are_told(points, message):
    fault = fault_of_points(points, (64, 80))
    assert fault is None if message is None else message in fault


def test_such_a_frame_is_quarantined_by_name_and_an_empty_file_is_called_empty(tmp_path):
    columns = ",".join(f"{axis}_{point}" for axis in "xy" for point in range(68))
    lines = [
        f"{name},{name[0]},1," + ",".join(["0.5"] * 136 if name == "b.png" else [""] * 136)
        for name in ("a.png", "b.png", "c.png")
    ]
    for number, name in enumerate(("a.png", "b.png")):
        picture(tmp_path / name, number)
    (tmp_path / "c.png").write_bytes(b"")
    path = table(tmp_path, f"path,subject,AU1,{columns}", *lines)
    result = prepare(
        source=path, out=tmp_path / "out", align="none", size=16, workers=0, console=Console(file=io.StringIO())
    )
    assert int(result.exit_code) == 1
    told = (tmp_path / "out" / "quarantine.csv").read_text()
    assert "b.png" in told
    assert "are shares of it" in told
    assert "the image file is empty" in told
    assert "no face was found" not in told
