"""What a slide says of itself, and what is done where it says nothing: levels, microns a pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openslide

from medmae.data.slides.slide_grid import Pair
from medmae.errors import DataError

if TYPE_CHECKING:
    from medmae.data.slides.wsi import Slide

_PLAUSIBLE = (0.01, 50.0)  # microns a pixel
_POWER_TIMES_MPP = 10.0  # a nominal 20x is about 0.5 microns a pixel


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


def resolve_mpp(slide: Slide, *, stated: float | None = None, from_objective: bool = False) -> tuple[Pair, str]:
    """Microns a level-0 pixel, and where they are from: ``metadata``, ``table`` or ``objective``.

    Args:
        slide: Whose metadata count first.
        stated: What the user's table says of it.
        from_objective: As a last resort, take 10 microns over the nominal magnification.

    Raises:
        DataError: If nobody knows, or the table contradicts the metadata.
    """
    if slide.mpp is not None:
        if stated is not None and max(abs(stated / own - 1) for own in slide.mpp) > 0.01:
            raise DataError(
                "the table and the slide name different resolutions",
                path=slide.path,
                field="mpp (slide, table)",
                value=(slide.mpp, stated),
                remedy="correct the table, or leave this slide's mpp out of it: what the slide says is used",
            )
        return slide.mpp, "metadata"
    if stated is not None:
        return (stated, stated), "table"
    if from_objective and slide.objective is not None:
        return (_POWER_TIMES_MPP / slide.objective,) * 2, "objective"
    hint = "" if slide.objective is None else f", or allow to infer it from its nominal {slide.objective:g}x"
    raise DataError(
        f"nothing says how many microns a pixel of slide {slide.path.stem} is",
        path=slide.path,
        field="mpp",
        remedy=f"name it in a table: slide,mpp{hint}",
    )


def _number(properties: Mapping[str, str], name: str) -> float | None:
    """A positive number, or None."""
    try:
        value = float(properties[name])
    except (KeyError, ValueError):
        return None
    return value if 0 < value < math.inf else None
