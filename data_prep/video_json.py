"""JSON that people write about videos: ``{path: caption or captions}``, a list of objects, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.said import nfc
from data_prep.video_columns import REMEDY, Columns
from data_prep.video_questions import nested_names
from medmae.errors import DataError

LINES = (".jsonl", ".ndjson")
Entries = list[tuple[int, dict[str, Any]]]  # number of the line, our names of columns -> what stands there
Ignored = dict[str, list[str]]  # name of a column -> what it holds


def entries_of_json(text: str, path: Path, columns: Mapping[str, str]) -> tuple[Entries, Ignored]:
    """Entries of a JSON file, or of one with an object a line, and what of them nobody reads.

    Args:
        text: Of the file.
        path: Its suffix tells whether each line is an object.
        columns: Our name of a key -> the file's, where that is another.

    Raises:
        DataError: If it is no JSON, or of another form, or a key stands twice.
    """
    if path.suffix.lower() in LINES:
        some = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        content = [(number, _parsed(line, path, f"line {number}")) for number, line in some]
    else:
        whole = _parsed(text, path, "the table")
        if isinstance(whole, dict):
            whole = [{"path": name, "caption": caption} for name, caption in whole.items()]
        content = list(enumerate(whole, 1)) if isinstance(whole, list) else [(1, None)]
    entries = [(number, entry) for number, entry in content if isinstance(entry, dict)]
    if len(entries) < len(content):
        what = "an object a line" if path.suffix.lower() in LINES else "a list of objects, or {path: caption},"
        raise DataError(f"{what} is expected", path=path, remedy=REMEDY)
    found = Columns.of(list(dict.fromkeys(name for _, entry in entries for name in entry)), path, columns)
    ignored = {name: [str(entry.get(name) or "") for _, entry in entries] for name in found.ignored}
    ours = [(number, _checked(found.entry(entry), number, path)) for number, entry in entries]
    return ours, ignored | _ignored_within(ours)


def _parsed(text: str, path: Path, what: str) -> Any:  # noqa: ANN401 - of whatever form
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{what} is not JSON ({error})", path=path, remedy="correct it") from error
    except RecursionError as error:
        raise DataError(f"{what} is nested too deep", path=path, remedy="give a list of objects") from error


def _unique(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    names = [nfc(name) for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"keys stand twice: {', '.join(twice[:10])}", path=path, field="key", remedy="keep one of each")
    return dict(pairs)


def _checked(entry: dict[str, Any], number: int, path: Path) -> dict[str, Any]:
    """Refuses what JSON nests, which is no text: of captions, answers and choices a list, of questions objects."""
    for name, value in entry.items():
        listed = isinstance(value, list) and name in ("caption", "answer", "choices", "questions")
        items = value if listed else [value]
        if name == "questions":
            plain = value is None or (listed and all(isinstance(item, dict) and _plain(item) for item in items))
        else:
            plain = not any(isinstance(item, list | dict) for item in items)
        if not plain:
            raise DataError(
                f"entry {number} holds more than a text",
                path=path,
                field=name,
                value=str(value)[:100],
                remedy="write {path: caption or list of captions}, or a list of objects with plain values",
            )
    return entry


def _plain(question: Mapping[str, Any]) -> bool:
    """Whether a nested question has texts, and lists of texts."""
    values: Sequence[Any] = [item for v in question.values() for item in (v if isinstance(v, list) else [v])]
    return not any(isinstance(value, list | dict) for value in values)


def _ignored_within(entries: Entries) -> Ignored:
    """Keys of nested questions that nobody reads."""
    found: Ignored = {}
    for _, entry in entries:
        for nested in entry.get("questions") or ():
            for name in set(nested) - set(nested_names(nested).values()):
                found.setdefault(f"questions.{name}", []).append(str(nested[name]))
    return found
