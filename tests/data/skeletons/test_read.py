"""Skeletons of Kinects and of one's own tables are read with their meaning."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.tiny.skeletons import write_ntu
from medmae.data.skeletons.layouts import KINECT_20, LAYOUTS, MSR_20, NTU_25, table_layout
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.same_body import people_of
from medmae.errors import DataError
from tests.data.skeletons.files import NTU_25_AS_20, as_table, walker


# ---------------------------------------------------------------------------------------------------------------- NTU
def test_ntu_files_have_frames_bodies_and_25_joints_and_frames_without_anybody(tmp_path):
    one, other = walker(seed=1), walker(seed=2) + np.array([1.0, 0, 0])
    one[:3] = np.nan  # nobody for three frames
    other[:20] = np.nan
    path = write_ntu(tmp_path / "S001C002P003R001A004.skeleton", {"72": one, "99": other})
    found = read_skeleton(path)
    assert found.positions.shape == (60, 2, 25, 3)
    assert found.seen.any(axis=2).sum(axis=0).tolist() == [57, 40]
    assert np.allclose(found.positions[30, 1], other[30], atol=1e-5)
    assert found.flags == ("frames_without_bodies:3",)
    assert (found.camera, found.rate, found.unit) == ("2", 30.0, "m")
    assert found.recorded["person"] == 3
    assert found.recorded["action"] == 4


def test_a_body_that_comes_back_keeps_its_frames(tmp_path):
    body = walker(seconds=3)
    body[30:50] = np.nan
    found = read_skeleton(write_ntu(tmp_path / "a.skeleton", {"1": body, "2": walker(seconds=3) + np.array([1, 0, 0])}))
    assert np.allclose(found.positions[60, 0], body[60], atol=1e-5)
    assert not found.seen[40, 0].any()


def test_joints_that_kinect_guessed_or_lost_are_known_as_such(tmp_path):
    states = np.full((60, 25), 2)
    states[:, 7], states[:, 11] = 1, 0
    found = read_skeleton(write_ntu(tmp_path / "a.skeleton", {"1": walker()}, states={"1": states}))
    assert np.unique(found.confidence[:, 0, 7]).tolist() == [0.5]
    assert not found.seen[:, 0, 11].any()


def test_a_cut_off_ntu_file_is_refused_with_its_line(tmp_path):
    path = write_ntu(tmp_path / "a.skeleton", {"1": walker()})
    path.write_text("\n".join(path.read_text().split("\n")[:40]))
    with pytest.raises(DataError, match=r"should stand here; the file has 40 lines \[line 41"):
        read_skeleton(path)
    path.write_text("1\n1\n7 0 1 1 1 1 0 0 0 2\n20\n")
    with pytest.raises(DataError, match="a body has 20 joints, and NTU RGB"):
        read_skeleton(path)


def test_people_that_move_are_kept_and_short_or_wide_bodies_are_not(tmp_path):
    still = np.tile(walker(seed=3, noise=0.0)[:1], (60, 1, 1)) + np.array([1.5, 0, 0])
    short = walker(seed=4) + np.array([2, 0, 0])
    short[8:] = np.nan
    wide = walker(seed=5) * [8, 0.2, 1]
    path = write_ntu(tmp_path / "a.skeleton", {"still": still, "walks": walker(), "short": short, "wide": wide})
    found = people_of(read_skeleton(path), most=2)
    assert found.positions.shape[1] == 2
    assert np.allclose(found.positions[10, 0], walker()[10], atol=1e-5)  # who moves most comes first
    assert np.allclose(found.positions[10, 1], still[10], atol=1e-5)
    assert "bodies_left_out:2" in found.flags


def test_one_person_under_two_names_is_one_body(tmp_path):
    first, then = walker(seconds=2), walker(seconds=2)
    first[30:], then[:30] = np.nan, np.nan
    found = people_of(read_skeleton(write_ntu(tmp_path / "a.skeleton", {"1": first, "2": then})), most=2)
    assert found.positions.shape[1] == 1
    assert found.seen.all()
    assert "bodies_joined:1" in found.flags


# --------------------------------------------------------------------------------------------------------- plain text
def test_msr_text_is_20_joints_a_frame_in_the_order_of_msr(tmp_path):
    positions = walker()[:, NTU_25_AS_20]
    order = [KINECT_20.joints.index(name) for name in MSR_20.joints]
    table = np.concatenate([positions[:, order], np.ones((60, 20, 1))], axis=2).reshape(-1, 4)
    table[0, 3] = 0
    path = tmp_path / "a01_s01_e01_skeleton3D.txt"
    np.savetxt(path, table)
    found = read_skeleton(path)
    assert found.layout is MSR_20
    assert found.rate == 15
    assert found.confidence[0, 0, 0] == 0.5  # guessed, and not lost
    head = found.positions[:, 0, MSR_20.joints.index("head")]
    assert np.allclose(head, positions[:, KINECT_20.joints.index("head")], atol=1e-5)
    np.savetxt(path, table[:-1])
    with pytest.raises(DataError, match="1199 lines are no whole number of frames of 20 joints"):
        read_skeleton(path)


def test_utkinect_text_has_frames_that_were_not_written(tmp_path):
    positions = walker()[:, NTU_25_AS_20].reshape(60, 60)
    kept = [number for number in range(60) if number not in (20, 21)]
    table = np.concatenate([np.arange(60)[:, None] + 250.0, positions], axis=1)[[*kept, 59]]  # the last one twice
    path = tmp_path / "joints_s01_e01.txt"
    np.savetxt(path, table)
    found = read_skeleton(path)
    assert found.positions.shape == (60, 1, 20, 3)
    assert not found.seen[20:22].any()
    assert set(found.flags) == {"dropped_frames:2", "repeated_frames:1"}
    assert found.recorded == {"first_frame": 250, "numbers_a_frame": 1.0}


def test_other_numbers_and_words_in_a_text_are_refused(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1 2 3\n")
    with pytest.raises(DataError, match="4 numbers a line"):
        read_skeleton(path)
    path.write_text("1 2 3 1\n1 x 3 1\n")
    with pytest.raises(DataError, match="line 2 does not hold 4 numbers"):
        read_skeleton(path)
    path.write_text("")
    with pytest.raises(DataError, match="numbers in the first line = 0"):
        read_skeleton(path)


# --------------------------------------------------------------------------------------------------------- one's own
def test_a_table_has_named_joints_and_a_table_of_bones(tmp_path):
    joints = ("hip", "left_knee", "right_knee")
    positions = np.random.default_rng(0).normal(size=(10, 3, 3)) * 0.01 + [[0, 1, 0], [-0.2, 0.5, 0], [0.2, 0.5, 0]]
    path = as_table(tmp_path / "a.csv", positions, joints)
    bones = tmp_path / "bones.csv"
    bones.write_text("child,parent\nleft_knee,hip\nright_knee,hip\n")
    with pytest.raises(DataError, match="nothing says in which unit"):
        read_skeleton(path)
    found = read_skeleton(path, told=Told(unit="m", bones=str(bones)))
    assert found.layout.bones == ((1, 0), (2, 0))
    assert found.layout.pairs == ((1, 2),)
    assert found.rate == pytest.approx(30)
    assert np.allclose(found.positions[:, 0], positions, atol=1e-6)
    bones.write_text("child,parent\nleft_knee,hip\nhip,left_knee\n")
    with pytest.raises(DataError, match="bones are a tree with one root"):
        read_skeleton(path, told=Told(unit="m", bones=str(bones)))


def test_an_archive_has_named_joints(tmp_path):
    path = tmp_path / "a.npz"
    positions = walker()[:, NTU_25_AS_20]
    np.savez(path, positions=positions, joints=np.array(KINECT_20.joints), rate=30.0, unit="m")
    found = read_skeleton(path)
    assert found.layout is KINECT_20
    np.savez(path, positions=positions)
    with pytest.raises(DataError, match="the archive has no joints"):
        read_skeleton(path)
    np.savez(path, positions=np.array([{}], dtype=object), joints=np.array(["a"]))
    with pytest.raises(DataError):
        read_skeleton(path)


def test_layouts_are_trees_with_sides_and_become_each_other_by_names():
    for layout in LAYOUTS.values():
        assert len(layout.bones) == len(layout.joints) - 1
        assert {child for child, _ in layout.bones} | {layout.joints.index(layout.root)} == set(
            range(len(layout.joints))
        )
        mirrored = layout.mirrored
        assert [mirrored[place] for place in mirrored] == list(range(len(layout.joints)))
        assert sorted(sum(layout.parts, ())) == list(range(len(layout.joints)))
    order = KINECT_20.order_of(MSR_20.joints)
    assert [MSR_20.joints[place] for place in order] == list(KINECT_20.joints)
    with pytest.raises(DataError, match="never by their numbers"):
        NTU_25.order_of(KINECT_20.joints)
    with pytest.raises(DataError, match="one root"):
        table_layout(["a", "b", "c"], [("a", "b")])
