"""Skeletons are read with their meaning, and what is odd about them is told or refused."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from data_prep.tiny.skeletons import Walker, walk, write_ntu
from medmae.data.skeletons.checks import plausible
from medmae.data.skeletons.layouts import COCO_17, KINECT_20, LAYOUTS, MSR_20, NTU_25, table_layout
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.recording import recording_of
from medmae.data.skeletons.same_body import followed, people_of
from medmae.errors import DataError


def walker(seconds=2.0, seed=0, **options):
    return walk(Walker(**options), seconds=seconds, seed=seed)


def told(path, **options):
    """Flags of a file, as preparation finds them."""
    found = people_of(read_skeleton(path, told=Told(**options)), most=2)
    return (*found.flags, *plausible(found, path=path))


WRITE_C3D = """
import sys

import ezc3d
import numpy as np

given, path, rate, unit, *labels = sys.argv[1:]
positions = np.load(given)
held = ezc3d.c3d()
held["parameters"]["POINT"]["RATE"]["value"] = [float(rate)]
held["parameters"]["POINT"]["LABELS"]["value"] = labels
held["parameters"]["POINT"]["UNITS"]["value"] = [unit]
points = np.ones((4, positions.shape[1], len(positions)))
points[:3] = positions.transpose(2, 1, 0)
held["data"]["points"] = points
held.write(path)
"""


def write_c3d(path, positions, *, labels, rate, unit="mm"):
    """Points ``(T, N, 3)``, NaN where there are none; by a process of its own: ezc3d cannot write beside SimpleITK."""
    np.save(path.with_suffix(".npy"), positions)
    given = [path.with_suffix(".npy"), path, rate, unit, *labels]
    subprocess.run([sys.executable, "-c", WRITE_C3D, *map(str, given)], check=True)


def as_table(path, positions, joints, *, times=None, header="time"):
    """A CSV of ``(T, V, C)``."""
    columns = [header, *(f"{name}_{axis}" for name in joints for axis in "xyz"[: positions.shape[2]])]
    times = np.arange(len(positions)) / 30 if times is None else times
    rows = [",".join(map(str, [time, *frame.ravel().tolist()])) for time, frame in zip(times, positions, strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


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


NTU_25_AS_20 = [NTU_25.joints.index(name) for name in KINECT_20.joints]


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


# ------------------------------------------------------------------------------------------------------ motion capture
def test_c3d_markers_have_names_unit_rate_and_gaps(tmp_path):
    pytest.importorskip("ezc3d", reason="C3D is read by ezc3d")
    positions = walker()[:, NTU_25_AS_20] * 1000
    positions[5:9, 3] = np.nan
    path = tmp_path / "walk.c3d"
    write_c3d(path, positions, labels=list(KINECT_20.joints), rate=100.0)
    found = read_skeleton(path, told=Told(layout="kinect20"))
    assert found.layout is KINECT_20
    assert (found.rate, found.unit) == (100.0, "mm")
    assert np.flatnonzero(~found.seen[:, 0, 3]).tolist() == [5, 6, 7, 8]
    assert np.allclose(found.positions[20, 0], positions[20], atol=0.01)
    assert read_skeleton(path).layout.bones == ()  # of markers nobody says what hangs on what
    with pytest.raises(DataError, match="5 of them are not there"):
        read_skeleton(path, told=Told(layout="coco17"))
    write_c3d(path, positions, labels=list(KINECT_20.joints), rate=100.0, unit="furlong")
    with pytest.raises(DataError, match="does not say in which unit"):
        read_skeleton(path)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError):
        read_skeleton(path)


BVH = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 0 -40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 4
Frame Time: 0.05
0 90 0 0 0 0 0 0 0
0 90 0 90 0 0 0 0 0
0 90 0 0 90 0 0 -90 0
0 90 0 90 90 0 0 0 0
"""


def test_bvh_angles_become_places(tmp_path):
    path = tmp_path / "a.bvh"
    path.write_text(BVH)
    with pytest.raises(DataError, match="--unit cm"):
        read_skeleton(path)
    found = read_skeleton(path, told=Told(unit="cm"))
    assert found.layout.joints == ("hips", "knee", "knee_end")
    assert found.layout.bones == ((1, 0), (2, 1))
    assert found.rate == pytest.approx(20)
    expected = [
        [[0, 90, 0], [0, 50, 0], [0, 10, 0]],
        [[0, 90, 0], [40, 90, 0], [80, 90, 0]],  # about z by 90 degrees: down becomes x
        [[0, 90, 0], [0, 90, -40], [0, 50, -40]],  # about x: down becomes -z, and the knee bends back
        [[0, 90, 0], [0, 90, -40], [0, 90, -80]],  # about x first, as the last of the channels is nearest to the bone
    ]
    assert np.allclose(found.positions[:, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Frames: 4", "Frames: 5", "5 frames of 0.05 s are promised"),
        ("0 90 0 90 0 0 0 0 0", "0 90 0 90 0 0 0 0", "line 20 does not hold 9 numbers"),
        ("JOINT knee", "KNOT knee", "an unknown word"),
        ("MOTION\n", "", "an unknown word"),
        ("Frames: 4\n", "", "number of frames"),
        ("}\nMOTION", "MOTION", "cut off|does not end"),
    ],
)
def test_a_bvh_that_is_none_is_refused(tmp_path, old, new, said):
    path = tmp_path / "a.bvh"
    path.write_text(BVH.replace(old, new, 1))
    with pytest.raises(DataError, match=said):
        read_skeleton(path, told=Told(unit="cm"))


