"""Clouds from three sides: front, side and top, one below the other."""

from __future__ import annotations

import numpy as np

EDGE = 240  # pixels of a side
_SIDES = ((0, 2, 1), (1, 2, 0), (0, 1, 2))  # across, up, and along the line of sight
_DOT = 1  # pixels around a point
GIVEN, HIDDEN, MADE = (0.20, 0.35, 0.55), (0.80, 0.45, 0.10), (0.15, 0.50, 0.30)


def drawn(clouds: list[tuple[np.ndarray, np.ndarray]], *, middle: np.ndarray, reach: float) -> np.ndarray:
    """Some clouds in one picture ``(3 * EDGE, EDGE, 3)`` in [0, 1] on white; what is farther away is paler.

    Args:
        clouds: Points ``(N, 3)``, and a colour ``(3,)`` or one a point ``(N, 3)``.
        middle: Of the picture, ``(3,)``.
        reach: What lies at its border.
    """
    points = np.concatenate([own for own, _ in clouds])
    colours = np.concatenate([np.broadcast_to(colour, (len(own), 3)) for own, colour in clouds])
    return np.concatenate([_side(points - middle, colours, reach, *axes) for axes in _SIDES])


def _side(points: np.ndarray, colours: np.ndarray, reach: float, across: int, up: int, along: int) -> np.ndarray:
    picture = np.ones((EDGE, EDGE, 3), dtype=np.float32)
    columns = ((points[:, across] / reach + 1) / 2 * (EDGE - 1)).round().astype(int)
    rows = ((1 - points[:, up] / reach) / 2 * (EDGE - 1)).round().astype(int)
    depth = np.clip((points[:, along] / reach + 1) / 2, 0, 1)
    for number in np.argsort(-points[:, along]):  # the nearest last
        row, column = rows[number], columns[number]
        if 0 <= row < EDGE and 0 <= column < EDGE:
            shade = 1 - (1 - colours[number]) * (1 - 0.6 * depth[number])
            picture[max(row - _DOT, 0) : row + _DOT + 1, max(column - _DOT, 0) : column + _DOT + 1] = shade
    return picture


def by_distance(distance: np.ndarray, *, limit: float) -> np.ndarray:
    """Colours ``(N, 3)`` of distances ``(N,)``, from blue (0) over grey to red (the limit and more)."""
    share = np.clip(distance / limit, 0, 1)[:, None]
    low, middle, high = (np.array(colour) for colour in ((0.15, 0.35, 0.75), (0.75, 0.72, 0.65), (0.80, 0.10, 0.10)))
    return np.where(share < 0.5, low + (middle - low) * 2 * share, middle + (high - middle) * (2 * share - 1))
