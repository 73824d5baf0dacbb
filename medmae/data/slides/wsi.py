"""Whole slides: bounded reads through OpenSlide, and past it where that gives the same pixels sooner."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openslide
from PIL import Image, ImageChops

from medmae.data.slides.slide_grid import Box
from medmae.data.slides.wsi_direct import VENDORS, TiledJpeg, direct_levels
from medmae.data.slides.wsi_faults import UNPARSABLE, check_tiles, check_whole
from medmae.data.slides.wsi_handle import Handle
from medmae.data.slides.wsi_metadata import bounds_in, levels_of, mpp_in, objective_in
from medmae.errors import DataError

LIMIT_MP = 64.0  # 10^6 pixels of 4 bytes in one read
_SAME_DECODER = 4  # grey levels by which two JPEG decoders may differ


@dataclass(frozen=True, kw_only=True)
class Region:
    """What was read.

    Attributes:
        image: RGB; where the slide has nothing, its background colour. Not to be written on.
        outside: Share of pixels where the slide has nothing (transparent, in OpenSlide's words).
    """

    image: Image.Image
    outside: float


class Slide:
    """A slide; each process that reads from it opens it for itself.

    Only levels are read, never the label or macro image, which may show a name.

    Args:
        path: Main file of the slide.
        direct: Decode tiled JPEG levels without OpenSlide where both give the same pixels.
        limit_mp: Largest region, in 10^6 pixels.

    Attributes:
        size: Width and height of level 0.
        levels: From the finest to the coarsest.
        vendor: OpenSlide's name of the format.
        mpp: Microns a level-0 pixel (x, y) as the file says; None if it says nothing plausible.
        objective: Nominal magnification as the file says, or None.
        bounds: Left, top, width, height of what was scanned, in level-0 pixels, where the file says so: the rest of the
            slide is empty, and viewers such as QuPath leave it out. None if it does not say.

    Raises:
        DataError: Missing, empty, stripped, truncated or unsupported file, each with its own message.
    """

    def __init__(self, path: str | Path, *, direct: bool = True, limit_mp: float = LIMIT_MP) -> None:
        self.path, self.limit_mp = Path(path), limit_mp
        self._handle = Handle(self.path)
        slide = self._handle.slide
        self.size: tuple[int, int] = slide.dimensions
        if any(w > self.size[0] or h > self.size[1] for w, h in slide.level_dimensions):
            raise DataError(
                "a level is larger than the first, which is the finest",
                path=self.path,
                field="levels",
                value=slide.level_dimensions,
                remedy="copy the slide again",
            )
        check_tiles(self.path, slide.properties, limit_mp=limit_mp)
        self.levels = levels_of(slide.level_dimensions)
        self.vendor: str = slide.properties[openslide.PROPERTY_NAME_VENDOR]
        self.mpp = mpp_in(slide.properties)
        self.objective = objective_in(slide.properties)
        self.bounds = bounds_in(slide.properties)
        self._may_be_direct = direct and self.vendor in VENDORS
        self._direct: dict[int, TiledJpeg] | None = None
        self._process = -1
        if self.vendor in VENDORS:
            check_whole(self.path)

    def read(self, *, level: int, x: int, y: int, width: int, height: int) -> Region:
        """Reads a rectangle of a level, in that level's own pixels; it may stand out of the slide.

        Raises:
            ValueError: If there is no such level, or the rectangle is empty.
            DataError: If it is larger than the limit, or cannot be read.
        """
        if not 0 <= level < len(self.levels) or width < 1 or height < 1:
            raise ValueError(f"got level {level} of {len(self.levels)} and a size of {width} x {height}")
        if width * height > self.limit_mp * 1e6:
            raise DataError(
                f"a region of {width} x {height} has more than {self.limit_mp:g} million pixels",
                path=self.path,
                field="width, height",
                value=(width, height),
                remedy="read smaller regions, or a coarser level",
            )
        source = self._direct_levels().get(level)
        if source is not None and source.covers(x, y, width, height):
            try:
                return Region(image=source.read(x, y, width, height), outside=0.0)
            except UNPARSABLE:
                pass  # OpenSlide will say what is wrong with it, or read it all the same
        image, outside = self._handle.read(level, x, y, width, height)
        return Region(image=image, outside=outside)

    def read_scaled(self, *, level: int, box: Box, size: tuple[int, int]) -> Region:
        """Reads a rectangle with fractional borders, resampled by exactly its ratio to ``size``.

        Args:
            level: Which one.
            box: In that level's pixels.
            size: Width and height of the result; bilinear, averaged where it is the smaller.
        """
        left, top, *ends = (round(edge, 6) for edge in box)
        # A level's size was rounded when it was made, so that the last tile may stand out by a part of a pixel.
        right, bottom = (n if 0 < end - n < 1 else end for end, n in zip(ends, self.levels[level].size, strict=True))
        x, y = math.floor(left), math.floor(top)
        region = self.read(level=level, x=x, y=y, width=math.ceil(right) - x, height=math.ceil(bottom) - y)
        inner = (left - x, top - y, right - x, bottom - y)
        if region.image.size == size and inner == (0, 0, *size):
            return region
        image = region.image.resize(size, Image.Resampling.BILINEAR, box=inner)
        return Region(image=image, outside=region.outside)

    def finer(self, downsample: float) -> int:
        """The coarsest level that is at least as fine as a downsample, within the rounding of its size."""
        return max((n for n, level in enumerate(self.levels) if max(level.downsample) <= downsample * 1.001), default=0)

    @property
    def origin(self) -> tuple[int, int]:
        """Level-0 position of the corner of what was scanned, from which viewers count; (0, 0) if nobody says."""
        return (0, 0) if self.bounds is None else self.bounds[:2]

    def close(self) -> None:
        """Closes all files; a further read opens them again."""
        self._handle.close()
        for level in (self._direct or {}).values():
            level.close()
        self._direct = None

    def _direct_levels(self) -> dict[int, TiledJpeg]:
        if self._direct is None or self._process != os.getpid():
            found = direct_levels(self.path, [level.size for level in self.levels]) if self._may_be_direct else {}
            self._direct = {level: source for level, source in found.items() if self._agrees(level, source)}
            self._process = os.getpid()
        return self._direct

    def _agrees(self, level: int, source: TiledJpeg) -> bool:
        """Whether a segment looks the same through OpenSlide."""
        place = source.telling(self._handle.slide.level_downsamples[level])
        if not source.covers(*place):
            return False
        try:
            ours, (theirs, outside) = source.read(*place), self._handle.read(level, *place)
        except UNPARSABLE:
            return False
        apart = np.asarray(ImageChops.difference(ours, theirs)).max()
        return outside == 0 and bool(apart <= _SAME_DECODER)

    def __enter__(self) -> Slide:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_direct": None, "_process": -1}
