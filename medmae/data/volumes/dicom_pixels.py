"""Whether the pixels that a DICOM header promises are in the file, and how much memory they take."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, reading

_DEFLATED = "1.2.840.10008.1.2.1.99"
_PIXELS = (0x7FE00010, 0x7FE00008, 0x7FE00009)  # PixelData, of floats, of doubles
_NEEDED = ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames", "BitsAllocated")
_LONG = 4096  # bytes: longer values are passed over
_UNDEFINED = 0xFFFFFFFF  # length of encapsulated (compressed) pixels


def begins_as_dicom(head: bytes) -> bool:
    """Whether 132 bytes are those with which DICOM begins: ``DICM`` at byte 128, or a tag of group 2 or 8."""
    if head[128:132] == b"DICM":
        return True
    group, element = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:4], "little")
    if len(head) < 132 or group not in (0x0002, 0x0008) or element > 0x0030:
        return False
    explicit = head[4:6] in (b"UL", b"CS", b"UI", b"OB", b"SH", b"LO", b"DA", b"TM")
    return explicit or int.from_bytes(head[4:8], "little") <= 64


def check_lengths(path: Path) -> None:
    """Refuses a header with an element that is longer than the file: GDCM takes as much memory as it says.

    Raises:
        DataError: With the element's tag.
    """
    import pydicom

    size = path.stat().st_size
    with warnings.catch_warnings(), reading(path, what="the DICOM header", remedy="export it again"):
        warnings.simplefilter("ignore", UserWarning)  # of tags that pydicom does not know
        try:
            data = pydicom.dcmread(path, force=True, stop_before_pixels=True, defer_size=_LONG)
            parts = (getattr(data, "file_meta", {}), data)
            tag = next((str(tag) for part in parts for tag, last in _ends(part) if last > size), None)
        except MemoryError:  # no header is that large
            tag = "unknown"
    if tag is not None:
        raise DataError(
            "an element of the DICOM header is longer than the file",
            path=path,
            field="tag",
            value=tag,
            remedy="copy or export it again",
        )


def _ends(data: Any) -> Iterator[tuple[Any, float]]:  # noqa: ANN401 - pydicom is untyped
    """Tag of each element and where it ends in the file, of those in sequences, too.

    Only sequences and pixels may leave their length open.
    """
    for tag in list(data.keys()):
        element = data.get_item(tag)
        length = getattr(element, "length", None)
        if length is not None and length != _UNDEFINED:
            yield tag, element.value_tell + length
        elif isinstance(element.value, bytes):
            yield tag, math.inf
        elif element.VR == "SQ":
            for item in element.value:
                yield from _ends(item)


def check_pixels(path: Path, *, slices: int = 1, limit_gb: float = LIMIT_GB) -> None:
    """Refuses an image whose pixels are not all there, or are more than the budget allows.

    Args:
        path: The file.
        slices: Of the same size that are read together.
        limit_gb: Most memory for stored and converted pixels, in 10^9 bytes.

    Raises:
        DataError: No pixels, fewer than the header promises, or too many.
    """
    import pydicom

    with reading(path, what="the DICOM header", remedy="export it again"), path.open("rb") as file:
        _check_deflated(path, limit_gb=limit_gb)
        data = pydicom.dcmread(file, force=True, stop_before_pixels=True, specific_tags=[*_NEEDED])
        rows, columns, samples, frames, bits = (int(data.get(name) or 1) for name in _NEEDED)
        tag, length = _next_element(file, data)
    size = rows * columns * samples * frames * bits // 8
    check_budget(
        slices * (size + rows * columns * samples * frames * 4),
        path=path,
        field="Rows, Columns, NumberOfFrames",
        value=(rows, columns, frames),
        limit_gb=limit_gb,
    )
    if tag not in _PIXELS:
        raise DataError("it holds no image", path=path, field="PixelData", remedy="leave it out")
    if length is not None and length < size:
        raise DataError(
            f"its pixels take {size} bytes, and {length} are there",
            path=path,
            field="PixelData",
            value=length,
            remedy="copy or export it again",
        )


def _next_element(file: BinaryIO, data: Any) -> tuple[int, int | None]:  # noqa: ANN401 - pydicom is untyped
    """Tag and bytes of the element before which reading stopped; None of a compressed or deflated one."""
    syntax = data.file_meta.get("TransferSyntaxUID") if hasattr(data, "file_meta") else None
    if syntax == _DEFLATED:  # pydicom reads a copy of its own
        return _PIXELS[0], None
    implicit, little = data.original_encoding
    start = file.tell()
    head, order = file.read(12), ">" if little is False else "<"
    group, element = struct.unpack(f"{order}HH", head[:4]) if len(head) == 12 else (0, 0)
    (length,) = struct.unpack(f"{order}I", head[4:8] if implicit else head[8:12]) if len(head) == 12 else (0,)
    if length == _UNDEFINED or (syntax is not None and syntax.is_compressed):
        return group << 16 | element, None
    there = file.seek(0, 2) - start - (8 if implicit else 12)
    return group << 16 | element, max(min(length, there), 0)


def _check_deflated(path: Path, *, limit_gb: float) -> None:
    """Counts what a deflated file unpacks to, a piece at a time: libraries unpack it whole."""
    with path.open("rb") as file:
        if _DEFLATED.encode() not in file.read(4096):
            return
        file.seek(132)
        content = file.read()
    length = int.from_bytes(content[8:12], "little")  # value of the group's first element: bytes of the group
    unpacker, size, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, content[12 + length :]
    while rest and not unpacker.eof:
        size += len(unpacker.decompress(rest, 2**20))
        rest = unpacker.unconsumed_tail
        check_budget(size * 2, path=path, field="deflated bytes", value=len(content), limit_gb=limit_gb)
