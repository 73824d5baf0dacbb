"""What the pages of a TIFF are, as far as it says so (ImageJ, OME): times, slices, or channels, which are no frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medmae.errors import DataError
from medmae.reading import reading

_SLICES, _CHANNELS, _TIMES = "Z", "C", "T"  # tifffile's letters


def check_pages(path: Path, flag: Callable[[str], None]) -> None:
    """Refuses pages that go through channels, or through slices and times; slices alone are flagged.

    ImageJ calls every stack slices until it is told otherwise, so that many videos are called so.

    Args:
        path: The file.
        flag: Is told ``slices_as_frames``.

    Raises:
        DataError: With the axes.
    """
    import tifffile

    try:
        with reading(path, what="the TIFF"), tifffile.TiffFile(path) as file:
            series = file.series[0]
            sizes = {letter: size for letter, size in zip(series.axes, series.shape, strict=True) if size > 1}
    except DataError:
        return  # its damage is found, and told, when frames are read
    if _CHANNELS in sizes or (_SLICES in sizes and _TIMES in sizes):
        raise DataError(
            "its pages are not frames alone: they go through channels, or slices and times",
            path=path,
            field="axes, shape",
            value=(series.axes, series.shape),
            remedy="write one channel, and one slice, a file",
        )
    if _SLICES in sizes:
        flag("slices_as_frames")
