"""Of which size a network wants pictures, and whether they are resized to it or padded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """What data and inference do with pictures before a network sees them.

    Attributes:
        size: Extent along each axis.
        resize: Whether pictures are resized to it; otherwise they keep their pixels and are zero-padded to it, or,
            where one is larger and the network can, to more.
    """

    size: tuple[int, ...]
    resize: bool = True
