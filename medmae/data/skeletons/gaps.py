"""Joints that were not seen: between two sightings they go straight, and the sample says so."""

from __future__ import annotations

import numpy as np


def filled(positions: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """What was not seen, from the nearest sightings before and after; before the first and behind the last as these.

    Args:
        positions: ``(T, V, C)``.
        seen: ``(T, V)`` bool. A joint that was never seen stands at the mean of those that were at its time.

    Returns:
        ``(T, V, C)`` float32; 0 where nothing at all was seen.
    """
    out = np.where(seen[..., None], positions, 0).astype(np.float32)
    times = np.arange(len(out))
    for joint in np.flatnonzero(~seen.all(axis=0) & seen.any(axis=0)):
        own = seen[:, joint]
        for axis in range(out.shape[2]):
            out[:, joint, axis] = np.interp(times, times[own], out[own, joint, axis])
    never, ever = ~seen.any(axis=0), seen.any(axis=0)
    if never.any() and ever.any():
        out[:, never] = out[:, ever].mean(axis=1, keepdims=True)
    return out


def longest_gap(seen: np.ndarray) -> int:
    """Most frames in a row in which a joint ``(T, V)`` was not seen."""
    longest = 0
    for own in seen.T:
        edges = np.flatnonzero(np.diff(np.concatenate([[True], own, [True]]).astype(np.int8)))
        longest = max([longest, *(edges[1::2] - edges[::2]).tolist()])
    return longest
