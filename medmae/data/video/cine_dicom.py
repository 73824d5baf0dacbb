"""Multi-frame DICOM (ultrasound, endoscopy, angiography): pixels by the file's own photometric interpretation.

Never a patient's name or identifier is read here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from medmae.data.video.cine_checks import check_is_video
from medmae.data.video.cine_frames import count_frames, needs_gdcm, stored_frames
from medmae.data.video.cine_grey import Grey
from medmae.data.video.cine_times import frame_times
from medmae.data.video.container import ContainerVideo
from medmae.data.video.video import Video
from medmae.errors import DataError

_VIDEO = "1.2.840.10008.1.2.4.10"  # transfer syntaxes of MPEG-2, H.264 and HEVC begin so
_BROKEN = (
    AttributeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
)


class DicomVideo(Video):
    """Frames of one DICOM file.

    Grey of more than 8 bits is cut to the file's first window, or, without one, to the span of the clip; MONOCHROME1 is
    turned over. Times are those of FrameTimeVector, FrameTime or CineRate; a rate that only a display recommends is not
    taken.
    """

    def _decoded(self) -> Iterator[tuple[np.ndarray, float | None]]:
        data = self._read()
        syntax = str(data.file_meta.get("TransferSyntaxUID", "")) if hasattr(data, "file_meta") else ""
        self.container, self.codec = "DICOM", _name(syntax)
        check_is_video(data, self.path, self.flag, is_stream=syntax.startswith(_VIDEO))
        self.check_pixels(int(data.Columns), int(data.Rows))
        self._tell(data)
        if syntax.startswith(_VIDEO):
            yield from self._stream(data)
            return
        stated = int(data.get("NumberOfFrames") or 1)
        count = count_frames(data, self.path)
        self.declared = stated
        if stated != count:
            self.flag(f"header_frames:{stated}")
        times = frame_times(data, count, self.flag)
        for number, pixels in enumerate(self._pixels(data, count)):
            yield pixels, times[number]

    def _read(self) -> Any:  # noqa: ANN401 - pydicom is untyped
        pydicom = load_pydicom()
        try:
            data = pydicom.dcmread(self.path, force=True)
        except (*_BROKEN, pydicom.errors.InvalidDicomError) as error:
            raise DataError(
                f"it cannot be read as DICOM ({error})", path=self.path, remedy="export it again"
            ) from error
        missing = [name for name in ("Rows", "Columns", "PixelData", "PhotometricInterpretation") if name not in data]
        if missing:
            raise DataError(
                f"it is no DICOM image: it lacks {', '.join(missing)}",
                path=self.path,
                field="elements",
                value=missing,
                remedy="leave it out, or export it again",
            )
        return data

    def _tell(self, data: Any) -> None:  # noqa: ANN401
        regions = [_box(region) for region in data.get("SequenceOfUltrasoundRegions") or ()]
        self.regions = [box for box in regions if box is not None]
        if len(self.regions) > 1:
            self.flag(f"regions:{len(self.regions)}")
        if str(data.get("BurnedInAnnotation", "")).strip().upper() == "YES":
            self.flag("burned_in_annotation")
        if any((0x6000 + 2 * number, 0x3000) in data for number in range(16)):
            self.flag("overlay_planes")
        if "ModalityLUTSequence" in data or "VOILUTSequence" in data:
            self.flag("lookup_table_not_applied")
        try:
            vertical, horizontal = (float(value) for value in data.get("PixelAspectRatio") or (1, 1))
        except (TypeError, ValueError):
            vertical = horizontal = 0.0
        if vertical > 0 and horizontal > 0 and vertical != horizontal:
            self.aspect = horizontal / vertical
            self.flag(f"pixel_aspect:{horizontal:g}/{vertical:g}")

    def _stream(self, data: Any) -> Iterator[tuple[np.ndarray, float | None]]:  # noqa: ANN401
        """Frames of a video stream in the file; where DICOM tells no times, those of the stream count."""
        from pydicom.encaps import generate_frames

        handle = io.BytesIO(next(generate_frames(data.PixelData, number_of_frames=1)))
        inner = ContainerVideo(self.path, handle=handle)
        count = int(data.get("NumberOfFrames") or 1)
        self.declared = count
        step = frame_times(data, 2, self.flag)[1]
        number = 0
        for pixels, time in inner.stored():
            self.codec, self.aspect = inner.codec, self.aspect if self.aspect != 1 else inner.aspect
            yield pixels, time if step is None else number * step
            number += 1
        self.stated_rate = inner.stated_rate if step is None else None
        self.damage = inner.damage
        for flag in inner.flags:
            self.flag(flag)
        if number != count:
            self.flag(f"header_frames:{count}")

    def _pixels(self, data: Any, count: int) -> Iterator[np.ndarray]:  # noqa: ANN401
        grey = Grey.of(data, self.flag)
        if needs_gdcm(data):
            grey = grey.of_gdcm()
        if grey.needs_span:
            grey = grey.spanning(self._stored(data, count), self.flag)
        for pixels in self._stored(data, count):
            yield pixels if pixels.shape[-1] == 3 else grey.apply(pixels)

    def _stored(self, data: Any, count: int) -> Iterator[np.ndarray]:  # noqa: ANN401
        number = 0
        try:
            for pixels in stored_frames(data, count, self.path):
                yield pixels
                number += 1
        except _BROKEN as error:
            if isinstance(error, DataError):
                raise
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if not number:
                raise DataError(
                    f"its pixels cannot be decoded ({reason})",
                    path=self.path,
                    field="transfer syntax",
                    value=self.codec,
                    remedy="export it again, or uncompressed",
                ) from error
            self.damage = f"damaged after {number} frames: {reason}"


def _box(region: Any) -> tuple[int, int, int, int] | None:  # noqa: ANN401
    names = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    try:
        left, top, right, bottom = (int(region[name].value) for name in names)
    except (KeyError, TypeError, ValueError):
        return None
    return left, top, right, bottom


def _name(syntax: str) -> str:
    uid = load_pydicom().uid
    return uid.UID(syntax).name if syntax else "without a transfer syntax"


def load_pydicom() -> Any:  # noqa: ANN401
    """pydicom, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "DICOM videos need the package pydicom: pip install pydicom", name="pydicom"
        ) from error
    return pydicom
