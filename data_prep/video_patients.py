"""Whose a video is: what a table says, what the user says, or what names say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.video_source import VideoSource, is_folder, stem_of
from medmae.data.identity.doubts import refuse
from medmae.data.identity.files import patients_of
from medmae.data.identity.given import HEADERS, Given
from medmae.data.identity.headers import salt_of, salted
from medmae.data.identity.spelling import alike
from medmae.data.identity.tree import Unit
from medmae.data.table_files import all_or_none
from medmae.data.video.cine_dicom import load_pydicom
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError
from medmae.reading import reading


def with_patients(
    videos: Sequence[VideoSource], source: Path, *, given: Given, salt: Path | None = None
) -> list[VideoSource]:
    """The videos with their subjects, as far as they are known.

    Args:
        videos: As they were found.
        source: Of the videos, for messages.
        given: What the user says.
        salt: See :func:`medmae.data.identity.headers.salt_of`.

    Raises:
        DataError: If a pattern misses some, only some have a subject, or several names could be one patient's.
    """
    if given.says or not any(video.known for video in videos):
        by_header = given.subject_from == HEADERS
        units = [
            unit_at(stem_of(video), split=bool(video.split), patient=_dicom_patient(video, salt) if by_header else None)
            for video in videos
        ]
        found = patients_of(units, source=source, given=given)
        if None not in found:
            videos = [replace(video, subject=str(one), known=True) for video, one in zip(videos, found, strict=True)]
    elif all(video.known for video in videos):
        refuse(alike({video.subject for video in videos}), path=source)  # of the table, as of any other
    all_or_none("subject", {video.name: video.subject or None for video in videos}, source)
    return list(videos)


def unit_at(stem: str, *, split: bool, patient: str | None = None) -> Unit:
    """What the path of a file may say of its patient: folders of splits and classes tell none; deeper ones may.

    Args:
        stem: Path below the source, without suffix.
        split: Whether the first folder is that of a split.
        patient: As a header has it.
    """
    parts = stem.split("/")
    inner = parts[split + 1 :] if len(parts) - split > 2 else parts[-1:]
    return Unit(path=stem, names=tuple(inner), patient=patient)


def _dicom_patient(video: VideoSource, salt: Path | None) -> str | None:
    """Whose a DICOM file is, as a salted hash; the identifier goes nowhere."""
    if is_folder(video.path) or not is_dicom(video.path):
        return None
    pydicom = load_pydicom()
    try:
        with reading(video.path):
            data = pydicom.dcmread(video.path, stop_before_pixels=True, specific_tags=["PatientID"])
            patient = str(data.get("PatientID") or "")
    except DataError:
        return None  # it will be quarantined when it is read
    return salted(patient, salt_of(salt))
