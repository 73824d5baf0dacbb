"""What a slide says of itself: levels, microns a pixel, magnification."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import openslide

from medmae.data.slides.slide_grid import Pair

_PLAUSIBLE = (0.01, 50.0)  # microns a pixel


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of the pyramid.

    Attributes:
        size: Width and height in its own pixels.
        downsample: Level-0 pixels a pixel, (x, y).
    """

    size: tuple[int, int]
    downsample: Pair


def levels_of(sizes: tuple[tuple[int, int], ...]) -> tuple[Level, ...]:
    """Levels from their sizes, the finest first."""
    wide, high = sizes[0]
    return tuple(Level(size=(w, h), downsample=(_factor(wide, w), _factor(high, h))) for w, h in sizes)


def _factor(full: int, size: int) -> float:
    """How many times smaller a level is: a whole number where only the rounding of its size is against it."""
    factor = full / size
    whole = round(factor)
    return float(whole) if abs(full / whole - size) <= 1 else factor


def mpp_in(properties: Mapping[str, str]) -> Pair | None:
    """Microns a level-0 pixel (x, y) in OpenSlide's properties; None where they are missing or absurd."""
    x, y = (_number(properties, name) for name in (openslide.PROPERTY_NAME_MPP_X, openslide.PROPERTY_NAME_MPP_Y))
    if x is None or y is None or not all(_PLAUSIBLE[0] <= value <= _PLAUSIBLE[1] for value in (x, y)):
        return None
    return x, y


def objective_in(properties: Mapping[str, str]) -> float | None:
    """Nominal magnification in OpenSlide's properties, or None."""
    return _number(properties, openslide.PROPERTY_NAME_OBJECTIVE_POWER)


def bounds_in(properties: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    """What was scanned, in OpenSlide's properties: left, top, width, height at level 0; None if one is missing."""
    names = (
        openslide.PROPERTY_NAME_BOUNDS_X,
        openslide.PROPERTY_NAME_BOUNDS_Y,
        openslide.PROPERTY_NAME_BOUNDS_WIDTH,
        openslide.PROPERTY_NAME_BOUNDS_HEIGHT,
    )
    try:
        left, top, width, height = (int(properties[name]) for name in names)
    except (KeyError, ValueError):
        return None
    return (left, top, width, height) if min(width, height) > 0 <= min(left, top) else None


def _number(properties: Mapping[str, str], name: str) -> float | None:
    """A positive number, or None."""
    try:
        value = float(properties[name])
    except (KeyError, ValueError):
        return None
    return value if 0 < value < math.inf else None
