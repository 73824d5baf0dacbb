"""What lies on faces, drawn on landmarks: how far each place of a picture is from it.

All is geometry of a few points, in shares of a square crop: capsules (all that is within a radius of a line) and an
outline. A distance is negative inside. Whoever wants so much of a face hidden takes the places with the least
distance, so that an object grows or shrinks about its own lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from medmae.face import PARTS

JITTERS = 4  # uniform numbers that an object takes


def shape_distance(name: str, *, landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """Signed distance of places from an object, ``(B, N)``, in shares of the crop.

    Args:
        name: One of :data:`SHAPES`.
        landmarks: ``(B, 68, 2)``, see :mod:`medmae.face`.
        places: ``(N, 2)``.
        jitter: Uniform in [0, 1), ``(B, 4)``: which side, and how the object sits.
    """
    return SHAPES[name](landmarks, places, jitter)


def _capsules(lines: Sequence[tuple[Tensor, Tensor, float]], places: Tensor) -> Tensor:
    """Distance from the nearest of some lines ``(B, 2)`` to ``(B, 2)``, less its radius."""
    found = [_to_line(start, end, places) - radius for start, end, radius in lines]
    return torch.stack(found).amin(dim=0)


def _to_line(start: Tensor, end: Tensor, places: Tensor) -> Tensor:
    """Distance of places ``(N, 2)`` from lines between two points ``(B, 2)``: ``(B, N)``."""
    along = (end - start).unsqueeze(1)  # (B, 1, 2)
    apart = places - start.unsqueeze(1)  # (B, N, 2)
    share = (apart * along).sum(dim=2) / along.square().sum(dim=2).clamp(min=1e-12)
    return (apart - share.clamp(0, 1).unsqueeze(2) * along).norm(dim=2)


def _outline(corners: Tensor, places: Tensor) -> Tensor:
    """Signed distance from a closed outline ``(B, K, 2)``: ``(B, N)``."""
    ends = corners.roll(-1, dims=1)
    far = torch.stack([_to_line(a, b, places) for a, b in zip(corners.unbind(1), ends.unbind(1), strict=True)])
    x, y = places.unbind(dim=1)  # (N,)
    (ax, ay), (bx, by) = corners.unsqueeze(3).unbind(dim=2), ends.unsqueeze(3).unbind(dim=2)  # (B, K, 1)
    crosses = (ay > y) != (by > y)  # (B, K, N)
    level = torch.where(ay == by, torch.ones_like(ay), by - ay)
    left = x < ax + (y - ay) * (bx - ax) / level
    inside = (crosses & left).sum(dim=1) % 2 == 1
    return torch.where(inside, -1.0, 1.0) * far.amin(dim=0)


def _centre(landmarks: Tensor, part: str) -> Tensor:
    return landmarks[:, list(PARTS[part])].mean(dim=1)


def _apart(landmarks: Tensor) -> Tensor:
    """Distance of the eyes, ``(B, 1)``."""
    return (_centre(landmarks, "right eye") - _centre(landmarks, "left eye")).norm(dim=1, keepdim=True)


def _down(landmarks: Tensor) -> Tensor:
    """From the eyes to the chin, ``(B, 2)``."""
    return landmarks[:, 8] - (_centre(landmarks, "left eye") + _centre(landmarks, "right eye")) / 2


def _surgical_mask(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """From the bridge of the nose to below the chin; it may sit a little lower or higher."""
    shift = (jitter[:, :1] - 0.5).unsqueeze(2) * 0.12 * _down(landmarks).unsqueeze(1)
    top = landmarks[:, [2, 28, 14]] + shift
    chin = landmarks[:, [13, 11, 9, 8, 7, 5, 3]]
    below = 1.0 + 0.05 * jitter[:, 1:2].unsqueeze(2)
    nose = landmarks[:, 28:29]
    return _outline(torch.cat([top, nose + (chin - nose) * below], dim=1), places)


def _oxygen_tube(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """A nasal cannula: below the nostrils, over both cheeks to the ears."""
    down = _down(landmarks)
    under = landmarks[:, 33] + (0.05 + 0.05 * jitter[:, :1]) * down
    sides = [landmarks[:, number] + (0.1 * jitter[:, 1:2] - 0.05) * down for number in (2, 14)]
    cheeks = [(under + 2 * side) / 3 + 0.06 * down for side in sides]
    ears = [landmarks[:, number] for number in (0, 16)]
    prongs = [(landmarks[:, number], under, 0.018) for number in (32, 34)]
    lines = [(under, cheek, 0.02) for cheek in cheeks]
    lines += [(cheek, ear, 0.02) for cheek, ear in zip(cheeks, ears, strict=True)]
    return _capsules([*prongs, *lines], places)


def _hand(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """A palm at one side of the chin, and four fingers over the cheek and the mouth."""
    side = torch.where(jitter[:, :1] < 0.5, -1.0, 1.0)  # (B, 1)
    apart, down = _apart(landmarks), _down(landmarks)
    across = (_centre(landmarks, "right eye") - _centre(landmarks, "left eye")) * side
    palm = landmarks[:, 8] + across * (0.35 + 0.3 * jitter[:, 1:2]) + 0.05 * down
    lines = [(palm, palm + 0.25 * down, 0.13)]
    for number in range(4):
        lean = (number - 1.5) * 0.28 - 0.6 * (jitter[:, 2:3] - 0.2)
        tip = palm - down * (0.75 - 0.06 * abs(number - 1.5)) + across / apart * lean * apart
        lines.append((palm - across * 0.1 * (1.5 - number), tip, 0.038))
    return _capsules(lines, places)


def _glasses(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """Two dark lenses, a bridge, and what leads to the ears."""
    shift = (jitter[:, :1] - 0.3) * 0.08 * _down(landmarks)
    left, right = (_centre(landmarks, f"{side} eye") + shift for side in ("left", "right"))
    along = (right - left) * 0.16
    lenses = [(eye - along, eye + along, 0.062) for eye in (left, right)]
    lines = [(left, right, 0.012), (left, landmarks[:, 0], 0.012), (right, landmarks[:, 16], 0.012)]
    return _capsules([*lenses, *lines], places)


def _tape(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
    """Strips that hold a tube in a corner of the mouth: over the upper lip and over the chin, cheek to cheek."""
    down, first = _down(landmarks), jitter[:, :1] < 0.5
    corner = torch.where(first, landmarks[:, 48], landmarks[:, 54])
    upper, lower = landmarks[:, 33] + 0.08 * down, landmarks[:, 57] + 0.1 * down
    cheeks = [landmarks[:, number] * 0.8 + upper * 0.2 for number in (3, 13)]
    chins = [landmarks[:, number] * 0.8 + lower * 0.2 for number in (5, 11)]
    strips = [(cheeks[0], upper, 0.03), (upper, cheeks[1], 0.03), (chins[0], lower, 0.03), (lower, chins[1], 0.03)]
    tube = (corner, corner + (0.5 + 0.3 * jitter[:, 1:2]) * down, 0.022)
    return _capsules([*strips, tube], places)


def _area(part: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def distance(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
        return _capsules([(*_ends(landmarks, part), 0.04)], places)

    return distance


def _ends(landmarks: Tensor, part: str) -> tuple[Tensor, Tensor]:
    if part == "mouth":
        return landmarks[:, 48], landmarks[:, 54]
    return landmarks[:, 36], landmarks[:, 45]


def _half(axis: int, sign: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def distance(landmarks: Tensor, places: Tensor, jitter: Tensor) -> Tensor:
        middle = landmarks[:, 29:30, axis]  # (B, 1), on the nose
        return sign * (places[:, axis] - middle)

    return distance


SHAPES: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "upper": _half(1, 1.0),
        "lower": _half(1, -1.0),
        "left": _half(0, 1.0),
        "right": _half(0, -1.0),
        "eyes": _area("eyes"),
        "mouth": _area("mouth"),
        "surgical_mask": _surgical_mask,
        "oxygen_tube": _oxygen_tube,
        "hand": _hand,
        "glasses": _glasses,
        "tape": _tape,
    }
)
