"""Sounds of PhysioNet: a wav with a header (``.hea``) beside it, and in CirCor a text a patient (heart sounds)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.video_source import FoundVideos, Segment, VideoSource, video_at
from medmae.data.left_out import SIDECAR, LeftOut
from medmae.errors import DataError
from medmae.reading import read_text

_SITE = re.compile(r"(?P<patient>\d+)_(?P<site>AV|PV|TV|MV|Phc)(?:_\d+)?")
_ABOUT = re.compile(r"#\s*(?P<name>[^:]+):\s*(?P<value>.*)")
_UNKNOWN = {"nan", "", "unknown"}
_KEPT = ("Age", "Sex", "Outcome", "Campaign")


@dataclass(frozen=True, kw_only=True)
class Header:
    """Of a record.

    Attributes:
        rate: Samples a second of its signals.
        files: That hold them.
        notes: Comment lines, without ``#``.
    """

    rate: float
    files: tuple[str, ...]
    notes: tuple[str, ...]


def read_header(path: Path) -> Header:
    """A header of WFDB: ``record signals rate samples``, a line a signal, comments.

    Raises:
        DataError: If it is none.
    """
    lines = [line.strip() for line in read_text(path, what="the header").splitlines() if line.strip()]
    signals = [line.split() for line in lines if not line.startswith("#")]
    notes = tuple(line.lstrip("# ").strip() for line in lines if line.startswith("#"))
    try:
        first = signals[0]
        rate = float(first[2].partition("/")[0]) if len(first) > 2 else 250.0  # the format's own default
        count = int(first[1])
        files = tuple(dict.fromkeys(fields[0] for fields in signals[1 : 1 + count]))
    except (IndexError, ValueError) as error:
        raise DataError(
            "it is no header of PhysioNet: record, signals, rate, samples are expected in its first line",
            path=path,
            field="line 1",
            value=" ".join(signals[0])[:100] if signals else "",
            remedy="copy it again",
        ) from error
    if not 0 < rate < 1e6 or not files:
        raise DataError("its header tells no rate or no file", path=path, field="rate", value=rate, remedy="mend it")
    return Header(rate=rate, files=files, notes=notes)


def physionet(paths: Sequence[Path], source: Path, left: Sequence[LeftOut]) -> FoundVideos:
    """Sounds with their headers; patients and sites where names tell them (CirCor), else none is known.

    The class is what the header says (``Normal``, ``Abnormal``), or in CirCor whether there is a murmur.
    """
    sounds: list[VideoSource] = []
    used: set[Path] = set()
    for path in paths:
        found = _SITE.fullmatch(path.stem)
        patient = path.with_name(f"{found['patient']}.txt") if found else None
        about = _of_patient(patient) if patient is not None and patient.is_file() else {}
        used |= {file for file in (path.with_suffix(".hea"), patient) if file is not None}
        header, fault = _header_of(path)
        label = about.pop("Murmur", None) or _class_of(header)
        site = {"site": found["site"]} if found else {}
        own = video_at(
            path,
            path.relative_to(source).as_posix(),
            subject=found["patient"] if found else "",
            known=found is not None,
            segments=(Segment(label=label),),
            rate=None if header is None else header.rate,
            fault=fault,
            about=(("recorded", {"database": path.parent.name, **site, **about}),),
            what="sound",
        )
        sounds.append(own)
    return FoundVideos(tuple(sounds), tuple(_others(left, used)), notes=_told(sounds))


def _header_of(path: Path) -> tuple[Header | None, DataError | None]:
    """The header beside a sound, if there is one; or what is wrong with it."""
    beside = path.with_suffix(".hea")
    try:
        return (read_header(beside) if beside.is_file() else None), None
    except DataError as error:
        return None, error


def _class_of(header: Header | None) -> str | None:
    """What a header of the challenge of 2016 says."""
    notes = () if header is None else header.notes
    return next((note for note in notes if note.lower() in ("normal", "abnormal")), None)


def _of_patient(path: Path) -> dict[str, str]:
    """What the text of a patient of CirCor says of murmur and outcome, age group and sex."""
    found: dict[str, str] = {}
    for line in read_text(path, what="the text of a patient").splitlines():
        if (match := _ABOUT.fullmatch(line.strip())) and match["name"].strip() in ("Murmur", *_KEPT):
            value = match["value"].strip()
            found |= {} if value.lower() in _UNKNOWN - {"unknown"} else {match["name"].strip(): value}
    return found


def _others(left: Sequence[LeftOut], used: set[Path]) -> list[LeftOut]:
    return [
        LeftOut(one.path, "signals that are no sound file: convert them with wfdb")
        if one.path.suffix == ".dat"
        else LeftOut(one.path, SIDECAR)
        if one.path.suffix in (".hea", ".tsv", ".txt")
        else one
        for one in left
        if one.path not in used
    ]


def _told(sounds: Sequence[VideoSource]) -> tuple[str, ...]:
    bare = sum(sound.rate is None and sound.fault is None for sound in sounds)
    return (f"{bare} sounds have no header beside them",) if bare else ()
