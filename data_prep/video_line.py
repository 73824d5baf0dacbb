"""One line of a table of videos: text to class, number, captions, seconds and split, each checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medmae.data.table_files import MISSING
from medmae.data.video.times import plausible
from medmae.errors import DataError

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a table says of one video, or of a part of it.

    Args:
        number: Of the line (of a JSON file, of the entry).
        name: Of the video, as it stands there.
        label: Class, if named.
        value: To be predicted by regression, if named.
        captions: What is said of it.
        start: Seconds from the first frame, of a part.
        end: Likewise.
        split: ``train``, ``val`` or ``test``, if named.
        subject: Patient, or whatever must not be cut in two.
        fps: Frames a second of a video that does not tell them itself.
    """

    number: int
    name: str
    label: str | None = None
    value: float | None = None
    captions: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    split: str | None = None
    subject: str | None = None
    fps: float | None = None


def nfc(text: str) -> str:
    """Letters in their composed form, so that a name is the same on every system."""
    return unicodedata.normalize("NFC", text)


def line_of(number: int, entry: Mapping[str, object], path: Path, *, remedy: str) -> Line:
    """Checks what a line says.

    Args:
        number: Of the line.
        entry: Our names of columns -> what stands there.
        path: Of the table.
        remedy: What to do if it names no video.

    Raises:
        DataError: With the number of the line.
    """
    _check_plain(entry, number, path)
    values = {name: _cleaned(value) for name, value in entry.items() if name not in ("caption",)}
    values |= {name: None for name in ("label", "subject", "split") if values.get(name) in MISSING}
    name = values.get("path")
    if not name:
        raise DataError(f"line {number} names no video", path=path, field="path", remedy=remedy)
    split = values.get("split")
    if split is not None and split.lower() not in SPLIT_WORDS:
        raise DataError(
            f"line {number} names no split", path=path, field="split", value=split, remedy="train, val or test"
        )
    start, end = (_number(values.get(field), field, number, path) for field in ("start", "end"))
    if (start is not None and start < 0) or (end is not None and end <= (start or 0)):
        raise DataError(
            f"line {number} names no part of a video",
            path=path,
            field="start, end",
            value=(start, end),
            remedy="give seconds from the first frame, the start before the end",
        )
    fps = _number(values.get("fps"), "fps", number, path)
    if fps is not None and plausible(fps) is None:
        raise DataError(
            f"line {number} names a rate that no camera has",
            path=path,
            field="fps",
            value=fps,
            remedy="give frames a second, or leave it empty",
        )
    return Line(
        number=number,
        name=name,
        label=values.get("label"),
        value=_number(values.get("value"), "value", number, path),
        captions=tuple(_captions(entry.get("caption"))),
        start=start,
        end=end,
        split=None if split is None else SPLIT_WORDS[split.lower()],
        subject=values.get("subject"),
        fps=fps,
    )


def _check_plain(entry: Mapping[str, object], number: int, path: Path) -> None:
    """Refuses what JSON nests, which is no text: of captions a list, of all else nothing."""
    for name, value in entry.items():
        items = value if name == "caption" and isinstance(value, list) else [value]
        if any(isinstance(item, list | dict) for item in items):
            raise DataError(
                f"entry {number} holds more than a text",
                path=path,
                field=name,
                value=str(value)[:100],
                remedy="write {path: caption or list of captions}, or a list of objects with plain values",
            )


def _cleaned(value: object) -> str | None:
    return nfc(str(value)).strip() or None if value is not None else None


def _captions(value: object) -> Iterable[str]:
    some = value if isinstance(value, list) else [value]
    return (text for text in map(_cleaned, some) if text)


def _number(text: str | None, field: str, number: int, path: Path) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise DataError(
            f"line {number} has no number",
            path=path,
            field=field,
            value=text,
            remedy="give a number, or leave it empty",
        )
    return value
