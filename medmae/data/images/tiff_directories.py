"""The chain of directories of a TIFF, looked at before a library reads thousands of tags out of noise."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from medmae.errors import DataError

_MOST = 100_000  # directories; whole slides of many channels and planes have some hundreds


def check_directories(file: BinaryIO, *, path: Path) -> None:
    """Refuses a chain that leads out of the file, comes back to itself, or has directories that the file cannot hold.

    Args:
        file: A TIFF or a BigTIFF, from its beginning; is read in places.
        path: Its name, for messages.

    Raises:
        DataError: The file is truncated or damaged.
    """
    size = file.seek(0, 2)
    order, big, at = _first(file)
    entry, width, code = (20, 8, "Q") if big else (12, 4, "I")
    seen: set[int] = set()
    while at:
        count_width, count_code = (8, "Q") if big else (2, "H")
        count = _number(file, at, order + count_code, count_width) if at + count_width <= size else None
        end = at + count_width + entry * (count or 0)
        if count is None or at in seen or end > size or len(seen) >= _MOST:
            raise DataError(
                "its directories lead out of the file, or in a circle: it is truncated or damaged",
                path=path,
                field="directory at byte",
                value=at,
                remedy="copy it again",
            )
        seen.add(at)
        # The last offset may be cut off: libraries take that for the end.
        at = _number(file, end, order + code, width) if end + width <= size else 0


def _first(file: BinaryIO) -> tuple[str, bool, int]:
    """Byte order, whether it is a BigTIFF, and where the first directory stands; 0 where the header is cut off."""
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = len(head) >= 4 and struct.unpack(f"{order}H", head[2:4])[0] == 43
    width, code = (8, "Q") if big else (4, "I")
    place = head[8:16] if big else head[4:8]
    return order, big, struct.unpack(order + code, place)[0] if len(place) == width else 0


def _number(file: BinaryIO, at: int, code: str, width: int) -> int:
    file.seek(at)
    number: int = struct.unpack(code, file.read(width))[0]
    return number
