"""One line of a table of videos: text to class, number, captions, seconds and split, each checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data_prep.said import cleaned, texts_of
from data_prep.video_questions import chosen_captions, questions_of_line
from medmae.data.table_files import MISSING, check_unspoilt
from medmae.data.video.questions import Question
from medmae.data.video.times import plausible
from medmae.errors import DataError

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


_SAID = ("caption", "question", "answer", "choices", "right", "question_type", "question_id", "questions")


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a table says of one video, or of a part of it.

    Args:
        number: Of the line (of a JSON file, of the entry).
        name: Of the video, as it stands there.
        label: Class, if named.
        value: To be predicted by regression, if named.
        captions: What is said of it.
        missing: Captions that are empty, or say that they are missing.
        questions: What is asked of it.
        start: Seconds from the first frame, of a part.
        end: Likewise.
        split: ``train``, ``val`` or ``test``, if named.
        subject: Patient, or whatever must not be cut in two.
        fps: Frames a second of a video that does not tell them itself.
        classes: Several classes, written with ``;`` or ``|`` between them; None where the table has no such column.
        fold: Official fold.
    """

    number: int
    name: str
    label: str | None = None
    value: float | None = None
    captions: tuple[str, ...] = ()
    missing: int = 0
    questions: tuple[Question, ...] = ()
    start: float | None = None
    end: float | None = None
    split: str | None = None
    subject: str | None = None
    fps: float | None = None
    classes: tuple[str, ...] | None = None
    fold: int | None = None


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
    values = {name: cleaned(value) for name, value in entry.items() if name not in _SAID}
    values |= {name: None for name in ("label", "subject", "split") if values.get(name) in MISSING}
    name = values.get("path")
    if not name:
        raise DataError(f"line {number} names no video", path=path, field="path", remedy=remedy)
    check_unspoilt("subject", values.get("subject"), number, path)
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
    if isinstance(entry.get("caption"), int | float) and entry["caption"] == entry["caption"]:  # NaN is a missing one
        raise DataError(
            f"line {number} has a number where a caption is",
            path=path,
            field="caption",
            value=entry["caption"],
            remedy='write classes and numbers as [{"path": ..., "label": ...}], or the number as a text',
        )
    captions, questions, missing = _said(entry, number, path)
    return Line(
        number=number,
        name=name,
        label=values.get("label"),
        value=_number(values.get("value"), "value", number, path),
        captions=captions,
        missing=missing,
        questions=questions,
        start=start,
        end=end,
        split=None if split is None else SPLIT_WORDS[split.lower()],
        subject=values.get("subject"),
        fps=fps,
        classes=_classes(values["classes"]) if "classes" in values else None,
        fold=_fold(values.get("fold"), number, path),
    )


def _classes(text: str | None) -> tuple[str, ...]:
    """Of an empty field none."""
    parts = re.split(r"[;|]", text or "")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _fold(text: str | None, number: int, path: Path) -> int | None:
    value = _number(text, "fold", number, path)
    if value is None or value.is_integer():
        return None if value is None else int(value)
    raise DataError(f"line {number} names no fold", path=path, field="fold", value=text, remedy="give a whole number")


def _said(entry: Mapping[str, object], number: int, path: Path) -> tuple[tuple[str, ...], tuple[Question, ...], int]:
    """Captions, questions, and how many captions are missing: of a line that asks, an empty field is none."""
    try:
        questions = questions_of_line(entry, number, path)
        captions, missing = ((), 0) if chosen_captions(entry) else texts_of(entry.get("caption"))
    except DataError as error:
        if error.path is not None:
            raise
        raise DataError(
            f"line {number}: {error.reason}", path=path, field="text", value=error.value, remedy=error.remedy
        ) from error
    silent = "caption" not in entry or (questions and not cleaned(entry["caption"]))
    return captions, questions, 0 if silent else missing


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
