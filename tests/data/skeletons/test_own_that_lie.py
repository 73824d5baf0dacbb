"""Tables and archives of one's own: other clocks, joints that are spelt otherwise, units, confidence in percent."""

import csv
import json

import numpy as np
import pytest

from medmae.data.skeletons.checks import plausible
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.errors import DataError

JOINTS = ("hip", "knee", "ankle", "head")
METRES = Told(unit="m")


def places(frames=20):
    rng = np.random.default_rng(0)
    standing = np.array([[0, 0.9, 0], [0, 0.5, 0], [0, 0.1, 0], [0, 1.7, 0]])
    return standing + 0.02 * rng.normal(size=(frames, 4, 3))


def table(path, *, clock="time", step=1 / 30, names=None, more=None, edit=None):
    head = [clock, *(f"{joint}_{axis}" for joint in JOINTS for axis in "xyz"), *(more or ())]
    rows = [[f"{n * step:.5f}", *map(str, frame.ravel()), *(more or {}).values()] for n, frame in enumerate(places())]
    rows = [[(names or {}).get(name, name) for name in head], *rows]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(edit(rows) if edit else rows)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {"clock": "Time"},
        {"clock": "timestamp"},
        {"clock": "time_ms"},
        {"clock": "t [s]"},
        {"clock": "frame_number"},
        {"names": {"head_x": "head_X", "head_y": "head_Y", "head_z": "head_Z"}},
        {"names": {"head_x": "headx"}},
        {"more": {"subject": "p1"}},
        {"more": {"patient_id": "p1"}},
    ],
)
def test_columns_that_would_have_counted_are_refused_by_name(tmp_path, options):
    with pytest.raises(DataError, match="look like a clock, a coordinate or a person") as caught:
        read_skeleton(table(tmp_path / "a.csv", **options), told=METRES)
    assert caught.value.path == tmp_path / "a.csv"
    assert caught.value.value


def test_other_columns_are_counted(tmp_path):
    more = {"speed": "1", "knee_angle": "120", "trial": "3", "task": "walk"}
    found = read_skeleton(table(tmp_path / "a.csv", more=more), told=METRES)
    assert found.flags == ("columns_not_read:4",)


@pytest.mark.parametrize("step", [33.3, 16.7, 1e-5])
def test_times_in_another_unit_are_no_rate(tmp_path, step):
    with pytest.raises(DataError, match="nothing follows a body at this rate") as caught:
        read_skeleton(table(tmp_path / "a.csv", step=step), told=METRES)
    assert caught.value.field == "rate"


@pytest.mark.parametrize("rate", [-1.0, 0.03, float("nan"), 29970.0])
def test_a_rate_that_nothing_has_is_refused_wherever_it_stands(tmp_path, rate):
    np.savez(tmp_path / "a.npz", positions=places(), joints=JOINTS, unit="m", rate=rate)
    with pytest.raises(DataError, match="at this rate"):
        read_skeleton(tmp_path / "a.npz")


def test_numbers_of_frames_hold_the_place_of_those_that_are_missing_also_without_a_rate(tmp_path):
    path = table(tmp_path / "a.csv", clock="frame", step=1, edit=lambda rows: rows[:6] + rows[12:])
    found = read_skeleton(path, told=METRES)
    assert (len(found.positions), found.rate, found.flags) == (20, None, ("dropped_frames:6", "no_rate"))


@pytest.mark.parametrize(
    "edit", [lambda rows: [*rows[:-1], rows[-1][:-2]], lambda rows: [*rows[:-1], [*rows[-1], "9"]]]
)
def test_a_line_that_was_cut_off_or_is_too_long_is_refused(tmp_path, edit):
    with pytest.raises(DataError, match="line 21 has more or fewer fields"):
        read_skeleton(table(tmp_path / "a.csv", edit=edit), told=METRES)


def test_two_steps_of_which_none_is_the_median_lie_on_a_clock(tmp_path):
    path = table(tmp_path / "a.csv", clock="frame", step=1, edit=lambda rows: [*rows[:3], rows[6]])
    assert len(read_skeleton(path, told=METRES).positions) == 6


def test_a_rate_of_nothing_gives_way_to_what_is_said(tmp_path):
    np.savez(tmp_path / "a.npz", positions=places(), joints=JOINTS, unit="m", rate=0.0)
    assert read_skeleton(tmp_path / "a.npz", told=Told(rate=30.0)).rate == 30


def archive(path, **more):
    np.savez(path, **({"positions": places(), "joints": JOINTS, "unit": "m", "rate": 30.0} | more))
    return path


@pytest.mark.parametrize(
    ("more", "told", "message"),
    [
        ({"confidence": np.full((20, 4), 95.0)}, Told(), "a share of 1"),
        ({"positions": np.stack([places(), places() + 1], 1), "confidence": np.ones((20, 4))}, Told(), "a share of 1"),
        ({"fps": 30.0}, Told(), "look like a clock or a person"),
        ({"timestamps": np.arange(20)}, Told(), "look like a clock or a person"),
        ({"subject": "p1"}, Told(), "look like a clock or a person"),
        ({"unit": "mm"}, Told(unit="m"), "its unit is mm"),
        ({"unit": "feet"}, Told(), "no unit that is known"),
        ({"rate": np.array([30.0, 30.0])}, Told(), "rate is no number"),
    ],
)
def test_what_an_archive_says_otherwise_is_refused(tmp_path, more, told, message):
    with pytest.raises(DataError, match=message) as caught:
        read_skeleton(archive(tmp_path / "a.npz", **more), told=told)
    assert caught.value.path == tmp_path / "a.npz"


def test_another_rate_than_the_files_and_what_is_not_read_are_flagged(tmp_path):
    found = read_skeleton(archive(tmp_path / "a.npz", comment="x"), told=Told(rate=60.0))
    assert (found.rate, found.flags) == (30.0, ("arrays_not_read:1", "rate_of_file:30"))
    assert read_skeleton(archive(tmp_path / "b.npz"), told=Told(rate=30.0)).flags == ()


def test_a_unit_that_the_kind_of_file_contradicts_is_refused(tmp_path):
    marks = [[{"x": 0.1 + 0.01 * frame, "y": 0.02 * n, "visibility": 0.9} for n in range(33)] for frame in range(4)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"fps": "25", "frames": marks}))
    assert read_skeleton(path).rate == 25
    with pytest.raises(DataError, match="positions of such a file are in share"):
        read_skeleton(path, told=METRES)


def test_json_that_is_nested_too_deeply_is_said_to_be_so(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="nested too deeply"):
        read_skeleton(tmp_path / "a.json")


@pytest.mark.parametrize("value", [-9999.0, 1e30])
def test_a_number_that_stands_for_a_joint_nobody_saw_is_no_place(tmp_path, value):
    odd = places()
    odd[3, 1] = value
    with pytest.raises(DataError, match="joint knee of frame 3 lies"):
        plausible(read_skeleton(archive(tmp_path / "a.npz", positions=odd)), path=tmp_path / "a.npz")
