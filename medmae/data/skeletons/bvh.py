"""BVH: a tree of joints, and the angles of each over time; places come of turning one after the other.

Format: Biovision's, as M. Meredith and S. Maddock describe it ("Motion Capture File Formats Explained", 2001).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medmae.data.skeletons.layouts import Layout
from medmae.data.skeletons.recording import Recording, Unit, numbers_of, recording_of
from medmae.errors import DataError
from medmae.reading import read_text

_AXES = "xyz"


@dataclass
class _Joint:
    name: str
    parent: int | None
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    channels: tuple[str, ...] = ()


def read_bvh(path: Path, *, unit: Unit | None) -> Recording:
    """Places of all joints and of the ends of limbs.

    Args:
        path: The file.
        unit: Of its offsets, which BVH does not say.

    Raises:
        DataError: If the text is no BVH, has another number of values than channels, or no unit is given.
    """
    if unit is None:
        raise DataError(
            "BVH does not say in which unit it is", path=path, field="--unit", value=None, remedy="name it: --unit cm"
        )
    head, found, motion = read_text(path).partition("MOTION")
    joints = _hierarchy(head, path)
    step, table = _motion(motion, path, sum(len(joint.channels) for joint in joints), begins=head.count("\n") + 1)
    if not found or not len(table):
        raise _fault(path, "there is no motion in it", len(table))
    places, _ = _turned(joints, table)
    bones = tuple((number, joint.parent) for number, joint in enumerate(joints) if joint.parent is not None)
    layout = Layout(name="bvh", joints=tuple(joint.name for joint in joints), bones=bones, root=joints[0].name)
    return recording_of(
        path,
        layout=layout,
        positions=places[:, None],
        zeros_are_missing=False,  # a root that stands still may stand at the origin
        rate=1 / step,
        unit=unit,
        axes="not said",
        container="bvh",
    )


def _hierarchy(text: str, path: Path) -> list[_Joint]:
    joints: list[_Joint] = []
    open_: list[int] = []
    words = iter(text.split())
    try:
        for word in words:
            key = word.upper()
            if key in ("ROOT", "JOINT", "END"):
                name = next(words)
                parent = open_[-1] if open_ else None
                name = f"{joints[parent].name}_end" if key == "END" and parent is not None else name
                joints.append(_Joint(name, parent))
            elif key == "{":
                open_.append(len(joints) - 1)
            elif key == "}":
                open_.pop()
            elif key == "OFFSET":
                joints[-1].offset = np.array([float(next(words)) for _ in range(3)])
            elif key == "CHANNELS":
                joints[-1].channels = tuple(next(words).lower() for _ in range(int(next(words))))
            elif key != "HIERARCHY":
                raise _fault(path, "an unknown word stands in the tree of joints", word[:40])
    except DataError:
        raise
    except (StopIteration, ValueError, IndexError) as error:
        raise _fault(path, "the tree of joints is cut off, or a number in it is none", str(error)[:40]) from error
    if not joints or open_ or any(joint.parent is None for joint in joints[1:]):
        raise _fault(path, "the tree of joints has no root, several, or does not end", len(joints))
    return joints


def _motion(text: str, path: Path, channels: int, *, begins: int) -> tuple[float, np.ndarray]:
    lines = [line for line in text.splitlines() if line.strip()]
    told = {line.partition(":")[0].strip().lower(): line.partition(":")[2].strip() for line in lines[:2]}
    try:
        frames, step = int(told["frames"]), float(told["frame time"])
    except (KeyError, ValueError) as error:
        raise _fault(path, "the number of frames, or the time of one, is not there", lines[:2]) from error
    table = numbers_of(lines[2:], path=path, columns=channels, first=begins + 3)
    if len(table) != frames or not step > 0:
        raise _fault(path, f"{frames} frames of {step:g} s are promised", len(table))
    return step, table


def _turned(joints: list[_Joint], table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places ``(T, V, 3)`` and turns ``(T, V, 3, 3)``."""
    T = len(table)
    places, turns, at = np.zeros((T, len(joints), 3)), np.zeros((T, len(joints), 3, 3)), 0
    for number, joint in enumerate(joints):
        own, moved = np.broadcast_to(np.eye(3), (T, 3, 3)), np.broadcast_to(joint.offset, (T, 3)).copy()
        for channel in joint.channels:
            axis, values = _AXES.index(channel[0]), table[:, at]
            at += 1
            if channel.endswith("position"):
                moved[:, axis] = values  # in the place of the offset, as Blender and MotionBuilder have it
            else:
                own = own @ _about(axis, np.radians(values))
        before = np.broadcast_to(np.eye(3), (T, 3, 3)) if joint.parent is None else turns[:, joint.parent]
        start = 0 if joint.parent is None else places[:, joint.parent]
        places[:, number] = start + np.einsum("tij,tj->ti", before, moved)
        turns[:, number] = before @ own
    return places, turns


def _about(axis: int, angles: np.ndarray) -> np.ndarray:
    """Turns of columns about an axis, ``(T, 3, 3)``."""
    one, two = [(1, 2), (2, 0), (0, 1)][axis]
    found = np.zeros((len(angles), 3, 3))
    found[:, axis, axis] = 1
    found[:, one, one] = found[:, two, two] = np.cos(angles)
    found[:, two, one], found[:, one, two] = np.sin(angles), -np.sin(angles)
    return found


def _fault(path: Path, reason: str, value: object) -> DataError:
    return DataError(reason, path=path, field="BVH", value=value, remedy="export it again")
