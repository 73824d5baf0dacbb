"""Whether a skeleton can be one: its size in its unit, bones that keep their length, sides that do not change."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from medmae.data.skeletons.recording import METRES, Recording
from medmae.errors import DataError

TALL = (0.2, 3.0)  # metres, from the lowest joint to the highest or furthest: a child on its knees, arms held high
_LENGTHS_CHANGE = 0.35  # deviation over mean of the length of most bones: joints are in another order, or noise
_FAR = 30.0  # metres from the middle of a body: -9999 mm and the like stand for a joint that was not seen
_LONG = 0.55  # metres, mean of the bones


def plausible(recording: Recording, *, path: Path) -> tuple[str, ...]:
    """Flags of what looks wrong; see docs/data.md.

    Raises:
        DataError: If nothing moves at all, there is one frame only, or a body is too small or large for its unit.
    """
    positions, seen = recording.positions, recording.seen  # (T, M, V, C), (T, M, V)
    if len(positions) < 2:
        raise DataError(
            "one frame is no movement", path=path, field="frames", value=1, remedy="leave it out, or join the frames"
        )
    if all(
        (np.ptp(positions[seen[:, m, v], m, v], axis=0) == 0).all() for m, v in np.argwhere(seen.any(axis=0)).tolist()
    ):
        raise DataError(
            "nothing moves: all frames are the same",
            path=path,
            field="frames",
            value=len(positions),
            remedy="export it again, or leave it out",
        )
    _check_size(recording, path)
    return (*_bone_flags(recording), *_side_flags(recording))


def _check_size(recording: Recording, path: Path) -> None:
    if recording.unit not in METRES:
        return
    extents = [
        float(np.ptp(own[there], axis=0).max()) * METRES[recording.unit]
        for frame, seen in zip(recording.positions, recording.seen, strict=True)
        for own, there in zip(frame, seen, strict=True)
        if there.sum() > 0.7 * len(there)
    ]
    tall = float(np.median(extents)) if extents else None
    if tall is not None and not TALL[0] <= tall <= TALL[1]:
        raise DataError(
            f"a body of {tall:.3g} m is none: its joints are in another unit",
            path=path,
            field="unit",
            value=recording.unit,
            remedy="correct the unit in the file; where it says none (tables, archives, BVH) say it: --unit mm, "
            "cm, inch or m",
        )
    _check_far(recording, path)


def _check_far(recording: Recording, path: Path) -> None:
    """Refuses joints that are nowhere near their body."""
    places = np.where(recording.seen[..., None], recording.positions, np.nan).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # of frames without anybody
        away = np.abs(places - np.nanmedian(places, axis=2, keepdims=True)).max(axis=3) * METRES[recording.unit]
    away = np.nan_to_num(away)  # (T, M, V)
    if (far := float(away.max(initial=0))) > _FAR:
        frame, body, joint = np.unravel_index(int(away.argmax()), away.shape)
        raise DataError(
            f"joint {recording.layout.joints[joint]} of frame {frame} lies {far:.3g} m from its body",
            path=path,
            field="positions",
            value=recording.positions[frame, body, joint].tolist(),
            remedy="leave what was not seen empty, or NaN; a number that stands for it is a place",
        )


def bone_lengths(recording: Recording) -> np.ndarray:
    """``(T, M, E)`` in the unit of the recording; NaN where an end was not seen."""
    bones = recording.layout.bones
    if not bones:
        return np.full((*recording.seen.shape[:2], 0), np.nan)
    child, parent = (list(ends) for ends in zip(*bones, strict=True))
    length = np.linalg.norm(recording.positions[:, :, child] - recording.positions[:, :, parent], axis=3)
    return np.where(recording.seen[:, :, child] & recording.seen[:, :, parent], length, np.nan)


def _bone_flags(recording: Recording) -> list[str]:
    length = bone_lengths(recording)
    if recording.positions.shape[3] < 3 or not np.isfinite(length).any():
        return []  # in a picture bones are as long as one looks at them
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # of bones that were never seen
        mean, spread = np.nanmean(length, axis=0), np.nanstd(length, axis=0)
    change = float(np.nanmedian(spread / np.where(mean > 0, mean, np.nan)))
    flags = [f"bones_change:{change:.2f}"] if change > _LENGTHS_CHANGE else []
    metres = float(np.nanmean(mean)) * METRES.get(recording.unit, np.nan)
    return [*flags, f"bones_long:{metres:.2f}m"] if metres > _LONG else flags


def _side_flags(recording: Recording) -> list[str]:
    """``sides_swapped:n``: frames at which left and right are each where the other was."""
    pairs = recording.layout.pairs
    if not pairs:
        return []
    left, right = (list(side) for side in zip(*pairs, strict=True))
    positions = np.where(recording.seen[..., None], recording.positions, np.nan)
    one, other = positions[:, :, left], positions[:, :, right]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)
        stayed = np.nanmean(_step(one, one) + _step(other, other), axis=2)
        changed = np.nanmean(_step(one, other) + _step(other, one), axis=2)
        apart = np.nanmean(np.linalg.norm(one - other, axis=3), axis=2)[1:]
    swapped = (changed < 0.5 * stayed) & (stayed > apart)
    count = int(swapped.any(axis=1).sum())
    return [f"sides_swapped:{count}"] if count else []


def _step(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.linalg.norm(after[1:] - before[:-1], axis=3)
