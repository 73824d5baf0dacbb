"""Seconds and hertz beside a picture whose axes are measured, such as a spectrogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from medmae.axes import Axis
from medmae.report.axes import linear_ticks

_INK, _CLEAR = (128, 134, 141, 255), (255, 255, 255, 0)  # a grey that both light and dark pages show
_LEAST = 256  # pixels of the longer side, for numbers to be read beside it
_SIZE, _TICK = 11, 3
_HERTZ = (20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000)


def ticks_of(axis: Axis, count: int) -> dict[str, Any]:
    """For JSON: the unit and, as shares of the picture's side, where round numbers lie along so many entries."""
    low, high = axis.place(-0.5), axis.place(count - 0.5)
    numbers = linear_ticks(low, high) if axis.spacing == "linear" else [f for f in _HERTZ if low < f < high]
    marks = [((axis.index(number) + 0.5) / count, _label(number)) for number in numbers]
    return {"unit": axis.unit, "marks": [[round(share, 4), text] for share, text in marks if 0 <= share <= 1]}


def with_axes(picture: Image.Image, axes: Mapping[str, Any]) -> Image.Image:
    """A picture with ticks below and to its left.

    Args:
        picture: Any; a small one is enlarged by a whole number, pixel by pixel.
        axes: ``across`` and ``up``, from the lower left corner, by :func:`ticks_of`.
    """
    times = max(1, -(-_LEAST // max(picture.size)))
    picture = picture.convert("RGB").resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    font = ImageFont.load_default(_SIZE)
    up = _apart(axes["up"], length=picture.height, least=1.3 * _SIZE)
    across = _apart(axes["across"], length=picture.width, least=3.5 * _SIZE)
    left = round(max((font.getlength(text) for _, text in up), default=0)) + _TICK + 5
    sheet = Image.new("RGBA", (left + picture.width + 2 * _SIZE, picture.height + 2 * _SIZE), _CLEAR)
    top = _SIZE // 2
    sheet.paste(picture, (left, top))
    pen, bottom = ImageDraw.Draw(sheet), top + picture.height
    for share, text in up:
        y = bottom - round(share * picture.height)
        pen.line([(left - _TICK, y), (left - 1, y)], fill=_INK)
        pen.text((left - _TICK - 2, y), text, fill=_INK, font=font, anchor="rm")
    for share, text in across:
        x = left + round(share * picture.width)
        pen.line([(x, bottom), (x, bottom + _TICK - 1)], fill=_INK)
        pen.text((x, bottom + _TICK + 1), text, fill=_INK, font=font, anchor="mt")
    return sheet


def _apart(axis: Mapping[str, Any], *, length: int, least: float) -> Sequence[tuple[float, str]]:
    """Marks with room for their numbers between them, the unit beside the last."""
    kept: list[tuple[float, str]] = []
    for share, text in axis["marks"]:
        if not kept or (share - kept[-1][0]) * length >= least:
            kept.append((float(share), str(text)))
    if kept:
        share, text = kept[-1]
        number, thousands = text.removesuffix("k"), "k" * text.endswith("k")
        kept[-1] = (share, f"{number} {thousands}{axis['unit']}")
    return kept


def _label(number: float) -> str:
    return f"{number / 1000:g}k" if number >= 1000 else f"{number:g}"
