"""Patches of a cloud, found once: the same numbers as :mod:`medmae.tokens.points` finds, without torch."""

from __future__ import annotations

import numpy as np

from medmae.clouds import farthest_of, nearest_of
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
    centres = points[farthest_of(points, count=count)]
    # A copy of a centre with a lower number is as near: the patch begins with either, at the same place.
    return nearest_of(centres, points, count=size).astype(np.uint16 if len(points) <= 2**16 else np.uint32)
