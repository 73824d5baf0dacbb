"""Why a slide cannot be opened: OpenSlide has one sentence for all of it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import tifffile

from medmae.errors import DataError

UNPARSABLE = Exception  # the boundary to tifffile: tags of a damaged file are of any type, and it raises anything
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def check_there(path: Path) -> None:
    """Refuses what is no file, or has nothing in it.

    Raises:
        DataError: With which of these it is.
    """
    if not path.exists():
        raise DataError("there is no such slide", path=path, remedy="check the path")
    if not path.is_file():
        raise DataError("this is no file", path=path, remedy="give the slide's main file, not the folder beside it")
    if path.stat().st_size == 0:
        raise DataError("the file is empty", path=path, field="bytes", value=0, remedy="copy the slide again")


def explained(path: Path, error: Exception) -> DataError:
    """What is wrong with a file that OpenSlide refuses."""
    with path.open("rb") as file:
        is_tiff = file.read(4) in _TIFF
    if not is_tiff:
        return DataError(
            f"this is no slide format that OpenSlide reads ({error})",
            path=path,
            field="suffix",
            value=path.suffix,
            remedy="convert it to a tiled pyramidal TIFF; single images go to `medmae prep tiles`",
        )
    return _tiff_fault(path) or DataError(
        f"this TIFF is of no kind that OpenSlide reads ({error})", path=path, remedy="convert it to a tiled pyramid"
    )


def check_tiles(path: Path, properties: Mapping[str, str], *, limit_mp: float) -> None:
    """Refuses tiles that no scanner writes: OpenSlide takes the memory of one whole, and ends the process without it.

    Args:
        path: The slide.
        properties: OpenSlide's.
        limit_mp: Largest tile, in 10^6 pixels.

    Raises:
        DataError: With the size of such a tile.
    """
    sides: dict[str, dict[str, int]] = defaultdict(dict)
    for name, value in properties.items():
        if match := re.fullmatch(r"openslide\.level\[(\d+)\]\.tile-(width|height)", name):
            sides[match[1]][match[2]] = int(value)
    size = max((tuple(some.values()) for some in sides.values()), key=math.prod, default=())
    if math.prod(size) > limit_mp * 1e6:
        shown = " x ".join(map(str, size))
        why = f"a tile of {shown} has more than {limit_mp:g} million pixels"
        raise DataError(why, path=path, field="tile", value=shown, remedy="copy the slide again")


def check_whole(path: Path) -> None:
    """Refuses a TIFF that ends before its tiles do.

    What OpenSlide can open and tifffile cannot parse is left to OpenSlide.

    Raises:
        DataError: With how much is missing.
    """
    try:
        fault = _truncated(path)
    except UNPARSABLE:
        return
    if fault is not None:
        raise fault


def _tiff_fault(path: Path) -> DataError | None:
    try:
        fault = _truncated(path)
        with tifffile.TiffFile(path) as tiff:
            tiled = bool(tiff.pages.first.is_tiled)
    except UNPARSABLE as error:
        return _cut(path, f"its directory cannot be read: {error}")
    if fault is None and not tiled:
        return DataError(
            "this TIFF holds strips, not tiles: it would have to be decoded whole",
            path=path,
            field="TileWidth",
            remedy="convert it: vips tiffsave IN OUT --tile --pyramid --compression jpeg; "
            "single images go to `medmae prep tiles`",
        )
    return fault


def _truncated(path: Path) -> DataError | None:
    size = path.stat().st_size
    with tifffile.TiffFile(path) as tiff:
        ends = [
            offset + count
            for page in tiff.pages
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        ]
    if max(ends, default=0) > size:
        return _cut(path, f"it has {size} bytes where {max(ends)} are promised")
    return None


def _cut(path: Path, why: str) -> DataError:
    return DataError(f"the slide is truncated ({why})", path=path, field="bytes", remedy="copy the slide again")
