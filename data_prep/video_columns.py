"""Columns of tables of videos, and keys of JSON, by the names under which data sets have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.video_questions import CHOICE, FIRST, NAMES, NESTED
from medmae.errors import DataError

KNOWN = {
    "path": (
        *("path", "file", "filename", "file_name", "video", "video_path", "videoid", "video_id", "youtube_id", "id"),
        *("sound", "audio", "audio_path"),
    ),
    "label": ("label", "class", "template"),
    "value": ("value", "ef"),
    "caption": ("caption", "captions", "sentence", "text"),
    "start": ("start", "start_s"),
    "end": ("end", "end_s"),
    "split": ("split",),
    "subject": ("subject", "patient", "patient_id", "group"),
    "fps": ("fps",),
    "classes": ("classes", "labels", "tags"),
    "fold": ("fold",),
}
ALL = {**KNOWN, **NAMES, "questions": NESTED}
REMEDY = "the first line must be: path, and some of label,value,caption,question,answer,start,end,split,subject,fps"


@dataclass(frozen=True)
class Columns:
    """What is read of a table.

    Attributes:
        used: Our names of columns -> the table's.
        choices: Columns of one choice each, in the order of their numbers.
        ignored: Columns that nobody reads.
    """

    used: Mapping[str, str]
    choices: tuple[str, ...]
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], path: Path, columns: Mapping[str, str]) -> Columns:
        """Those of a table.

        Args:
            names: Of its columns.
            path: Of the table.
            columns: Our name of a column -> the table's, where that is another.

        Raises:
            DataError: Two columns of one name, one that is not there, or none that names videos.
        """
        of = {name.lower(): name for name in names}
        if len(of) < len(names):
            raise DataError(
                "two columns have the same name", path=path, field="columns", value=names, remedy="rename one"
            )
        used: dict[str, str] = {}
        for ours, known in _known(of).items():
            if ours in columns:
                used[ours] = _chosen(columns[ours], of, ours, path)
            elif found := [of[name] for name in known if name in of and of[name] not in used.values()]:
                used[ours] = found[0]
        if "path" not in used:
            raise DataError("no column names the videos", path=path, field="columns", value=names, remedy=REMEDY)
        numbered = [name for name in names if CHOICE.fullmatch(name)] if "question" in used else []
        choices = () if "choices" in used else tuple(sorted(numbered, key=_number))
        if choices and [_number(name) - _number(choices[0]) for name in choices] != list(range(len(choices))):
            raise DataError(
                "choices are not numbered one by one",
                path=path,
                field="columns",
                value=choices,
                remedy="number them a0, a1, a2, ...",
            )
        return cls(used, choices, tuple(name for name in names if name not in (*used.values(), *choices)))

    def entry(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Our names of columns -> what a line has there."""
        entry = {ours: values.get(theirs) for ours, theirs in self.used.items()}
        if not self.choices:
            return entry
        return {**entry, "choices": [values.get(name) for name in self.choices], FIRST: _number(self.choices[0])}


def _known(of: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Names that count: those of questions only where something is asked, for ``type`` may be of anything else."""
    asked = any(name in of for name in NAMES["question"])
    sentences = any(name in of for name in KNOWN["caption"])  # of which one may be right
    own = NAMES if asked else {"answer": ("answer",), "right": ("answer_index", "answer_idx")} if sentences else {}
    return {**KNOWN, "questions": NESTED, **own}


def _chosen(name: str, of: Mapping[str, str], ours: str, path: Path) -> str:
    if name.lower() not in of:
        raise DataError(
            "the table has no such column", path=path, field=ours, value=name, remedy=f"it has {list(of.values())}"
        )
    return of[name.lower()]


def _number(name: str) -> int:
    match = CHOICE.fullmatch(name)
    assert match is not None, "only such names are sorted"
    return int(match[1])