# ---------------------------------------------------------------------------------------------------- pose estimators
def crossing(frames=30, *, twins=False):
    """Two people in a picture who walk through each other, and whose order in the file changes where they meet."""
    rng = np.random.default_rng(0)
    shape = rng.uniform(-30, 30, (2, 17, 2))
    shape[1] = shape[0] if twins else shape[1]
    paths = np.stack([np.linspace(100, 500, frames), np.linspace(500, 100, frames)])
    places = shape[:, None] + np.stack([paths, np.full_like(paths, 200)], axis=-1)[:, :, None]
    return places.transpose(1, 0, 2, 3)  # (T, 2, 17, 2)


@pytest.mark.parametrize("twins", [False, True])
def test_two_people_who_cross_stay_who_they_are(twins):
    true = crossing(twins=twins)  # of twins nothing but where they were going tells who is who
    shown = true.copy()
    shown[15:] = shown[15:, ::-1]
    found, sure = followed(shown, np.ones(shown.shape[:3]))
    assert np.array_equal(found, true)
    assert sure.all()


def openpose(folder, places, *, skip=()):
    folder.mkdir(parents=True, exist_ok=True)
    for frame, people in enumerate(places):
        told = [
            {"pose_keypoints_2d": np.concatenate([one, np.ones((17, 1))], axis=1).ravel().tolist()} for one in people
        ]
        if frame not in skip:
            (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": told}))
    return sorted(folder.iterdir())


def test_openpose_is_a_file_a_frame_and_missing_ones_are_gaps(tmp_path):
    places = crossing()
    places[4, 0, 9] = 0  # OpenPose's way to say that a joint was not found
    files = openpose(tmp_path / "json", places, skip=(7,))
    found = read_skeleton(files[0], files=files, told=Told(rate=25.0))
    assert found.layout is COCO_17
    assert found.positions.shape == (30, 2, 17, 2)
    assert (found.unit, found.rate) == ("px", 25.0)
    assert not found.seen[7].any()
    assert not found.seen[4, 0, 9]
    assert found.flags == ("dropped_frames:1",)
    files[3].write_text("{")
    with pytest.raises(DataError, match="this is no JSON"):
        read_skeleton(files[0], files=files)


def test_mediapipe_lists_are_one_body_in_shares_of_the_picture_or_metres(tmp_path):
    path = tmp_path / "pose.json"
    mark = {"x": 0.5, "y": 0.25, "z": -0.1, "visibility": 0.9}
    frames = [[{**mark, "x": 0.5 + 0.01 * number} for _ in range(33)] for number in range(4)]
    path.write_text(json.dumps({"fps": 24, "frames": [*frames, None]}))
    found = read_skeleton(path)
    assert found.positions.shape == (5, 1, 33, 2)
    assert (found.unit, found.rate, found.layout.name) == ("share", 24.0, "mediapipe33")
    assert not found.seen[4].any()
    path.write_text(json.dumps({"fps": 24, "landmarks": "world", "frames": frames}))
    assert read_skeleton(path).positions.shape == (4, 1, 33, 3)
    path.write_text(json.dumps([frames[0][:20]]))
    with pytest.raises(DataError, match="17, 18, 25, 33 joints are known"):
        read_skeleton(path)


def test_mmpose_lists_are_read(tmp_path):
    path = tmp_path / "results.json"
    people = [[{"keypoints": one.tolist(), "keypoint_scores": [0.8] * 17} for one in frame] for frame in crossing(5)]
    info = [{"frame_id": number, "instances": some} for number, some in enumerate(people)]
    path.write_text(json.dumps({"meta_info": {}, "instance_info": info}))
    found = read_skeleton(path)
    assert found.positions.shape == (5, 2, 17, 2)
    assert "no_rate" in found.flags


def test_pickles_are_refused_with_the_way_to_convert_them(tmp_path):
    path = tmp_path / "ntu60_2d.pkl"
    path.write_bytes(pickle.dumps({"annotations": []}))
    with pytest.raises(DataError, match=r"a pickle can run any code.*np\.savez"):
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


# ------------------------------------------------------------------------------------------------------------ odd ones
def test_a_frame_whose_coordinates_cancel_was_seen(tmp_path):
    body = walker()
    body[5] -= body[5].mean(axis=0)  # a sum of 0, which published code takes for an empty frame
    found = read_skeleton(write_ntu(tmp_path / "a.skeleton", {"1": body}))
    assert found.seen.all()


def csv_of(tmp_path, positions, **options):
    return as_table(tmp_path / "a.csv", positions, NTU_25.joints, **options)


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
