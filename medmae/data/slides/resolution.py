"""How many microns a pixel of a slide is, and what is done where it does not say so."""

from __future__ import annotations

from medmae.data.slides.slide_grid import Pair
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError

_POWER_TIMES_MPP = 10.0  # a nominal 20x is about 0.5 microns a pixel


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
