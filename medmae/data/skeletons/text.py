"""Skeletons as plain numbers: MSR Action3D's and UTKinect's text, of 20 joints of Kinect 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medmae.data.skeletons.clock import evenly_timed
from medmae.data.skeletons.layouts import KINECT_20, MSR_20
from medmae.data.skeletons.recording import KINECT, Recording, numbers_of, recording_of
from medmae.errors import DataError
from medmae.reading import read_text

MSR_RATE = 15.0  # W. Li, Z. Zhang, Z. Liu, CVPR workshops 2010
UTKINECT_RATE = 30.0  # of the numbers of frames; those without a skeleton were not written down
_JOINTS = 20


def read_text_skeleton(path: Path, *, rate: float | None = None) -> Recording:
    """MSR Action3D in world coordinates (``x y z confidence``, a line a joint) or UTKinect (a frame and 60 numbers).

    Args:
        path: The file.
        rate: Frames a second, where one knows better than the data set's description.

    Raises:
        DataError: If it is neither of them, or cut off.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    columns = len(lines[0].split()) if lines else 0
    if columns == 4:
        return _msr(path, lines, rate or MSR_RATE)
    if columns == 3 * _JOINTS + 1:
        return _utkinect(path, lines, rate or UTKINECT_RATE)
    raise DataError(
        "a text of skeletons has 4 numbers a line (MSR Action3D) or 61 (UTKinect)",
        path=path,
        field="numbers in the first line",
        value=columns,
        remedy="write other joints as a table with named columns: time, head_x, head_y, head_z, ...",
    )


def _msr(path: Path, lines: list[str], rate: float) -> Recording:
    table = numbers_of(lines, path=path, columns=4)
    if len(table) % _JOINTS:
        raise DataError(
            f"{len(table)} lines are no whole number of frames of {_JOINTS} joints",
            path=path,
            field="lines",
            value=len(table),
            remedy="copy the file again; it may be cut off",
        )
    frames = table.reshape(-1, 1, _JOINTS, 4)
    guessed = frames[..., 3] <= 0
    return recording_of(
        path,
        layout=MSR_20,
        positions=frames[..., :3],
        confidence=np.where(guessed, 0.5, np.minimum(frames[..., 3], 1)),  # 0 is of a joint that Kinect inferred
        rate=rate,
        unit="m",
        axes=KINECT,
        container="msr text",
    )


def _utkinect(path: Path, lines: list[str], rate: float) -> Recording:
    table = numbers_of(lines, path=path, columns=3 * _JOINTS + 1)
    _, first = np.unique(table[:, 0], return_index=True)
    repeated = len(table) - len(first)
    table = table[np.sort(first)]  # a frame that stands there twice is the same one
    positions = table[:, 1:].reshape(-1, 1, _JOINTS, 3)
    found = evenly_timed(positions, np.ones(positions.shape[:3]), table[:, 0] / rate, path=path)
    return recording_of(
        path,
        layout=KINECT_20,
        positions=found[0],
        confidence=found[1],
        rate=found[2],
        unit="m",
        axes=KINECT,
        container="utkinect text",
        flags=(*found[3], *([f"repeated_frames:{repeated}"] if repeated else [])),
        recorded={"first_frame": int(table[0, 0]), "numbers_a_frame": round(rate / found[2])},
    )
