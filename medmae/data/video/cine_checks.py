"""Multi-frame DICOM that is no video: volumes, segmentations, and colours that nobody defines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medmae.errors import DataError

# DICOM PS3.3 C.7.6.3.1.2; YBR_PARTIAL_420 only exists within streams of MPEG, which FFmpeg decodes.
_COLOURS = frozenset(
    {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}
)
_SEGMENTS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # Segmentation, Label Map Segmentation
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"  # Secondary Capture, of one frame and of several
_BY_PLACE = {  # elements that a FrameIncrementPointer names where frames lie side by side
    0x00182005: "SliceLocationVector",
    0x00540080: "SliceVector",
    0x3004000C: "GridFrameOffsetVector",
}
_PLACES = (  # sequences of a frame, and the element in them that says where it lies
    ("PlanePositionSequence", "ImagePositionPatient"),
    ("PlanePositionVolumeSequence", "ImagePositionVolume"),
)
_VOLUME = "leave it out; volumes are prepared by: medmae prep mr"


def check_is_video(
    data: Any,  # noqa: ANN401 - pydicom is untyped
    path: Path,
    flag: Callable[[str], None],
    *,
    is_stream: bool,
) -> None:
    """Refuses what has frames and is no video.

    Args:
        data: The dataset.
        path: Of the file.
        flag: Is told ``frames_at_places`` of a secondary capture, to which tools give positions that nobody measured.
        is_stream: Whether its pixels are a video stream, whose colours are the stream's own.

    Raises:
        DataError: For a segmentation, frames that lie at different places, and colours of no known interpretation.
    """
    if str(data.get("SOPClassUID", "")) in _SEGMENTS or "SegmentSequence" in data:
        raise DataError(
            "it is a segmentation, not a video",
            path=path,
            field="SOPClassUID",
            value=str(data.get("SOPClassUID", "")),
            remedy="leave it out",
        )
    by = _ordered_by(data)
    if by is not None and str(data.get("SOPClassUID", "")).startswith(_SECONDARY):
        flag("frames_at_places")
    elif by is not None:
        raise DataError(
            "its frames lie at different places: it is a volume, not a video",
            path=path,
            field=by,
            value=str(data.get("Modality", "")),
            remedy=_VOLUME,
        )
    if not is_stream and data.PhotometricInterpretation not in _COLOURS:
        raise DataError(
            "pixels of this kind have no one meaning as colours",
            path=path,
            field="PhotometricInterpretation",
            value=str(data.PhotometricInterpretation),
            remedy="export it again as RGB",
        )


def _ordered_by(data: Any) -> str | None:  # noqa: ANN401
    """The element by which frames lie at several places; None where they do not."""
    pointer = data.get("FrameIncrementPointer")
    tags = pointer if isinstance(pointer, list) or hasattr(pointer, "append") else [pointer]
    named = [_BY_PLACE[int(tag)] for tag in tags if tag is not None and int(tag) in _BY_PLACE]
    if named:
        return named[0]
    for sequence, element in _PLACES:
        places = {
            tuple(map(float, inner[0].get(element) or ()))
            for frame in data.get("PerFrameFunctionalGroupsSequence") or ()
            if (inner := frame.get(sequence))
        }
        if len(places) > 1:
            return element
    return None
