"""Single images (JPEG, PNG, TIFF, BMP, WebP, PGM, PPM) to RGB, or to their own channels; damaged ones are refused.

The rule of RGB: 16-bit values keep the upper 8 of the bits that are in use (10, 12, 14 or 16, as cameras have);
grey is repeated in three channels; a palette gives its colours; CMYK is converted by Pillow; what is transparent shows
white. Images are turned as EXIF says, and where white is 0, values are turned over.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from medmae.data.images.tiff_channels import channels_of
from medmae.errors import DataError
from medmae.reading import reading

SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"),
    *(".pgm", ".ppm", ".pnm"),
)
_ANIMATED = {"PNG", "WEBP"}  # of the formats below
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "PPM")
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B")
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", *_SIXTEEN_BITS)
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # tag of a TIFF, and its value
_DEPTHS = (10, 12, 14, 16)  # bits of cameras whose images are stored in 16
_DAMAGED = "the image is truncated or damaged, and"


def read_bytes(path: Path) -> bytes:
    """The content of an image file.

    Raises:
        DataError: If there is none, or it is empty or larger than any image within the limits.
    """
    with reading(path, what="the image", remedy="check the path"):
        size = path.stat().st_size
        data = path.read_bytes() if size <= 8 * _most_pixels() else None
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
    channels = channels_of(data, path=path)
    if channels is not None:
        raise DataError(
            f"an image of {channels.shape[2]} channels has no one meaning as colours",
            path=path,
            field="channels",
            value=channels.shape[2],
            remedy="convert it to 8-bit RGB",
        )
    return _decoded(data, _converted, path=path)


def pixels_of(data: bytes, *, path: Path) -> np.ndarray:
    """Decodes an image in its own channels: grey ``(H, W, 1)``, RGB ``(H, W, 3)``, others ``(H, W, C)``.

    8 bits are uint8. Grey and channels of 16 bits, which seldom use all of them, are scaled from the least to the
    greatest value of the image: float32 in [0, 1].

    Args:
        data: Content of the file.
        path: Its name, for messages.

    Raises:
        DataError: As :func:`rgb_of`.
    """
    channels = channels_of(data, path=path)
    if channels is not None:
        return channels if channels.dtype == np.uint8 else stretched(channels)
    return _decoded(data, _own_channels, path=path)


def stretched(values: np.ndarray) -> np.ndarray:
    """Values from their least to their greatest: float32 in [0, 1]; 0 where all are equal."""
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _decoded(data: bytes, convert: Callable[[Image.Image], np.ndarray], *, path: Path) -> np.ndarray:
    with warnings.catch_warnings(), reading(path, what=_DAMAGED):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # an error of ours, below
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except UnidentifiedImageError as error:
            kinds = "JPEG, PNG, TIFF, BMP, WebP, PGM or PPM"
            raise DataError(
                f"this is no {kinds} image", path=path, field="format", remedy="convert it, or leave it out"
            ) from error
        except Image.DecompressionBombError as error:
            raise _too_large(path, "pixels", str(error)) from error
    if image.width * image.height > _most_pixels():
        raise _too_large(path, "pixels", (image.width, image.height))
    if image.format in _ANIMATED and (frames := getattr(image, "n_frames", 1)) > 1:
        remedy = "export the frame that is meant, or read it as a video: medmae prep video"
        raise DataError("this is an animation, and no image", path=path, field="frames", value=frames, remedy=remedy)
    if image.mode not in _MODES:
        raise DataError(
            "pixels of this kind have no one meaning as colours",
            path=path,
            field="mode",
            value=image.mode,
            remedy="convert it to 8-bit RGB",
        )
    with reading(path, what=_DAMAGED):
        return convert(_upright(image))


def _own_channels(image: Image.Image) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:
        return stretched(np.asarray(image))[:, :, None]
    if image.mode in ("1", "L") and not image.has_transparency_data:
        return np.asarray(image.convert("L"))[:, :, None]
    return _converted(image)


def _converted(image: Image.Image) -> np.ndarray:
    if image.mode in _SIXTEEN_BITS:
        values = np.asarray(image)
        grey = (values >> (_depth(values) - 8)).astype(np.uint8)
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


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says, the greatest value the brightest: Pillow turns 8 bits over where white is 0, and not 16."""
    over = image.mode in _SIXTEEN_BITS and getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    image = ImageOps.exif_transpose(image)
    if not over:
        return image
    values = np.asarray(image).astype(np.uint16)
    return Image.fromarray(np.uint16(2 ** _depth(values) - 1) - values)


def _depth(values: np.ndarray) -> int:
    """Bits that 16-bit values use, as far as they tell."""
    return next(depth for depth in _DEPTHS if values.max() < 2**depth)
