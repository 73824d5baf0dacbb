"""The box around what a volume shows."""

from __future__ import annotations

import numpy as np

from medmae.data.volumes.grid import Pairs


def bounding_box(inside: np.ndarray, *, margin: int = 2) -> Pairs:
    """``(start, stop)`` per axis around the True voxels of ``(S, H, W)``; the whole array if there is none.

    Args:
        inside: Foreground.
        margin: Voxels kept around it.
    """
    pairs = []
    for axis in range(3):
        along = np.flatnonzero(inside.any(axis=tuple(other for other in range(3) if other != axis)))
        full = inside.shape[axis]
        start, stop = (int(along[0]), int(along[-1]) + 1) if len(along) else (0, full)
        pairs.append((max(start - margin, 0), min(stop + margin, full)))
    return pairs[0], pairs[1], pairs[2]
