"""The stored frames of a DICOM file: how many there are, whatever the header says, and their values."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from medmae.errors import DataError

_STARTS = (
    b"\xff\xd8",
    b"\xff\x4f\xff\x51",
    b"\x00\x00\x00\x0cjP",
)  # JPEG and JPEG-LS, JPEG 2000 as codestream, as file


def count_frames(data: Any, path: Path) -> int:  # noqa: ANN401 - pydicom is untyped
    """Frames that the pixel data holds; ``NumberOfFrames`` is set to it.

    Raises:
        DataError: If there is not a whole one.
    """
    count = _encapsulated(data) if _is_compressed(data) else _native(data)
    if count < 1:
        raise DataError(
            "its pixel data does not hold a whole frame",
            path=path,
            field="PixelData",
            value=len(data.PixelData),
            remedy="export it again",
        )
    data.NumberOfFrames = count
    return count


def stored_frames(data: Any, count: int, path: Path) -> Iterator[np.ndarray]:  # noqa: ANN401
    """Values of each frame: grey ``(H, W, 1)`` as stored, or RGB ``(H, W, 3)`` uint8.

    Args:
        data: The dataset.
        count: See :func:`count_frames`.
        path: Of the file.

    Raises:
        DataError: If nothing here decodes its transfer syntax.
    """
    from pydicom.pixels import apply_color_lut, iter_pixels

    if needs_gdcm(data):
        yield from _by_simpleitk(path, count)
        return
    if data.PhotometricInterpretation == "YBR_FULL_422" and not _is_compressed(data):
        yield from _halved_colours(data, count)
        return
    palette = data.PhotometricInterpretation == "PALETTE COLOR"
    shift = _palette_shift(data) if palette else max(0, int(data.get("BitsStored", 8)) - 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bytes beyond the last frame, which are counted above
        for pixels in iter_pixels(data):
            if palette:
                pixels = apply_color_lut(pixels, data)
            if pixels.ndim == 2:
                yield pixels[..., None]
            else:
                yield (pixels >> shift if pixels.dtype.itemsize > 1 else pixels).astype(np.uint8)[..., :3]


def needs_gdcm(data: Any) -> bool:  # noqa: ANN401
    """Whether GDCM decodes it (JPEG lossless, JPEG-LS), whose grey values come rescaled and MONOCHROME1 turned over."""
    from pydicom.pixels import get_decoder

    return _is_compressed(data) and not get_decoder(data.file_meta.TransferSyntaxUID).is_available


def _is_compressed(data: Any) -> bool:  # noqa: ANN401
    return bool(data.file_meta.TransferSyntaxUID.is_compressed and data["PixelData"].value[:4] == b"\xfe\xff\x00\xe0")


def _native(data: Any) -> int:  # noqa: ANN401
    bits = int(data.Rows) * int(data.Columns) * int(data.get("SamplesPerPixel", 1)) * int(data.BitsAllocated)
    if data.PhotometricInterpretation == "YBR_FULL_422":
        bits = bits // 3 * 2
    return len(data.PixelData) * 8 // bits if bits else 0


def _encapsulated(data: Any) -> int:  # noqa: ANN401
    from pydicom.encaps import generate_fragments, parse_basic_offsets

    fragments = []
    with suppress(ValueError):  # what precedes a broken fragment is still there
        for fragment in generate_fragments(data.PixelData):
            fragments.append(fragment[:8])
    fragments = fragments[1:]  # the first is the offset table
    offsets = parse_basic_offsets(data.PixelData)
    started = sum(fragment.startswith(_STARTS) for fragment in fragments)
    return len(offsets) or started or len(fragments)


def _halved_colours(data: Any, count: int) -> Iterator[np.ndarray]:  # noqa: ANN401
    """Uncompressed YBR_FULL_422, whose frames pydicom 3.0 cuts at the wrong places: two pixels share their colour."""
    from pydicom.pixels import convert_color_space

    H, W = int(data.Rows), int(data.Columns)
    pairs = np.frombuffer(data.PixelData, np.uint8, count * H * W * 2).reshape(count, H, W // 2, 4)  # Y, Y, Cb, Cr
    for pair in pairs:
        ybr = np.empty((H, W, 3), np.uint8)
        ybr[:, 0::2, 0], ybr[:, 1::2, 0] = pair[..., 0], pair[..., 1]
        ybr[..., 1:] = np.repeat(pair[..., 2:], 2, axis=1)
        yield convert_color_space(ybr, "YBR_FULL", "RGB")


def _palette_shift(data: Any) -> int:  # noqa: ANN401
    """Bits to drop of a palette's colours; entries of 16 bits that all lie below 256 were written as bytes."""
    from pydicom.pixels import apply_color_lut

    indices = np.arange(2 ** min(16, int(data.BitsStored)), dtype=f"u{int(data.BitsAllocated) // 8}")
    return 8 if apply_color_lut(indices, data).max() > 255 else 0


def _by_simpleitk(path: Path, count: int) -> Iterator[np.ndarray]:
    """Through GDCM: JPEG lossless and JPEG-LS, which pydicom cannot decode by itself."""
    try:
        import SimpleITK as sitk  # noqa: N813
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "this DICOM compression needs the package SimpleITK: pip install SimpleITK", name="SimpleITK"
        ) from error
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    image = reader.Execute()
    array = sitk.GetArrayFromImage(image)
    channels = image.GetNumberOfComponentsPerPixel()
    array = array.reshape(-1, *array.shape[-3 if channels > 1 else -2 :])
    for frame in array[:count]:
        yield frame if channels > 1 else frame[..., None]
