"""Tiled JPEG levels of TIFF slides, decoded segment by segment: about five times as fast as through OpenSlide.

A JPEG segment in a TIFF is a JPEG file without its tables and without word of its colours; both are put back, and
Pillow decodes it with the same library and settings as OpenSlide. :class:`medmae.data.slides.wsi.Slide` compares one
segment of each level with what OpenSlide gives before it trusts this path.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from medmae.data.slides.wsi_faults import UNPARSABLE

VENDORS = ("aperio", "generic-tiff")  # whose levels are plain grids of tiles: no overlaps, no padding
_CACHE_BYTES = 96_000_000  # a row of 256-pixel segments of a slide 100 000 pixels wide
_JPEG, _RGB, _YCBCR = 7, 2, 6  # TIFF tags Compression and PhotometricInterpretation
_MOST_PIXELS = 4096 * 4096  # of a segment; more is no slide but a bomb
_START = b"\xff\xd8"


class TiledJpeg:
    """One level. Segments that were decoded last are kept, so that tiles across them decode each once.

    Args:
        path: The file.
        page: Its directory of this level.
    """

    def __init__(self, path: Path, page: tifffile.TiffPage) -> None:
        self.path = path
        self.size = (page.imagewidth, page.imagelength)
        self.tile = (page.tilewidth, page.tilelength)
        self._across = -(-page.imagewidth // page.tilewidth)
        self._offsets, self._counts = page.dataoffsets, page.databytecounts
        self._head = _START + _colour(rgb=page.photometric == _RGB) + (page.jpegtables or b"")[2:-2]
        self._file = path.open("rb", buffering=0)
        self._kept: OrderedDict[int, Image.Image] = OrderedDict()
        self._most = max(_CACHE_BYTES // (4 * self.tile[0] * self.tile[1]), 4)

    def telling(self, step: float) -> tuple[int, int, int, int]:
        """Left, top, width and height of the segment with the most bytes: the least likely to be blank.

        Args:
            step: Level-0 pixels a pixel in OpenSlide's view, which reads at whole level-0 pixels only; segments that
                it would shift by a part of a pixel are passed over.
        """
        (wide, high), counts = self.tile, np.reshape(self._counts, (-1, self._across))
        exact_x, exact_y = (
            np.abs(np.rint(places * step) / step - places) < 1e-3
            for places in (np.arange(counts.shape[1]) * wide, np.arange(counts.shape[0]) * high)
        )
        row, column = divmod(int((counts * np.outer(exact_y, exact_x)).argmax()), self._across)
        x, y = column * wide, row * high
        return x, y, min(wide, self.size[0] - x), min(high, self.size[1] - y)

    def covers(self, x: int, y: int, width: int, height: int) -> bool:
        """Whether the region lies in the level and none of its segments is left out of the file."""
        if x < 0 or y < 0 or x + width > self.size[0] or y + height > self.size[1]:
            return False
        return all(self._counts[index] for _, _, index in self._segments(x, y, width, height))

    def read(self, x: int, y: int, width: int, height: int) -> Image.Image:
        """An RGB region that :meth:`covers`; not to be written on.

        Raises:
            OSError: If the file ends early or a segment cannot be decoded.
        """
        if (width, height) == self.tile and x % width == 0 and y % height == 0:
            return self._decode(y // height * self._across + x // width)
        canvas = Image.new("RGB", (width, height))
        for left, top, index in self._segments(x, y, width, height):
            canvas.paste(self._segment(index), (left - x, top - y))
        return canvas

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _segments(self, x: int, y: int, width: int, height: int) -> list[tuple[int, int, int]]:
        """Left, top and number of every segment that a region touches."""
        wide, high = self.tile
        return [
            (column * wide, row * high, row * self._across + column)
            for row in range(y // high, (y + height - 1) // high + 1)
            for column in range(x // wide, (x + width - 1) // wide + 1)
        ]

    def _segment(self, index: int) -> Image.Image:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        if len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        image = self._kept[index] = self._decode(index)
        return image

    def _decode(self, index: int) -> Image.Image:
        self._file.seek(self._offsets[index])
        data = self._file.read(self._counts[index])
        if len(data) < self._counts[index] or data[:2] != _START:
            raise OSError(f"segment {index} is not a whole JPEG image")
        image = Image.open(io.BytesIO(self._head + data[2:]), formats=("JPEG",))
        if image.size != self.tile or image.mode != "RGB":
            raise OSError(f"segment {index} has {image.size} {image.mode} where {self.tile} RGB is expected")
        image.load()
        return image


def direct_levels(path: Path, sizes: Sequence[tuple[int, int]]) -> dict[int, TiledJpeg]:
    """The levels of a TIFF file that can be read directly.

    Directories that are no level (label, macro, thumbnail) are never opened.

    Args:
        path: The file.
        sizes: Width and height of each level, as OpenSlide sees them.
    """
    found = {}
    try:
        with tifffile.TiffFile(path) as tiff:
            pages = [page for page in tiff.pages if isinstance(page, tifffile.TiffPage) and _is_plain(page)]
            for level, size in enumerate(sizes):
                same = [page for page in pages if (page.imagewidth, page.imagelength) == size]
                if len(same) == 1:  # several of one size are focal planes or channels: OpenSlide knows which is meant
                    found[level] = TiledJpeg(path, same[0])
    except UNPARSABLE:
        return {}
    return found


def _is_plain(page: tifffile.TiffPage) -> bool:
    return (
        page.is_tiled
        and page.tilewidth * page.tilelength <= _MOST_PIXELS
        and page.compression == _JPEG
        and page.photometric in (_RGB, _YCBCR)
        and page.samplesperpixel == 3
        and page.bitspersample == 8
        and page.planarconfig == 1
    )


def _colour(*, rgb: bool) -> bytes:
    """Adobe's marker: whether three components are RGB as they are, or YCbCr."""
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + (b"\x00" if rgb else b"\x01")
