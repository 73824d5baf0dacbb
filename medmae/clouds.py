"""Points far from each other, and near to others, of one cloud on the CPU: what batched torch finds, sooner.

:mod:`medmae.tokens.points` asks it for clouds in the memory of the CPU, :mod:`medmae.data.points` for clouds of files.
"""

from __future__ import annotations

import numpy as np

BY_TREE = 512  # points from which a tree is built sooner than all distances are sorted
_AT_ONCE = 2**20  # distances that are held at a time
# Trees measure in double precision: what these two leave apart is apart in single precision, too.
_ROUNDED, _VANISHING = 1 - 1e-6, 1e-37


def farthest_of(points: np.ndarray, *, count: int, start: int = 0, allowed: np.ndarray | None = None) -> np.ndarray:
    """Farthest-point sampling: each next point is the one farthest from all before it; of several the first.

    Args:
        points: ``(N, 3)``, finite.
        count: How many.
        start: Number of the first.
        allowed: ``(N,)`` bool, which may follow; None: all.

    Returns:
        Numbers ``(count,)`` int64.
    """
    axes = np.ascontiguousarray(points.T)  # (3, N)
    left = np.full(len(points), np.inf, dtype=points.dtype)  # squared distance to the nearest that was taken
    if allowed is not None:
        left[~allowed] = -1
    away = np.empty_like(axes)
    total = away[0]
    found = np.full(count, start, dtype=np.int64)
    with np.errstate(over="ignore"):
        for number in range(1, count):
            place = found[number - 1]
            np.subtract(axes, axes[:, place : place + 1], out=away)
            np.multiply(away, away, out=away)
            np.add(np.add(total, away[1], out=total), away[2], out=total)
            np.minimum(left, total, out=left)
            found[number] = left.argmax()
    return found


def nearest_of(queries: np.ndarray, points: np.ndarray, *, count: int) -> np.ndarray:
    """Numbers of the points nearest to each query, nearest first; of equally near the first.

    Args:
        queries: ``(M, 3)``, finite.
        points: ``(N, 3)`` of at least ``count``, finite, of the same precision.
        count: How many.

    Returns:
        ``(M, count)`` int64.
    """
    found = np.empty((len(queries), count), dtype=np.int64)
    rest = np.arange(len(queries))
    if len(points) >= BY_TREE:
        rest = _by_tree(queries, points, found)
    rows = max(1, _AT_ONCE // len(points))
    for some in np.split(rest, range(rows, len(rest), rows)):
        away = _squared(queries[some, None], points[None])  # (rows, N)
        found[some] = np.argsort(away, axis=1, kind="stable")[:, :count]
    return found


def _by_tree(queries: np.ndarray, points: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Fills ``found`` where a tree is sure of it, and returns the numbers of the queries where it is not.

    It is where the first that it leaves out is farther than the last that is taken, however distances are rounded: not
    where there are more copies of a point than it was asked for.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(points, balanced_tree=False, compact_nodes=False)  # half the time to build, and none lost in search
    count, rest = found.shape[1], np.arange(len(queries))
    for wanted in (count + 1, 4 * count + 32):
        if wanted > len(points) or not len(rest):
            break
        rows, unsure = max(1, _AT_ONCE // wanted), []
        for some in np.split(rest, range(rows, len(rest), rows)):
            far, near = tree.query(queries[some], k=wanted)  # (rows, wanted)
            away = _squared(queries[some, None], points[near])
            order = np.lexsort((near, away), axis=1)[:, :count]
            found[some] = np.take_along_axis(near, order, axis=1)
            last = np.take_along_axis(away, order[:, -1:], axis=1)[:, 0]
            unsure.append(some[last >= far[:, -1] ** 2 * _ROUNDED - _VANISHING])
        rest = np.concatenate(unsure)
    return rest


def _squared(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Axis by axis, as torch adds them up: of ``(..., 3)`` each."""
    with np.errstate(over="ignore"):
        total = np.square(one[..., 0] - other[..., 0])
        for axis in range(1, one.shape[-1]):
            total += np.square(one[..., axis] - other[..., axis])
    return total
