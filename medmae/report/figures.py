"""Panels as PNG: what each column means decides how it is shown, and every row is windowed by rules stated on the page.

- ``error*``: a sequential colour map from 0 to one limit shared by all rows, so that rows compare.
- Columns that share a prefix (``edge_target``, ``edge_prediction``): one window per row, taken from the first of them.
- All others: one window per row, [0, 1] if the first of them lies in it.
- NaN (a patch hidden from the encoder) is a slate blue that no grey value has; (H, W, 3) is shown as colour.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

HIDDEN = (58, 79, 122)  # the colour of a masked patch
ERROR_MAP = "inferno"  # monotone in lightness: reads the same in grey and for colour-blind eyes
MAX_SIDE = 384  # a larger panel is reduced by whole-number block means
BYTE_BUDGET = 4_200_000  # of PNG on one page, which as text is a third more
MAX_ROWS = 12
FILM_GAP = 1 / 64  # of the width of a frame, at least a pixel
WIDE = 3  # times as wide as high: film strips


def column_names(panels: Sequence[Mapping[str, NDArray[Any]]]) -> list[str]:
    """Names of the columns in the order of the file; a column that only some rows have comes last."""
    return list(dict.fromkeys(name for row in panels for name in row))


def error_limit(panels: Sequence[Mapping[str, NDArray[Any]]]) -> float:
    """Upper end of the error colour map: the 99.5th percentile over all rows, rounded up to one digit."""
    errors = [image[np.isfinite(image)] for row in panels for name, image in row.items() if is_error(name)]
    values = np.concatenate(errors) if errors else np.zeros(1)
    top = float(np.percentile(values, 99.5)) if values.size else 0.0
    if top <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(top))
    return float(np.ceil(top / unit - 1e-6) * unit)


def render_row(row: Mapping[str, NDArray[Any]], *, limit: float) -> dict[str, Image.Image]:
    """Turn one row of arrays (H, W) or (H, W, 3) into 8-bit pictures.

    Args:
        row: Arrays by column name; NaN is hidden.
        limit: Upper end of the error colour map.
    """
    windows: dict[str, tuple[float, float]] = {}
    pictures = {}
    for name, array in row.items():
        image = reduce_size(array)
        if is_error(name):
            pictures[name] = _paint(image, (0.0, limit), colour=True)
            continue
        window = windows.setdefault(family(name, row), display_window(image))
        pictures[name] = _paint(image, window, colour=False)
    return pictures


def is_error(name: str) -> bool:
    """Whether a column shows a difference rather than an image."""
    return name.startswith(("error", "difference"))


def family(name: str, row: Mapping[str, NDArray[Any]]) -> str:
    """Columns of one family share a window: a prefix that at least two columns have, else ``""``."""
    prefixes = Counter(other.split("_")[0] for other in row if "_" in other)
    prefix = name.split("_")[0]
    return prefix if prefixes[prefix] > 1 else ""


def display_window(image: NDArray[Any]) -> tuple[float, float]:
    """Black and white point: [0, 1] where it fills at least half of that, else the 0.1 to 99.9 percentiles."""
    values = image[np.isfinite(image)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, (0.1, 99.9)))
    if low >= 0.0 and 0.5 <= high <= 1.0:
        return 0.0, 1.0
    low = min(low, 0.0) if low < 0 or low < 0.2 * high else low
    return (low, high) if high > low else (low, low + 1.0)


def reduce_size(image: NDArray[Any]) -> NDArray[Any]:
    """Bring the longer side to at most ``MAX_SIDE`` by means over k x k blocks (a block with a NaN is NaN).

    A film strip may be four times as wide.
    """
    height, width = image.shape[:2]
    factor = -(-max(height, width // 4 if width > WIDE * height else width) // MAX_SIDE)
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape[:2])
    cut = image[: height * factor, : width * factor]
    return cut.reshape(height, factor, width, factor, *image.shape[2:]).mean(axis=(1, 3))


def encode_png(picture: Image.Image) -> bytes:
    """Compress a picture as PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as an address that needs no file."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def strip(pictures: Sequence[Image.Image], *, gap: int = 4, sides: tuple[str, str] | None = None) -> Image.Image:
    """Set pictures side by side on white: one PNG for a slide or a paper.

    Args:
        pictures: From left to right.
        gap: Between two, in pixels.
        sides: What lies left and right in each of them, written into its corners.
    """
    height = max(picture.height for picture in pictures)
    width = sum(picture.width + gap for picture in pictures) - gap
    sheet = Image.new("RGB", (width, height), "white")
    pen, size = ImageDraw.Draw(sheet), max(height // 14, 8)
    x = 0
    for picture in pictures:
        sheet.paste(picture.convert("RGB"), (x, 0))
        for text, at, anchor in zip(sides or (), (x + 2, x + picture.width - 2), ("lt", "rt"), strict=False):
            pen.text((at, 2), text, fill="white", font=ImageFont.load_default(size), anchor=anchor, stroke_width=1,
                     stroke_fill="black")  # fmt: skip
        x += picture.width + gap
    return sheet


def film(picture: Image.Image, *, frames: int) -> Image.Image:
    """A film strip with a line between two frames.

    Args:
        picture: Frames of one width, side by side.
        frames: How many.
    """
    edges = [round(picture.width * k / frames) for k in range(frames + 1)]
    gap = max(round(FILM_GAP * picture.width / frames), 1)
    return strip([picture.crop((a, 0, b, picture.height)) for a, b in pairwise(edges)], gap=gap)


def colour_bar(limit: float, label: str) -> Markup:
    """The legend of the error map, as SVG so that it prints."""
    stops = Markup("").join(
        Markup('<stop offset="{}%" stop-color="{}"/>').format(round(100 * t), _hex(colormaps[ERROR_MAP](t)))
        for t in np.linspace(0, 1, 11)
    )
    return Markup(
        '<span class="key">{label} <span class="n">0</span><svg class="ramp" viewBox="0 0 160 12" role="img" '
        'aria-label="colour scale from 0 to {limit}"><defs><linearGradient id="ramp">{stops}</linearGradient></defs>'
        '<rect width="160" height="12" rx="2" fill="url(#ramp)"/></svg><span class="n">{limit}</span></span>'
    ).format(label=label, limit=f"{limit:g}", stops=stops)


def _paint(image: NDArray[Any], window: tuple[float, float], *, colour: bool) -> Image.Image:
    low, high = window
    hidden = ~np.isfinite(image)
    level = np.clip((np.where(hidden, low, image) - low) / (high - low), 0.0, 1.0)
    if image.ndim == 3:
        pixels = np.where(hidden.any(-1, keepdims=True), HIDDEN, 255 * level + 0.5)
        return Image.fromarray(pixels.astype(np.uint8))
    if not colour and not hidden.any():
        return Image.fromarray(np.uint8(255 * level + 0.5))
    picture = Image.fromarray(np.where(hidden, 255, np.uint8(254 * level + 0.5)).astype(np.uint8))
    picture.putpalette(_palette(colour))
    return picture


def _palette(colour: bool) -> list[int]:
    ramp = np.linspace(0, 1, 255)
    table = colormaps[ERROR_MAP](ramp)[:, :3] if colour else np.repeat(ramp[:, None], 3, axis=1)
    return [*np.uint8(255 * table + 0.5).ravel().tolist(), *HIDDEN]


def _hex(rgba: Sequence[float]) -> str:
    return "#" + "".join(f"{round(255 * channel):02x}" for channel in rgba[:3])
