"""Markers, angles of joints and poses of pictures are read with their meaning."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from medmae.data.skeletons.layouts import COCO_17, KINECT_20
from medmae.data.skeletons.read import Told, read_skeleton
from medmae.data.skeletons.same_body import followed
from medmae.errors import DataError
from tests.data.skeletons.files import NTU_25_AS_20, walker, write_c3d


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
