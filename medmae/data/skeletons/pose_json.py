"""JSON of pose estimators: OpenPose's file a frame, and lists of frames as those of MediaPipe and MMPose."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.skeletons.layouts import COCO_17, LAYOUTS, MEDIAPIPE_33, OPENPOSE_18, OPENPOSE_25, Layout
from medmae.data.skeletons.recording import PICTURE, Recording, recording_of
from medmae.data.skeletons.same_body import followed
from medmae.errors import DataError
from medmae.reading import read_text

OPENPOSE = re.compile(r"(?P<clip>.+?)_?(?P<frame>\d+)_keypoints")
_BY_COUNT = {17: COCO_17, 18: OPENPOSE_18, 25: OPENPOSE_25, 33: MEDIAPIPE_33}
_Person = tuple[np.ndarray, np.ndarray]  # places (V, C), confidence (V,)


def read_openpose(files: Sequence[Path], *, rate: float | None) -> Recording:
    """The frames of one clip, a file each; a number that is missing is a frame in which nobody was looked for.

    People have no names in these files: who is who is told by who is nearest to whom in the frame before.

    Raises:
        DataError: If a file is no JSON of OpenPose, or people have different numbers of joints.
    """
    frames: dict[int, list[_Person]] = {}
    for path in files:
        named = OPENPOSE.fullmatch(path.stem)
        people = _load(path).get("people") if named else None
        if named is None or not isinstance(people, list):
            raise _fault(path, "this is no frame of OpenPose", "people", None)
        frames[int(named["frame"])] = [_openpose(person, path) for person in people]
    first, last = min(frames), max(frames)
    rows = [frames.get(number, []) for number in range(first, last + 1)]
    missing = len(rows) - len(frames)
    flags = (f"dropped_frames:{missing}",) if missing else ()
    return _of_people(rows, files[0], rate=rate, unit="px", container="openpose json", flags=flags)


def read_pose_list(path: Path, *, rate: float | None) -> Recording:
    """A list of frames in one file.

    ``[[{"x", "y", "z", "visibility"}, ...], ...]``, also below ``frames``, is MediaPipe's, one body;
    ``{"instance_info": [{"frame_id", "instances": [{"keypoints", "keypoint_scores"}]}]}`` is MMPose's.
    ``fps`` (or ``rate``) beside them is the rate.

    Raises:
        DataError: If it is neither.
    """
    held = _load(path)
    about = held if isinstance(held, dict) else {}
    told = about.get("fps", about.get("rate"))
    rate = _rate(told, path) or rate
    if isinstance(about.get("instance_info"), list):
        rows = [[_mmpose(one, path) for one in frame.get("instances", [])] for frame in about["instance_info"]]
        return _of_people(rows, path, rate=rate, unit="px", container="mmpose json")
    frames = about.get("frames", held)
    if not isinstance(frames, list) or not frames:
        raise _fault(path, "neither a list of frames nor of instances", "frames", type(frames).__name__)
    world = "world" in str(about.get("landmarks", "")).lower()
    rows = [[] if frame is None or not _marks(frame) else [_mediapipe(_marks(frame), path, world)] for frame in frames]
    unit = "m" if world else "share"
    return _of_people(rows, path, rate=rate, unit=unit, container="mediapipe json")


def _rate(told: object, path: Path) -> float | None:
    """Frames a second; None of nothing, and of 0."""
    try:
        return float(told) or None if isinstance(told, int | float | str) else None
    except ValueError as error:
        raise _fault(path, "fps is no number", "fps", told) from error


def _marks(frame: Any) -> list[Any]:  # noqa: ANN401
    found = frame.get("landmarks", frame.get("pose_landmarks")) if isinstance(frame, dict) else frame
    return found if isinstance(found, list) else []


def _mediapipe(marks: list[Any], path: Path, world: bool) -> _Person:
    try:
        # z of picture landmarks is of another scale than x and y, and none of them is measured.
        places = [[mark["x"], mark["y"], mark["z"]] if world else [mark["x"], mark["y"]] for mark in marks]
        sure = [mark.get("visibility", 1.0) for mark in marks]
        return np.array(places, dtype=float), np.array(sure, dtype=float)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _fault(path, "a landmark lacks x or y", "landmarks", str(error)) from error


def _openpose(person: Any, path: Path) -> _Person:  # noqa: ANN401
    values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    if not isinstance(values, list) or len(values) % 3 or not values:
        raise _fault(path, "a person has no pose_keypoints_2d of x, y, confidence", "pose_keypoints_2d", type(values))
    table = np.array(values, dtype=float).reshape(-1, 3)
    return table[:, :2], table[:, 2]


def _mmpose(person: Any, path: Path) -> _Person:  # noqa: ANN401
    try:
        places = np.array(person["keypoints"], dtype=float)
        return places, np.array(person.get("keypoint_scores", np.ones(len(places))), dtype=float)
    except (KeyError, TypeError, ValueError) as error:
        raise _fault(path, "an instance has no keypoints", "keypoints", str(error)) from error


def _of_people(
    rows: Sequence[Sequence[_Person]],
    path: Path,
    *,
    rate: float | None,
    unit: Any,  # noqa: ANN401
    container: str,
    flags: tuple[str, ...] = (),
) -> Recording:
    shapes = {places.shape for people in rows for places, _ in people}
    if len(shapes) != 1 or next(iter(shapes))[0] not in _BY_COUNT:
        raise _fault(
            path, f"people of {', '.join(map(str, sorted(_BY_COUNT)))} joints are known", "joints", sorted(shapes)
        )
    V, C = next(iter(shapes))
    layout: Layout = LAYOUTS[_BY_COUNT[V].name]
    bodies = max(len(people) for people in rows)
    positions = np.full((len(rows), bodies, V, C), np.nan)
    confidence = np.zeros(positions.shape[:3])
    for frame, people in enumerate(rows):
        for number, (places, sure) in enumerate(people):
            positions[frame, number], confidence[frame, number] = places, sure
    positions, confidence = followed(positions, confidence)
    return recording_of(
        path,
        layout=layout,
        positions=positions,
        confidence=confidence,
        rate=rate,
        unit=unit,
        axes=PICTURE if unit in ("px", "share") else "x to the right, y down, z away from the camera",
        container=container,
        flags=(*flags, *(() if rate else ("no_rate",))),
    )


def _load(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise _fault(path, "this is nested too deeply", "JSON", None) from error
    except json.JSONDecodeError as error:
        raise _fault(path, "this is no JSON, or it is cut off", f"line {error.lineno}", error.msg) from error


def _fault(path: Path, reason: str, field: str, value: object) -> DataError:
    return DataError(reason, path=path, field=field, value=value, remedy="write the keypoints again")
