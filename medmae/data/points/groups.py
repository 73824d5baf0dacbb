"""Patches of a cloud, found once: the same numbers as :mod:`medmae.tokens.points` finds, without torch."""

from __future__ import annotations

import numpy as np

from medmae.errors import DataError


def members_of(points: np.ndarray, *, count: int, size: int) -> np.ndarray:
    """Numbers of the points of each patch, its centre first: ``(count, size)`` uint16 or uint32.

    Centres are farthest points from the first one on; members are the nearest to each, of equally near the first.

    Args:
        points: ``(N, 3)`` float32.
        count: Patches.
        size: Points of each.

    Raises:
        DataError: If the cloud has fewer points.
    """
    if not 1 <= max(count, size) <= len(points):
        raise DataError(
            f"{count} patches of {size} points of a cloud of {len(points)}",
            field="--patches, --patch-points",
            value=(count, size),
            remedy="choose fewer, or sample more --points",
        )
    found = [0]
    left = np.full(len(points), np.inf, dtype=np.float32)  # squared distance to the nearest that was taken
    rows = []
    for _ in range(count):
        away = _squared(points, found[-1])
        rows.append(np.argsort(away, kind="stable")[:size])
        left = np.minimum(left, away)
        found.append(int(left.argmax()))
    # A copy of a centre with a lower number is as near: the patch begins with either, at the same place.
    return np.stack(rows).astype(np.uint16 if len(points) <= 2**16 else np.uint32)


def _squared(points: np.ndarray, place: int) -> np.ndarray:
    """Of all to one, axis by axis, as the batched search adds them up."""
    x, y, z = ((points[:, axis] - points[place, axis]) ** 2 for axis in range(3))
    return x + y + z
