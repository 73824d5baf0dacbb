"""TIFF files with channels in pages, planes or extra samples: all are read, and pages that are none are refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import tifffile

from medmae.data.images.tiff_directories import check_directories
from medmae.errors import DataError
from medmae.reading import check_budget, reading

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_CHANNELS = "CS"  # tifffile's letters of channels and samples
_ALPHA = (1, 2)  # associated, unassociated
_CMYK = 5


def channels_of(data: bytes, *, path: Path) -> np.ndarray | None:
    """All channels of a TIFF that Pillow would not read whole, ``(H, W, C)`` of the file's whole numbers.

    Args:
        data: Content of the file.
        path: Its name, for messages.

    Returns:
        None if it is no TIFF, or one image of grey or colours, with or without smaller copies of it.

    Raises:
        DataError: Pages that are slices, times or other images rather than channels; a file that is damaged or too
            large.
    """
    if data[:4] not in _MAGIC:
        return None
    check_directories(io.BytesIO(data), path=path)
    with reading(path, what="the TIFF"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        first, page, others = tiff.series[0], tiff.pages.first, tiff.series[1:]
        sizes = zip(first.axes, first.shape, strict=True)
        axes = [(letter, size) for letter, size in sizes if size > 1 or letter in "YX"]
        same = [series for series in others if series.shape == first.shape]
        plain = page.samplesperpixel in (1, 3) or page.photometric == _CMYK or _only_alpha(page)
        dtype = first.dtype
    letters = "".join(letter for letter, _ in axes)
    stacked = [letter for letter in letters if letter not in ("Y", "X", *_CHANNELS)]
    if stacked or same or sum(letter in _CHANNELS for letter in letters) > 1:
        raise DataError(
            "its pages are not channels: they are slices, times, or images of their own",
            path=path,
            field="axes, shape",
            value=(first.axes, first.shape),
            remedy="write one file a page, or name the axes CYX (OME-TIFF, ImageJ) if they are channels",
        )
    if plain and letters in ("YX", "YXS"):
        return None
    if dtype.kind not in "ui":
        raise DataError("channels are whole numbers", path=path, field="dtype", value=str(dtype), remedy="convert it")
    check_budget(
        int(np.prod(first.shape)) * (dtype.itemsize + 4),
        path=path,
        field="shape",
        value=first.shape,
        remedy="reduce it",
    )
    with reading(path, what="the TIFF"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        array = tiff.series[0].asarray().reshape([size for _, size in axes])
    place = next((place for place, letter in enumerate(letters) if letter in _CHANNELS), None)
    return array[..., None] if place is None else np.ascontiguousarray(np.moveaxis(array, place, -1))


def _only_alpha(page: tifffile.TiffPage) -> bool:
    return page.samplesperpixel in (2, 4) and tuple(page.extrasamples) in {(kind,) for kind in _ALPHA}
