"""One slide in OpenSlide: opened by each process for itself, and anew after an error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import openslide
from PIL import Image

from medmae.data.slides.wsi_faults import check_there, explained
from medmae.errors import DataError

_WHITE = (255, 255, 255)


class Handle:
    """OpenSlide's handle on a file. Copies and forks start without one; it is never pickled.

    Args:
        path: Main file of the slide.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slide: openslide.OpenSlide | None = None
        self._process = -1

    @property
    def slide(self) -> openslide.OpenSlide:
        """This process's handle.

        Raises:
            DataError: Missing, empty, stripped, truncated or unsupported file.
        """
        if self._slide is None or self._process != os.getpid():
            check_there(self.path)
            try:
                self._slide = openslide.OpenSlide(self.path)
            except (openslide.OpenSlideError, OSError) as error:
                raise explained(self.path, error) from error
            self._process = os.getpid()
        return self._slide

    def read(self, level: int, x: int, y: int, width: int, height: int) -> tuple[Image.Image, float]:
        """A rectangle of a level in that level's pixels.

        Returns:
            RGB, the slide's background colour where it has nothing; and the share of such (transparent) pixels.

        Raises:
            DataError: If a handle opened anew cannot read it either.
        """
        try:
            pixels = self._region(level, x, y, width, height)
        except openslide.OpenSlideError:
            self.close()  # an error poisons a handle: all further reads would fail, too
            try:
                pixels = self._region(level, x, y, width, height)
            except openslide.OpenSlideError as error:
                self.close()
                raise DataError(
                    f"a region cannot be read ({error})",
                    path=self.path,
                    field="level, x, y, width, height",
                    value=(level, x, y, width, height),
                    remedy="copy the slide again",
                ) from error
        alpha = pixels.getchannel("A")
        image = Image.new("RGB", pixels.size, self._background())
        image.paste(pixels, mask=alpha)
        return image, alpha.histogram()[0] / (width * height)

    def close(self) -> None:
        """Lets go of the file; the next read opens it again."""
        if self._slide is not None and self._process == os.getpid():
            self._slide.close()
        self._slide = None

    def _region(self, level: int, x: int, y: int, width: int, height: int) -> Image.Image:
        step = self.slide.level_downsamples[level]  # OpenSlide's own figure, so that it means the same pixel as we do
        return self.slide.read_region((round(x * step), round(y * step)), level, (width, height))

    def _background(self) -> tuple[int, int, int]:
        code = self.slide.properties.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR, "")
        try:
            red, green, blue = bytes.fromhex(code)
        except ValueError:
            return _WHITE
        return red, green, blue

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_slide": None, "_process": -1}
