"""Who is who from frame to frame, and which bodies of a recording are people that count."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from medmae.data.skeletons.recording import Recording

_SHORT = 11  # frames: a body that is there for no longer is a fault of the tracker (NTU RGB+D's scripts)
_WIDE, _WIDE_SHARE = 0.8, 0.69754  # wider than so much of its height, in so many of its frames: furniture


def followed(positions: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bodies in an order of their own in each frame, each followed to where it is nearest in the next.

    Two who cross keep their places: what they are expected at goes on as they went before.

    Args:
        positions: ``(T, M, V, C)``.
        confidence: ``(T, M, V)``; a body of which nothing was seen is not there.

    Returns:
        Both, in one order.
    """
    T, M = confidence.shape[:2]
    if M < 2:
        return positions, confidence
    out, sure = np.full_like(positions, np.nan), np.zeros_like(confidence)
    last, before = np.full((M, 2, *positions.shape[2:]), np.nan), np.full(M, -1)
    for frame in range(T):
        there = np.flatnonzero((confidence[frame] > 0).any(axis=1))
        if not len(there):
            continue
        cost = np.array(
            [[_far(last[slot], before[slot], positions[frame, one], frame) for slot in range(M)] for one in there]
        )
        for row, slot in zip(*linear_sum_assignment(cost), strict=True):
            out[frame, slot], sure[frame, slot] = positions[frame, there[row]], confidence[frame, there[row]]
            last[slot] = np.stack([last[slot, 1], positions[frame, there[row]]])
            before[slot] = frame
    return out, sure


def _far(last: np.ndarray, before: int, now: np.ndarray, frame: int) -> float:
    """How far a body is from where that of a slot is expected; a slot of nobody is as far as all are."""
    if before < 0:
        return 1e6
    step = np.where(np.isfinite(last[0]), last[1] - last[0], 0)
    expected = last[1] + step * min(frame - before, 5)
    apart = np.linalg.norm(expected - now, axis=1)
    apart = apart[np.isfinite(apart)]
    return float(apart.mean()) if len(apart) else 1e6


def people_of(recording: Recording, *, most: int) -> Recording:
    """The bodies that move most, at most so many; one that is there when another is not may be the same person.

    As NTU RGB+D's scripts choose them, but each stays in the frames in which it was seen: theirs shift a body that
    comes back.
    """
    there: np.ndarray = np.any(recording.seen, axis=2)  # (T, M)
    kept = [body for body in range(there.shape[1]) if there[:, body].any()]
    if len(kept) > 1:
        kept = [body for body in kept if there[:, body].sum() > _SHORT] or kept
        kept = [body for body in kept if not _too_wide(recording, body)] or kept
    motion = {body: _motion(recording, body) for body in kept}
    kept = sorted(kept, key=lambda body: -motion[body])
    slots: list[list[int]] = []
    for body in kept:
        free = next((slot for slot in slots if not (there[:, slot].any(axis=1) & there[:, body]).any()), None)
        if free is not None:
            free.append(body)
        elif len(slots) < most:
            slots.append([body])
    dropped = there.shape[1] - sum(map(len, slots))
    shape = (len(there), len(slots), *recording.positions.shape[2:])
    positions, confidence = np.zeros(shape, np.float32), np.zeros(shape[:3], np.float32)
    for number, slot in enumerate(slots):
        for body in slot:
            own = there[:, body]
            positions[own, number] = recording.positions[own, body]
            confidence[own, number] = recording.confidence[own, body]
    joined = sum(len(slot) - 1 for slot in slots)
    flags = [f"bodies_left_out:{dropped}"] * bool(dropped) + [f"bodies_joined:{joined}"] * bool(joined)
    return replace(recording, positions=positions, confidence=confidence).flagged(*flags)


def _motion(recording: Recording, body: int) -> float:
    seen = recording.seen[:, body]
    values = recording.positions[:, body][seen]
    return float(values.var(axis=0).sum()) if len(values) else 0.0


def _too_wide(recording: Recording, body: int) -> bool:
    own = recording.seen[:, body].all(axis=1)
    if not own.any():
        return False
    extent = np.ptp(recording.positions[own, body, :, :2], axis=1)  # (t, 2)
    return bool((extent[:, 0] > _WIDE * extent[:, 1]).mean() >= _WIDE_SHARE)
