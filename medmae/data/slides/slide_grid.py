"""Where tiles lie in a slide: the only thing used to read a tile and to put a result back on level 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Pair = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True)
class SlideGrid:
    """Geometry of the tiles of one slide. Pairs are (x, y); positions are level-0 pixels from the top left corner.

    A tile covers ``tile * tile_mpp`` microns along each axis whatever the slide's resolution: it is read from
    ``level`` and resampled by the exact ratio, never by a nominal magnification.

    Args:
        slide_size: Width and height of level 0, in pixels.
        mpp: Microns a level-0 pixel.
        level: Level that is read.
        downsample: Level-0 pixels a pixel of that level.
        tile: Edge of a stored tile, in pixels.
        tile_mpp: Microns a stored pixel.
        stride: Microns from one tile to the next.
        origin: Level-0 position from which viewers that crop to the slide's bounds count (QuPath); tiles do not depend
            on it.
    """

    slide_size: tuple[int, int]
    mpp: Pair
    level: int
    downsample: Pair
    tile: int
    tile_mpp: float
    stride: float
    origin: tuple[int, int] = field(default=(0, 0), repr=False)

    def __post_init__(self) -> None:
        numbers = (*self.slide_size, *self.mpp, *self.downsample, self.tile, self.tile_mpp, self.stride)
        if min(numbers) <= 0 or self.level < 0:
            raise ValueError(f"sizes, resolutions and steps must be positive, got {self}")

    @property
    def microns(self) -> float:
        """Edge of a tile."""
        return self.tile * self.tile_mpp

    @property
    def tile_size(self) -> Pair:
        """Width and height of a tile in level-0 pixels; not whole numbers in general."""
        return self.microns / self.mpp[0], self.microns / self.mpp[1]

    @property
    def ratio(self) -> Pair:
        """Pixels of the level that is read a stored pixel: above 1, tiles are reduced."""
        width, height = self.tile_size
        return width / self.downsample[0] / self.tile, height / self.downsample[1] / self.tile

    def origins(self) -> np.ndarray:
        """Top left corners of all tiles that lie wholly in the slide, row by row: int64 ``(N, 2)``."""
        xs, ys = (self._along(axis) for axis in (0, 1))
        return np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)

    def box(self, x: int, y: int) -> Box:
        """The level-0 rectangle of the tile whose corner is at ``x, y``."""
        width, height = self.tile_size
        return x, y, x + width, y + height

    def level_box(self, x: int, y: int) -> Box:
        """The same rectangle in pixels of the level that is read."""
        left, top, right, bottom = self.box(x, y)
        across, down = self.downsample
        return left / across, top / down, right / across, bottom / down

    def _along(self, axis: int) -> np.ndarray:
        room = self.slide_size[axis] - self.tile_size[axis] + 1e-6  # the last corner that still fits
        step = self.stride / self.mpp[axis]
        # Each corner is rounded to a whole pixel by itself: a rounded step would add up its error.
        starts = np.rint(np.arange(max(int(room / step) + 2, 0)) * step)
        return starts[starts <= room].astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; derived values are included for readers without this class."""
        return {
            "slide_size": list(self.slide_size),
            "mpp": list(self.mpp),
            "level": self.level,
            "downsample": list(self.downsample),
            "tile": self.tile,
            "tile_mpp": self.tile_mpp,
            "stride": self.stride,
            "origin": list(self.origin),
            "tile_size": list(self.tile_size),
            "ratio": list(self.ratio),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SlideGrid:
        """The inverse of :meth:`to_dict`; derived values are computed anew. Grids of old have no origin: (0, 0)."""
        left, top = values.get("origin", (0, 0))
        return cls(
            slide_size=(int(values["slide_size"][0]), int(values["slide_size"][1])),
            mpp=(float(values["mpp"][0]), float(values["mpp"][1])),
            level=int(values["level"]),
            downsample=(float(values["downsample"][0]), float(values["downsample"][1])),
            tile=int(values["tile"]),
            tile_mpp=float(values["tile_mpp"]),
            stride=float(values["stride"]),
            origin=(int(left), int(top)),
        )
