"""Single images (JPEG, PNG, TIFF) to RGB, or to grey where they are, refused where they are too large or damaged.

The rule of RGB: 16-bit values keep their upper 8 bits; grey is repeated in three channels; a palette gives its colours;
CMYK is converted by Pillow; what is transparent shows white. Of a TIFF with several pages the first counts.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from medmae.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_FORMATS = ("JPEG", "PNG", "TIFF")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", *_SIXTEEN_BITS)
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, TypeError, IndexError, KeyError)


def read_bytes(path: Path) -> bytes:
    """The content of an image file.

    Raises:
        DataError: If there is none, or it is empty or larger than any image within the limits.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= 8 * _most_pixels() else None
    except OSError as error:
        raise DataError(f"the image cannot be read ({error.strerror})", path=path, remedy="check the path") from error
    if data is None:
        raise _too_large(path, "bytes", size)
    if not data:
        raise DataError("the image file is empty", path=path, field="bytes", value=0, remedy="copy it again")
    return data


def rgb_of(data: bytes, *, path: Path) -> np.ndarray:
    """Decodes an image: uint8 ``(H, W, 3)``.

    Args:
        data: Content of the file.
        path: Its name, for messages.

    Raises:
        DataError: No such format, damaged or truncated, more pixels than Pillow's limit, floating-point or other modes.
    """
    return _decoded(data, _converted, path=path)


def pixels_of(data: bytes, *, path: Path) -> np.ndarray:
    """Decodes an image in its own channels: grey ``(H, W, 1)``, all else RGB ``(H, W, 3)``.

    Grey of 8 bits is uint8. Grey of 16 bits, which seldom uses all of them, is scaled from its least to its greatest
    value: float32 in [0, 1].

    Args:
        data: Content of the file.
        path: Its name, for messages.

    Raises:
        DataError: As :func:`rgb_of`.
    """
    return _decoded(data, _own_channels, path=path)


def stretched(values: np.ndarray) -> np.ndarray:
    """Values from their least to their greatest: float32 in [0, 1]; 0 where all are equal."""
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _decoded(data: bytes, convert: Callable[[Image.Image], np.ndarray], *, path: Path) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # an error of ours, two lines below
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise DataError(
            "this is no JPEG, PNG or TIFF image", path=path, field="format", remedy="convert it, or leave it out"
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, "pixels", str(error)) from error
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    if image.width * image.height > _most_pixels():
        raise _too_large(path, "pixels", (image.width, image.height))
    if image.mode not in _MODES:
        raise DataError(
            "pixels of this kind have no one meaning as colours",
            path=path,
            field="mode",
            value=image.mode,
            remedy="convert it to 8-bit RGB",
        )
    try:
        return convert(image)
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _own_channels(image: Image.Image) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:
        return stretched(np.asarray(image))[:, :, None]
    if image.mode in ("1", "L") and not image.has_transparency_data:
        return np.asarray(image.convert("L"))[:, :, None]
    return _converted(image)


def _converted(image: Image.Image) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(paper, layer).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def _most_pixels() -> int:
    return Image.MAX_IMAGE_PIXELS or 2**27  # also where somebody has switched Pillow's own limit off


def _too_large(path: Path, field: str, value: object) -> DataError:
    return DataError(
        f"the image is larger than {_most_pixels():,} pixels",
        path=path,
        field=field,
        value=value,
        remedy="large images are slides: make a tiled pyramid of it, and use `medmae prep wsi`",
    )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"the image is truncated or damaged ({error})", path=path, remedy="copy it again, or leave it out")
