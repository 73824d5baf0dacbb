"""Single pictures as frames: Pillow's modes to grey or RGB, turned as EXIF says, refused where damaged."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from medmae.data.video.video import LIMIT_PIXELS
from medmae.errors import DataError

Kind = Literal["grey", "colour", "deep"]
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, IndexError, KeyError)
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("1", "L"), "grey"),
    **dict.fromkeys(("LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), "colour"),
    **dict.fromkeys(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"), "deep"),
}
_ORIENTATION = 0x0112  # of EXIF


def open_still(path: Path) -> Image.Image:
    """A picture whose header was read, and no more.

    Raises:
        DataError: If it is none, or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # an error of ours, below
            image = Image.open(path)
    except (UnidentifiedImageError, Image.DecompressionBombError, *DAMAGED) as error:
        raise DataError(f"it cannot be read as a picture ({error})", path=path, remedy="copy it again") from error
    if image.width * image.height > LIMIT_PIXELS:
        raise DataError(
            "a frame is larger than the limit of 8192 x 8192 pixels",
            path=path,
            field="size",
            value=image.size,
            remedy="reduce the pictures first",
        )
    return image


def kind_of(image: Image.Image, path: Path) -> Kind:
    """Grey or colour of 8 bits, or deeper grey.

    Raises:
        DataError: For any other mode.
    """
    try:
        return _KINDS[image.mode]
    except KeyError:
        raise DataError(
            "pixels of this kind have no one meaning as colours",
            path=path,
            field="mode",
            value=image.mode,
            remedy="convert the frames to 8-bit grey or RGB",
        ) from None


def is_turned(image: Image.Image) -> bool:
    """Whether EXIF says that it is to be turned or mirrored."""
    return image.getexif().get(_ORIENTATION, 1) not in (0, 1)


def pixels_of(image: Image.Image) -> np.ndarray:
    """Decodes: grey ``(H, W, 1)`` uint8 or deeper, colour ``(H, W, 3)`` uint8; what is transparent shows white."""
    image = ImageOps.exif_transpose(image)
    kind = _KINDS[image.mode]
    if kind == "deep":
        return np.asarray(image)[..., None]
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(paper, layer).convert("RGB"))
    if kind == "grey":
        return np.asarray(image.convert("L"))[..., None]
    return np.asarray(image.convert("RGB"))
