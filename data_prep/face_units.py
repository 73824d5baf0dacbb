"""What action units do to landmarks: directions after the Facial Action Coding System, made simple.

P. Ekman, W. V. Friesen, J. C. Hager, "Facial Action Coding System", 2002, says which muscle moves what and which lines
appear. Amounts are ours: of the strongest intensity, in shares of a crop as :mod:`medmae.face` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from medmae.face import MIRRORED, TEMPLATE

Move = tuple[Sequence[int], float, float]  # points of the left half and the middle; towards the middle, down
Line = Sequence[tuple[float, float]]  # a crease on the left half, drawn on the right one, too
STRONGEST = 5


@dataclass(frozen=True)
class Unit:
    """One unit.

    Attributes:
        name: In words.
        moves: Of landmarks.
        lines: Creases that appear.
        thins: Share by which lips get thinner.
        shuts: Share by which eyes are shut.
    """

    name: str
    moves: Sequence[Move] = ()
    lines: Sequence[Line] = field(default=())
    thins: float = 0.0
    shuts: float = 0.0


_LOWER_LIP = (57, 58, 59, 66, 67)
_LIDS, _LOWER_LIDS = (37, 38), (40, 41)
UNITS: Mapping[str, Unit] = MappingProxyType(
    {
        "AU1": Unit("inner brow raiser", [((21,), 0, -0.055), ((20,), 0, -0.035)], [[(0.40, 0.20), (0.5, 0.19)]]),
        "AU2": Unit("outer brow raiser", [((17, 18), 0, -0.05), ((19,), 0, -0.03)], [[(0.22, 0.22), (0.34, 0.19)]]),
        "AU4": Unit(
            "brow lowerer",
            [((20, 21), 0.02, 0.035), ((17, 18, 19), 0.01, 0.025)],
            [[(0.475, 0.28), (0.48, 0.36)]],
        ),
        "AU5": Unit("upper lid raiser", [(_LIDS, 0, -0.022)]),
        "AU6": Unit(
            "cheek raiser",
            [(_LOWER_LIDS, 0, -0.010)],
            [[(0.26, 0.40), (0.21, 0.38)], [(0.26, 0.42), (0.21, 0.43)], [(0.30, 0.47), (0.38, 0.48), (0.43, 0.46)]],
        ),
        "AU7": Unit("lid tightener", [(_LOWER_LIDS, 0, -0.014), (_LIDS, 0, 0.008)]),
        "AU9": Unit(
            "nose wrinkler",
            [((31, 32, 33), 0, -0.02), ((49, 50, 51), 0, -0.012), ((20, 21), 0, 0.012)],
            [[(0.455, 0.42), (0.485, 0.44)], [(0.45, 0.45), (0.485, 0.47)], [(0.44, 0.49), (0.47, 0.53)]],
        ),
        "AU10": Unit(
            "upper lip raiser",
            [((50, 51), 0, -0.03), ((49,), 0, -0.022), ((61, 62), 0, -0.02)],
            [[(0.42, 0.58), (0.37, 0.63), (0.355, 0.67)]],
        ),
        "AU12": Unit(
            "lip corner puller",
            [((48, 60), -0.05, -0.045), ((49, 59), -0.02, -0.015)],
            [[(0.40, 0.60), (0.345, 0.65), (0.325, 0.70)]],
        ),
        "AU14": Unit("dimpler", [((48, 60), -0.02, 0)], [[(0.345, 0.685), (0.335, 0.71), (0.345, 0.735)]], thins=0.2),
        "AU15": Unit("lip corner depressor", [((48, 60), 0, 0.045), ((59,), 0, 0.02)], [[(0.37, 0.74), (0.36, 0.79)]]),
        "AU17": Unit(
            "chin raiser",
            [(_LOWER_LIP, 0, -0.022), ((51, 62), 0, -0.008)],
            [[(0.46, 0.82), (0.48, 0.815)], [(0.44, 0.84), (0.47, 0.835)], [(0.45, 0.80), (0.5, 0.805)]],
        ),
        "AU20": Unit("lip stretcher", [((48, 60), -0.05, 0.01), ((49, 59), -0.02, 0)], thins=0.2),
        "AU23": Unit("lip tightener", [((48, 60), 0.035, 0)], [[(0.42, 0.67), (0.42, 0.685)]], thins=0.35),
        "AU24": Unit("lip pressor", [((51, 62), 0, 0.006)], thins=0.75),
        "AU25": Unit("lips part", [((66, 67), 0, 0.035), ((57, 58, 59), 0, 0.028)]),
        "AU26": Unit(
            "jaw drop",
            [((66, 67), 0, 0.075), ((57, 58, 59), 0, 0.07), ((48, 60), 0.01, 0.025), ((5, 6, 7, 8), 0, 0.06)],
        ),
        "AU43": Unit("eyes closed", shuts=1.0),
    }
)


@dataclass(frozen=True)
class Moved:
    """A face with units.

    Attributes:
        points: Landmarks ``(68, 2)``.
        lines: Creases, and how deep each is in [0, 1].
        shut: How far eyes are shut.
    """

    points: np.ndarray
    lines: Sequence[tuple[np.ndarray, float]]
    shut: float


def moved(base: np.ndarray, strengths: Mapping[str, float]) -> Moved:
    """Landmarks of a neutral face ``(68, 2)`` with units of strengths from 0 to 1, on both sides alike."""
    points, thin, shut, lines = base.copy(), 0.0, 0.0, []
    shift = base - np.array(TEMPLATE)
    for name, strength in strengths.items():
        unit = UNITS[name]
        for some, across, down in unit.moves:
            for point in some:
                for place, sign in _sides(point):
                    points[place] += strength * np.array([sign * across, down])
        for line in unit.lines:
            nearest = np.abs(np.array(TEMPLATE)[:, None] - np.array(line)).sum(axis=2).argmin(axis=0)
            own = np.array(line) + shift[nearest]
            other = np.array(line) * [-1, 1] + [1, 0] + shift[[MIRRORED[point] for point in nearest]]
            lines += [(own, strength), (other, strength)]
        thin, shut = max(thin, strength * unit.thins), max(shut, strength * unit.shuts)
    return Moved(points=_shut(_thin(points, thin), shut), lines=lines, shut=shut)


def _sides(point: int) -> list[tuple[int, float]]:
    other = MIRRORED[point]
    return [(point, 0.0)] if other == point else [(point, 1.0), (other, -1.0)]


def _thin(points: np.ndarray, share: float) -> np.ndarray:
    """Lips whose outer rims are drawn to the inner ones."""
    for rim, inner in ((range(49, 54), (60, 61, 62, 63, 64)), (range(55, 60), (64, 65, 66, 67, 60))):
        points[list(rim)] += share * (points[list(inner)] - points[list(rim)]) * [0, 1]
    return points


def _shut(points: np.ndarray, share: float) -> np.ndarray:
    """Upper lids on lower ones."""
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        points[upper] += share * (points[lower] - points[upper])
    return points
