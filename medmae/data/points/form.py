"""What a shape looks like whatever way it lies: the same of one that was moved, turned, mirrored, zoomed or rounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_SAME = 1e-4  # relative difference of forms: text with six digits makes 1e-6, other shapes 1e-2


def form_of(points: np.ndarray) -> list[float]:
    """Numbers of a shape ``(N, 3)``: how many points, spread along its three axes, and moments of distances.

    Distances are those from the mean over their root mean square, so that place, turn, side and size do not count.
    """
    centred = points - points.mean(axis=0)
    spread = np.linalg.svd(centred, compute_uv=False) ** 2
    distance = np.linalg.norm(centred, axis=1)
    relative = distance / max(float(np.sqrt((distance**2).mean())), np.finfo(float).tiny)
    moments = [float((relative**power).mean()) for power in (1, 3, 4, 6)]
    return [float(len(points)), *(spread / max(float(spread.sum()), np.finfo(float).tiny)).tolist(), *moments]


def twins_among(forms: Mapping[str, Sequence[float]]) -> list[tuple[str, str]]:
    """Pairs of shapes of one form, by name; each shape with the nearest before it."""
    names = sorted(forms, key=lambda name: tuple(forms[name]))
    pairs = []
    for place, name in enumerate(names):
        own = np.array(forms[name])
        for before in reversed(names[:place]):
            other = np.array(forms[before])
            if other[0] != own[0] or own[1] - other[1] > _SAME:
                break
            if np.allclose(own, other, rtol=_SAME, atol=_SAME):
                pairs.append((before, name))
                break
    return pairs
