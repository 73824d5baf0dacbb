"""Files that hold several videos one after the other, as ``cat`` makes them: players show the first alone."""

from __future__ import annotations

import re
from pathlib import Path

_GIF = re.compile(rb"\x3b\x00*GIF8[79]a")  # an end mark, and a beginning
_MOST_BOXES = 100_000


def parts_joined(path: Path) -> int:
    """How many MP4, AVI or GIF files a file is made of; 1 of every other kind."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] == b"ftyp":
            return _boxes(path)
        if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
            return _riffs(path)
        file.seek(0)
        return 1 + len(_GIF.findall(file.read())) if head[:4] == b"GIF8" else 1


def _boxes(path: Path) -> int:
    """Beginnings among the boxes of an MP4 file, whose sizes lead from one to the next."""
    found = place = 0
    end = path.stat().st_size
    with path.open("rb") as file:
        for _ in range(_MOST_BOXES):
            file.seek(place)
            head = file.read(16)
            if len(head) < 8:
                break
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size
            found += head[4:8] == b"ftyp"
            if size < 8 or place + size >= end:
                break
            place += size
    return max(found, 1)


def _riffs(path: Path) -> int:
    """Beginnings of AVI; ``AVIX`` goes on with the one before it."""
    found = place = 0
    with path.open("rb") as file:
        while True:
            file.seek(place)
            head = file.read(12)
            if head[:4] != b"RIFF" or len(head) < 12:
                return max(found, 1)
            found += head[8:12] == b"AVI "
            size = int.from_bytes(head[4:8], "little")
            place += 8 + size + size % 2
