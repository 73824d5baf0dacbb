"""A whole slide as one small picture: where tissue is looked for."""

from __future__ import annotations

from PIL import Image

from medmae.data.slides.wsi import Slide
from medmae.errors import DataError

_STRIP_PIXELS = 8_000_000  # read at once
_LEAST = 16  # pixels of the picture: parts as small as this are given up where they cannot be read
Part = tuple[int, int, int, int]  # left, top, right, bottom


def overview(slide: Slide, *, edge: int = 1024) -> tuple[Image.Image, float]:
    """The whole slide, its longer side at most ``edge`` pixels, read in strips from the nearest finer level.

    Returns:
        RGB, white where the slide cannot be read; and the share of such pixels.
    """
    scale = min(1.0, edge / max(slide.size))
    width, height = (max(1, round(n * scale)) for n in slide.size)
    level = slide.finer(1 / scale)
    wide, high = slide.levels[level].size
    rows = max(1, int(_STRIP_PIXELS / wide / (high / height)))
    canvas = Image.new("RGB", (width, height), "white")
    parts = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    unread = 0
    while parts:
        left, top, right, bottom = part = parts.pop()
        size = (right - left, bottom - top)
        box = (left * wide / width, top * high / height, right * wide / width, bottom * high / height)
        try:
            canvas.paste(slide.read_scaled(level=level, box=box, size=size).image, (left, top))
        except DataError:
            if max(size) > _LEAST:  # a damaged place spoils what is read with it, so less is read with it
                parts += _halves(part)
            else:
                unread += size[0] * size[1]
    return canvas, unread / (width * height)


def _halves(part: Part) -> tuple[Part, Part]:
    left, top, right, bottom = part
    x, y = (left + right) // 2, (top + bottom) // 2
    if right - left > bottom - top:
        return (left, top, x, bottom), (x, top, right, bottom)
    return (left, top, right, y), (left, y, right, bottom)
