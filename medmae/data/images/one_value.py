"""Images of one value, of which nothing can be learnt: found without decoding the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

# A compressed picture of one value takes less than this a pixel; a JPEG of one takes 0.02, and a header some kB.
_BYTES_A_PIXEL = 0.05
_HEADER = 8192
_COMPRESSED = {"PNG", "JPEG", "WEBP", "JPEG2000", "GIF"}


def is_constant(pixels: np.ndarray) -> bool:
    """Whether all values of an array are one; the first row is asked first.

    Args:
        pixels: ``(H, W, C)``.
    """
    return bool((pixels[0] == pixels.flat[0]).all() and (pixels == pixels.flat[0]).all())


def may_be_constant(path: Path) -> bool:
    """Whether a file is small enough for a picture of one value, or not compressed, so that its size does not tell."""
    try:
        with Image.open(path) as image:
            return image.format not in _COMPRESSED or _is_small(path, image.width * image.height)
    except Exception:  # the boundary to the library: whatever is no picture is its reader's
        return True


def _is_small(path: Path, pixels: int) -> bool:
    return path.stat().st_size <= _HEADER + _BYTES_A_PIXEL * pixels
