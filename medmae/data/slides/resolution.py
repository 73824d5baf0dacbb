"""How many microns a pixel of a slide is, what is done where it does not say so, and what gives cause to doubt it."""

from __future__ import annotations

from medmae.data.slides.slide_grid import Pair
from medmae.data.slides.wsi import Slide
from medmae.errors import DataError

_POWER_TIMES_MPP = 10.0  # a nominal 20x is about 0.5 microns a pixel
_APART = 2.5  # times, by which scanners and their objectives differ from that; the next objective is a factor of 2
_SCANNED = (0.06, 5.0)  # microns a pixel of optical scanners: below lies what light resolves, above a print resolution
_SAME = 0.01  # share by which two resolutions may differ and be one
CORRECT = "--slide-mpp, or a column mpp of --table, says the true one"


def resolve_mpp(slide: Slide, *, stated: float | None = None, from_objective: bool = False) -> tuple[Pair, str]:
    """Microns a level-0 pixel, and where they are from: ``metadata``, ``table`` or ``objective``.

    What a user states overrules what the file says, which converters and print resolutions get wrong; the two are one
    where they differ by less than 1 %.

    Args:
        slide: Whose metadata count where nothing is stated.
        stated: What the user says of it, in a table or otherwise.
        from_objective: As a last resort, take 10 microns over the nominal magnification.

    Raises:
        DataError: If nobody knows.
    """
    if slide.mpp is not None and not contradicts(stated, slide.mpp):
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
        remedy=f"name it in a table: slide,mpp, or for all slides by --slide-mpp{hint}",
    )


def contradicts(stated: float | None, own: Pair) -> bool:
    """Whether a stated resolution is another than a slide's own."""
    return stated is not None and max(abs(stated / value - 1) for value in own) > _SAME


def doubtful(mpp: Pair, objective: float | None) -> bool:
    """Whether a file's resolution is none of an optical scanner, or far from what its own magnification says."""
    if not _SCANNED[0] <= min(mpp) <= max(mpp) <= _SCANNED[1]:
        return True
    apart = 1.0 if objective is None else max(mpp) * objective / _POWER_TIMES_MPP
    return not 1 / _APART <= apart <= _APART
