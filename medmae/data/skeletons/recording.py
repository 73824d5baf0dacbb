"""Skeletons as they were read, whatever held them: where each joint was, how sure that is, and what numbers mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from medmae.data.skeletons.layouts import Layout
from medmae.errors import DataError

Unit = Literal["m", "mm", "cm", "inch", "px", "share"]
UNITS = get_args(Unit)
METRES = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "inch": 0.0254}
COORDINATES = ("x", "y", "z")
RATES = (1.0, 10_000.0)  # frames a second of whatever follows a body: fewer are times in milliseconds
_SUREST = 1.5  # some estimators go a little above 1; what is larger is in percent
KINECT = "x to the left as the camera looks, y up, z away from it"
PICTURE = "x to the right and y down in the picture"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a file holds.

    Attributes:
        layout: Joints V of a body, in order.
        positions: ``(T, M, V, C)`` of M bodies; NaN, or anything, where a joint was not seen.
        confidence: ``(T, M, V)`` in [0, 1]; 0 where it was not seen.
        rate: Frames a second; None where nothing tells.
        unit: Of positions; ``share`` of the picture's width and height.
        axes: Which way they run, in words; ``not said`` where nothing tells.
        container: What held it.
        camera: Which one, where several saw the same.
        flags: What a user should know.
        recorded: What else the file or its name says.
    """

    layout: Layout
    positions: np.ndarray
    confidence: np.ndarray
    rate: float | None
    unit: Unit
    axes: str
    container: str
    camera: str | None = None
    flags: tuple[str, ...] = ()
    recorded: dict[str, Any] = field(default_factory=dict)

    @property
    def seen(self) -> np.ndarray:
        """Which joints were ``(T, M, V)`` bool."""
        return np.greater(self.confidence, 0)

    def flagged(self, *flags: str) -> Recording:
        """With more flags."""
        return replace(self, flags=(*self.flags, *flags))


def recording_of(
    path: Path,
    *,
    layout: Layout,
    positions: np.ndarray,
    confidence: np.ndarray | None = None,
    zeros_are_missing: bool = True,
    **about: Any,
) -> Recording:
    """A recording, with what was not seen at 0.

    Args:
        path: The file, for messages.
        layout: Joints of a body.
        positions: ``(T, M, V, C)``.
        confidence: ``(T, M, V)``; None takes 1.
        zeros_are_missing: Whether a joint at the very origin was not found, as of Kinect, OpenPose and markers.
        about: See :class:`Recording`.

    Raises:
        DataError: If there is no frame, no body, another number of joints, nobody was ever seen, confidence is of
            another shape or in percent, or no camera has the rate.
    """
    positions = np.asarray(positions, dtype=np.float64)
    rate = about.get("rate")
    if rate is not None and not RATES[0] <= rate <= RATES[1]:
        raise DataError(
            "nothing follows a body at this rate",
            path=path,
            field="rate",
            value=rate,
            remedy=f"give times in seconds, or a rate from {RATES[0]:g} to {RATES[1]:g} frames a second",
        )
    if positions.ndim != 4 or positions.shape[2] != len(layout.joints) or positions.shape[3] not in (2, 3):
        raise DataError(
            f"layout {layout.name} has {len(layout.joints)} joints of 2 or 3 coordinates",
            path=path,
            field="frames, bodies, joints, coordinates",
            value=positions.shape,
            remedy="give as many names of joints as there are joints; of C3D name the layout that it has (--layout)",
        )
    sure = np.ones(positions.shape[:3]) if confidence is None else np.asarray(confidence, dtype=np.float64)
    if sure.shape != positions.shape[:3] or np.nanmax(sure, initial=0) > _SUREST:
        raise DataError(
            "confidence is a share of 1 of each frame, body and joint",
            path=path,
            field="confidence",
            value=(sure.shape, float(np.nanmax(sure, initial=0))),
            remedy=f"give {positions.shape[:3]} numbers from 0 to 1",
        )
    finite = np.isfinite(positions).all(axis=3) & np.isfinite(sure)
    flags = about.pop("flags", ())
    if odd := int((~finite & (sure != 0)).sum()):  # said to have been seen
        flags = (*flags, f"not_finite:{odd}")
    there = finite & (np.where(np.isfinite(sure), sure, 0) > 0)
    if zeros_are_missing:
        there &= np.abs(np.where(np.isfinite(positions), positions, 0)).sum(axis=3) > 0
    if not there.any():
        raise DataError(
            "no joint of anybody is seen in any frame",
            path=path,
            field="frames",
            value=len(positions),
            remedy="leave it out: the tracker found nobody",
        )
    return Recording(
        layout=layout,
        positions=np.where(there[..., None], positions, 0).astype(np.float32),
        confidence=np.where(there, np.clip(sure, 0, 1), 0).astype(np.float32),
        flags=tuple(flags),
        **about,
    )


def numbers_of(
    lines: Sequence[str], *, path: Path, columns: int | None = None, first: int = 1, separator: str | None = None
) -> np.ndarray:
    """Numbers of lines of text, ``(lines, columns)`` float64; ``nan`` is one.

    Args:
        lines: Of the file.
        path: The file, for messages.
        columns: How many; None takes those of the first line.
        first: Number of the first line.
        separator: Between numbers; None is any blank.

    Raises:
        DataError: With the line that has another number of columns, or something that is no number.
    """
    rows = []
    for number, line in enumerate(lines, start=first):
        parts = line.split(separator)
        columns = columns or len(parts)
        try:
            row = [float(part) for part in parts]
        except ValueError:
            row = []
        if len(row) != columns or not row:
            raise DataError(
                f"line {number} does not hold {columns} numbers",
                path=path,
                field=f"line {number}",
                value=line.strip()[:80],
                remedy="copy the file again; it may have been cut off, or written by another tool",
            )
        rows.append(row)
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns or 0)
