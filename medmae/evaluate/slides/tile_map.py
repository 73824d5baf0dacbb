"""A value for each tile of a slide, drawn on the slide and written for QuPath: both from one grid, at level 0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from PIL import Image

from medmae.data.slides.slide_grid import SlideGrid
from medmae.evaluate.sheet import INK, SOFT, Sheet
from medmae.files import write_text

COLOURS = "viridis"
_STRENGTH = 0.65  # of the colour over a grey slide, in picture and legend
_LEFT, _GAP, _RIGHT, _TOP, _BOTTOM = 24, 16, 92, 76, 62  # pixels
_BARS_MM = (50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05)


@dataclass(frozen=True, kw_only=True)
class TileMap:
    """Values and where they lie.

    Args:
        grid: Of the slide.
        coords: Top left corners in level-0 pixels, ``(N, 2)``.
        values: ``(N,)``.
        name: What is shown.
        limits: Least and greatest value of the scale; the same for all slides, so that they compare.
    """

    grid: SlideGrid
    coords: np.ndarray
    values: np.ndarray
    name: str
    limits: tuple[float, float] = (0.0, 1.0)

    def paint(self, size: tuple[int, int]) -> np.ndarray:
        """Values as a picture of the whole slide: float ``(height, width)``, NaN where no tile lies.

        Where tiles overlap their mean is shown. A pixel that a tile covers in part is its own, so that there are no
        seams between neighbours, whose corners lie on whole pixels and whose sizes need not.

        Args:
            size: Width and height in pixels.
        """
        scale = np.array(size) / self.grid.slide_size
        starts = np.floor(self.coords * scale + 1e-6).astype(int)
        stops = np.ceil((self.coords + self.grid.tile_size) * scale - 1e-6).astype(int)
        total, count = np.zeros(size[::-1]), np.zeros(size[::-1])
        for (left, top), (right, bottom), value in zip(starts, stops, self.values, strict=True):
            total[top:bottom, left:right] += value
            count[top:bottom, left:right] += 1
        return np.divide(total, count, out=np.full(size[::-1], np.nan), where=count > 0)


def draw_map(tile_map: TileMap, *, slide: Image.Image, title: str, path: Path) -> None:
    """Writes the slide, and beside it the map on the same slide in grey, with a scale of colours and one of length.

    Args:
        tile_map: What to draw.
        slide: RGB picture of the whole slide, such as :func:`medmae.data.slides.wsi_overview.overview` gives.
        title: Of the page.
        path: Receives the PNG.
    """
    wide, high = slide.size
    sheet = Sheet(width=_LEFT + 2 * wide + _GAP + _RIGHT, height=_TOP + high + _BOTTOM)
    sheet.write(title, left=_LEFT, top=24, size=13, weight="bold")
    for left, name, picture in (
        (_LEFT, "slide", np.asarray(slide)),
        (_LEFT + wide + _GAP, tile_map.name, _overlaid(tile_map, slide)),
    ):
        sheet.write(name, left=left, top=_TOP - 14, size=10)
        sheet.axes(left=left, top=_TOP, width=wide, height=high).imshow(picture, aspect="auto")
    _write_scale(sheet, tile_map, left=_LEFT + 2 * wide + _GAP + 10, high=high)
    _write_length(sheet, tile_map.grid, wide=wide, top=_TOP + high + 16)
    foot = f"{len(tile_map.values)} tiles of {tile_map.grid.microns:g} µm · not for diagnosis"
    sheet.write(foot, left=_LEFT + wide + _GAP, top=_TOP + high + 24, size=8.5, colour=SOFT)
    sheet.save(path, comment="not for diagnosis")


def write_geojson(
    path: str | Path, *, grid: SlideGrid, coords: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> None:
    """Writes tiles with their class and probabilities for QuPath (drag the file onto the slide).

    QuPath crops slides to their bounds where the file says them, so that positions count from the grid's ``origin``.

    Args:
        path: Receives the GeoJSON.
        grid: Of the slide.
        coords: ``(N, 2)``.
        probabilities: ``(N, K)``.
        classes: K names.
    """
    kinds = [{"name": name, "color": colour} for name, colour in class_colours(classes).items()]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_outline(grid, x, y)]},
            "properties": {
                "objectType": "detection",
                "classification": kinds[int(shares.argmax())],
                "measurements": {f"p {n}": round(float(p), 5) for n, p in zip(classes, shares, strict=True)},
            },
        }
        for (x, y), shares in zip(coords.tolist(), probabilities, strict=True)
    ]
    write_text(path, json.dumps({"type": "FeatureCollection", "features": features}))


def class_colours(classes: Sequence[str]) -> Mapping[str, list[int]]:
    """A colour ``[red, green, blue]`` for each class, the same wherever classes are the same."""
    table = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    return {name: [round(255 * share) for share in table(i % table.N)[:3]] for i, name in enumerate(classes)}


def _outline(grid: SlideGrid, x: int, y: int) -> list[list[float]]:
    across, down = grid.origin
    left, top, right, bottom = (round(edge, 3) for edge in grid.box(x - across, y - down))
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def _overlaid(tile_map: TileMap, slide: Image.Image) -> np.ndarray:
    """The slide in grey under the map: float ``(height, width, 3)`` in [0, 1]."""
    values = tile_map.paint(slide.size)
    grey = np.repeat(np.asarray(slide.convert("L"))[..., None] / 255, 3, axis=2)
    colours = _colours(tile_map).to_rgba(np.nan_to_num(values))[..., :3]
    mixed = _STRENGTH * colours + (1 - _STRENGTH) * grey
    return np.where(np.isnan(values)[..., None], grey, mixed)


def _colours(tile_map: TileMap) -> Any:  # noqa: ANN401 - matplotlib's classes are untyped
    return ScalarMappable(norm=Normalize(*tile_map.limits), cmap=COLOURS)


def _write_scale(sheet: Sheet, tile_map: TileMap, *, left: int, high: int) -> None:
    axes = sheet.axes(left=left, top=_TOP, width=12, height=high)
    axes.set_axis_on()
    bar = sheet.figure.colorbar(_colours(tile_map), cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=SOFT, labelcolor=INK, labelsize=8.5, length=3)


def _write_length(sheet: Sheet, grid: SlideGrid, *, wide: int, top: int) -> None:
    """A bar of a round length, at most a third of the picture."""
    per_mm = wide / (grid.slide_size[0] * grid.mpp[0] / 1000)
    length = next((mm for mm in _BARS_MM if mm * per_mm <= wide / 3), _BARS_MM[-1])
    sheet.axes(left=_LEFT, top=top, width=length * per_mm, height=3).imshow([[1.0]], cmap="gray", vmin=0, aspect="auto")
    sheet.write(f"{length:g} mm", left=_LEFT, top=top + 14, size=8.5, colour=SOFT)
