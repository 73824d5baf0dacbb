"""The display matrix of a video: how a player turns its frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from medmae.data.video.video import Orientation


def rotation_of(frame: Any) -> np.ndarray | None:  # noqa: ANN401 - PyAV is untyped
    """The 2 x 2 part ``[[a, b], [c, d]]`` of a frame's display matrix, or None if it has none."""
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return None
    return np.frombuffer(bytes(found), dtype="<i4", count=9).reshape(3, 3)[:2, :2] / 65536


def orientation_of(matrix: np.ndarray) -> tuple[Orientation, str]:
    """Flips and a transposition for a display matrix, and what to call it (nothing if it changes nothing).

    A pixel at (x, y) is shown at (a x + c y, b x + d y), up to a shift. Turns by other angles than quarters are taken
    as the nearest quarter, as players do.
    """
    (a, b), (c, d) = matrix
    transpose = bool(abs(b) + abs(c) > abs(a) + abs(d))
    right, down = (c, b) if transpose else (a, d)  # what makes x, and y, of the picture
    orientation = Orientation(transpose=transpose, up_down=bool(down < 0), left_right=bool(right < 0))
    return orientation, _NAMES[transpose, bool(down < 0), bool(right < 0)]


_NAMES = {  # clockwise degrees
    (False, False, False): "",
    (False, True, True): "rotated:180",
    (False, False, True): "mirrored:left_right",
    (False, True, False): "mirrored:up_down",
    (True, False, True): "rotated:90",
    (True, True, False): "rotated:270",
    (True, False, False): "transposed",
    (True, True, True): "transposed_other",
}
