"""Whose a video is: what a table says, a pattern on its name, or a hash of DICOM's PatientID."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.patients import compiled, require_match
from data_prep.resume import key_of
from data_prep.video_source import VideoSource, stem_of
from medmae.data.video.cine_dicom import load_pydicom
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError


def with_patients(
    videos: Sequence[VideoSource], pattern: str | None, source: Path, *, dicom: bool
) -> list[VideoSource]:
    """The videos with their subjects, as far as they are known.

    Args:
        videos: As they were found.
        pattern: Regular expression, see :func:`data_prep.video_files.find_videos`.
        source: Of the videos, for messages.
        dicom: Whether PatientID is read where nothing else tells.

    Raises:
        DataError: If the pattern misses some, or only some have a subject.
    """
    if dicom:
        videos = [video if video.known else _with_dicom_patient(video) for video in videos]
    regex = compiled(pattern, option="--patient-from")
    if regex is not None:
        whole = "/" in regex.pattern
        names = {video.name: stem_of(video) if whole else stem_of(video).rpartition("/")[2] for video in videos}
        found = require_match(names.values(), regex, option="--patient-from")
        videos = [replace(video, subject=found[names[video.name]], known=True) for video in videos]
    all_or_none("subject", [video.subject or None for video in videos], source)
    return list(videos)


def _with_dicom_patient(video: VideoSource) -> VideoSource:
    """Whose a DICOM file is, as a hash: blanks around a PatientID do not count, and the identifier goes nowhere."""
    if video.path.is_dir() or not is_dicom(video.path):
        return video
    pydicom = load_pydicom()
    try:
        data = pydicom.dcmread(video.path, stop_before_pixels=True, specific_tags=["PatientID"])
    except (ValueError, OSError, EOFError, pydicom.errors.InvalidDicomError):
        return video  # it will be quarantined when it is read
    found = str(data.get("PatientID") or "").strip()
    return replace(video, subject=f"id-{key_of(found)}", known=True) if found else video


def all_or_none(what: str, values: Sequence[str | None], source: Path) -> None:
    """Refuses what some videos have and others lack.

    Raises:
        DataError: With how many lack it.
    """
    bare = sum(value is None for value in values)
    if 0 < bare < len(values):
        raise DataError(
            f"{bare} of {len(values)} videos have no {what}, the others have one",
            path=source,
            field=what,
            value=bare,
            remedy=f"name the {what} of each video, or of none",
        )
