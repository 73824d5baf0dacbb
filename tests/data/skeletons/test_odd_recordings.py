"""What is odd about a recording of bodies is told or refused."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.tiny.skeletons import write_ntu
from medmae.data.skeletons.layouts import NTU_25
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.recording import recording_of
from medmae.data.skeletons.same_body import people_of
from medmae.errors import DataError
from tests.data.skeletons.files import csv_of, told, walker


def test_a_frame_whose_coordinates_cancel_was_seen(tmp_path):
    body = walker()
    body[5] -= body[5].mean(axis=0)  # a sum of 0, which published code takes for an empty frame
    found = read_skeleton(write_ntu(tmp_path / "a.skeleton", {"1": body}))
    assert found.seen.all()


def test_sound_walkers_have_no_flags(tmp_path):
    assert told(csv_of(tmp_path, walker()), unit="m") == ()


def test_times_that_go_back_or_repeat_are_refused(tmp_path):
    times = np.arange(60) / 30
    times[20] = times[18] + 0.01
    with pytest.raises(DataError, match="times of frames go back, or stand still, at frame 20"):
        told(csv_of(tmp_path, walker(), times=times), unit="m")
    times[20] = times[18]
    with pytest.raises(DataError, match="two rows are of one time and body"):
        told(csv_of(tmp_path, walker(), times=times), unit="m")


def test_a_hole_in_the_clock_is_a_gap_and_one_longer_than_all_else_is_refused(tmp_path):
    times = np.arange(60) / 30
    times[40:] += 1.0
    assert "dropped_frames:30" in told(csv_of(tmp_path, walker(), times=times), unit="m")
    times[40:] += 1000
    with pytest.raises(DataError, match="do not lie on any even clock"):
        told(csv_of(tmp_path, walker(), times=times), unit="m")


def test_positions_that_are_no_numbers_were_not_seen(tmp_path):
    positions = walker()
    positions[10:20, 5] = np.nan
    positions[30, 7] = np.inf
    found = read_skeleton(csv_of(tmp_path, positions), told=Told(unit="m"))
    assert found.flags == ("not_finite:11",)
    assert int((~found.seen).sum()) == 11
    assert np.isfinite(found.positions).all()


def test_nobody_in_any_frame_is_refused(tmp_path):
    with pytest.raises(DataError, match="no joint of anybody is seen"):
        told(csv_of(tmp_path, np.full((10, 25, 3), np.nan)), unit="m")
    path = tmp_path / "a.skeleton"
    path.write_text("3\n0\n0\n0\n")
    with pytest.raises(DataError, match="no joint of anybody is seen"):
        told(path)


def test_an_empty_file_and_one_frame_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("")
    with pytest.raises(DataError, match="no joints, no frames"):
        told(path, unit="m")
    path = tmp_path / "b.npz"
    np.savez(path, positions=walker()[:1], joints=np.array(NTU_25.joints), unit="m")
    with pytest.raises(DataError, match="one frame is no movement"):
        told(path)
    np.savez(path, positions=walker()[:0], joints=np.array(NTU_25.joints), unit="m")
    with pytest.raises(DataError, match="no joint of anybody is seen"):
        told(path)


def test_frames_that_are_all_the_same_are_refused(tmp_path):
    with pytest.raises(DataError, match="nothing moves"):
        told(csv_of(tmp_path, np.tile(walker()[:1], (40, 1, 1))), unit="m")


@pytest.mark.parametrize("factor", [39.37, 1000.0, 0.01])
def test_inches_and_millimetres_are_no_metres(tmp_path, factor):
    with pytest.raises(DataError, match="its joints are in another unit"):
        told(csv_of(tmp_path, walker() * factor), unit="m")


def test_left_and_right_that_change_places_are_told(tmp_path):
    positions = walker(noise=0.0)
    positions[20:35] = positions[20:35][:, list(NTU_25.mirrored)]
    assert "sides_swapped:2" in told(csv_of(tmp_path, positions), unit="m")


def test_joints_in_another_order_are_told_by_their_bones(tmp_path):
    order = np.random.default_rng(0).permutation(25)
    flags = told(csv_of(tmp_path, walker()[:, order]), unit="m")
    assert any(flag.startswith(("bones_long", "bones_change")) for flag in flags)


def test_a_body_that_is_never_there_is_no_body(tmp_path):
    positions = np.stack([walker(), np.full((60, 25, 3), np.nan)], axis=1)
    path = tmp_path / "a.npz"
    np.savez(path, positions=positions, joints=np.array(NTU_25.joints), unit="m")
    assert people_of(read_skeleton(path), most=2).positions.shape[1] == 1


def test_a_frame_of_other_joints_is_refused(tmp_path):
    with pytest.raises(DataError, match="layout ntu25 has 25 joints"):
        recording_of(tmp_path / "a", layout=NTU_25, positions=np.zeros((4, 1, 20, 3)))
    path = tmp_path / "a.fbx"
    path.write_bytes(b"x")
    with pytest.raises(DataError, match="no skeleton is read from such a file"):
        read_skeleton(path)
