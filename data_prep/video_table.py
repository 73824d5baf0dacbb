"""Tables and lists that people write about videos: with a header, as VideoMAE has them, or JSON; never guessed at.

With a header (comma, semicolon or tab): ``path`` and some of ``label, value, caption, start, end, split, subject,
fps``, under the names below. Without: ``path label`` (VideoMAE, UCF101), ``path start count [label]`` (VideoMAE v2), or
paths alone; a path may have blanks. JSON: ``{path: caption or captions}``, or a list of objects with such names.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.video_line import Line, line_of, nfc
from medmae.data.identity.columns import looks_like_identity
from medmae.data.table_files import check_unused
from medmae.errors import DataError

_NAMES = {  # what is called so in the tables of data sets
    "path": ("path", "file", "filename", "file_name", "video", "video_path", "videoid", "video_id", "youtube_id", "id"),
    "label": ("label", "class", "template"),
    "value": ("value", "ef"),
    "caption": ("caption", "captions", "sentence", "text"),
    "start": ("start", "start_s"),
    "end": ("end", "end_s"),
    "split": ("split",),
    "subject": ("subject", "patient", "patient_id", "group"),
    "fps": ("fps",),
}
_REMEDY = "the first line must be: path, and some of label,value,caption,start,end,split,subject,fps"
_Entries = list[tuple[int, dict[str, Any]]]  # number of the line, our names of columns -> what stands there
_Ignored = dict[str, list[str]]  # name of a column -> what it holds
Resolve = Callable[[str], Path | None]  # a name in a table -> the video


@dataclass(frozen=True)
class VideoTable:
    """A table that was read.

    Args:
        lines: In order.
        notes: What a user should be told: columns that are ignored, the encoding if it is not UTF-8.
    """

    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def read_table(path: Path, *, resolve: Resolve, columns: Mapping[str, str] | None = None) -> VideoTable:
    """Reads a table of any of these forms.

    Args:
        path: The file.
        resolve: Finds the video of a name; tells where a path with blanks ends.
        columns: Our name of a column -> the table's, where that is another.

    Raises:
        DataError: With the number of the line, whatever is wrong.
    """
    text, notes = _text(path)
    if path.suffix.lower() == ".json":
        entries, ignored = _from_json(text, path, columns or {})
    else:
        found = _with_header(text, path, columns or {})
        entries, ignored = found if found is not None else (_without_header(text, path, resolve), {})
    if "subject" in (columns or {}):  # the user has chosen among those that tell groups
        ignored = {name: values for name, values in ignored.items() if not looks_like_identity(name)}
    check_unused(ignored, _NAMES, path)
    return VideoTable(tuple(line_of(number, entry, path, remedy=_REMEDY) for number, entry in entries), tuple(notes))


def _text(path: Path) -> tuple[str, list[str]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the table cannot be read ({error.strerror})", path=path, remedy="check the path") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace"), ["the table was read as UTF-16"]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), ["the table is not UTF-8 and was read as Windows-1252: look at its letters"]
    except UnicodeDecodeError as error:
        raise DataError(f"the table is not text ({error})", path=path, remedy="save it as CSV, UTF-8") from error


def _from_json(text: str, path: Path, columns: Mapping[str, str]) -> tuple[_Entries, _Ignored]:
    try:
        content = json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, path))
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"the table is not JSON ({error})", path=path, remedy="correct it") from error
    except RecursionError as error:
        raise DataError("the table is nested too deep", path=path, remedy="give a list of objects") from error
    if isinstance(content, dict):
        content = [{"path": name, "caption": caption} for name, caption in content.items()]
    if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
        raise DataError("a list of objects, or {path: caption}, is expected", path=path, remedy=_REMEDY)
    names = list(dict.fromkeys(name for entry in content for name in entry))
    used, ignored = _used(names, path, columns)
    entries = [(n, {ours: entry.get(theirs) for ours, theirs in used.items()}) for n, entry in enumerate(content, 1)]
    return entries, {name: [str(entry.get(name) or "") for entry in content] for name in ignored}


def _unique(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    names = [nfc(name) for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"keys stand twice: {', '.join(twice[:10])}", path=path, field="key", remedy="keep one of each")
    return dict(pairs)


def _with_header(text: str, path: Path, columns: Mapping[str, str]) -> tuple[_Entries, _Ignored] | None:
    first = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = _names(first, delimiter)
        lower = {name.lower() for name in names}
        if columns.get("path", "").lower() in lower or lower & set(_NAMES["path"]):
            break
    else:
        return None
    used, ignored = _used(names, path, columns)
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    entries: _Entries = []
    unused: _Ignored = {name: [] for name in ignored}
    try:
        next(reader)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise DataError(
                    f"line {reader.line_num} has {len(cells)} fields where {len(names)} are expected",
                    path=path,
                    field="line",
                    value=cells[:4],
                    remedy='put fields with commas or line breaks into quotes: "..."',
                )
            values = dict(zip(names, cells, strict=True))
            entries.append((reader.line_num, {ours: values[theirs] for ours, theirs in used.items()}))
            for name in ignored:
                unused[name].append(values[name])
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} is not CSV ({error})", path=path, remedy="mend its quotes") from error
    return entries, unused


def _names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a field longer than any name
        return []


def _used(names: list[str], path: Path, columns: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Our names of columns -> the table's, and those that nobody reads."""
    of = {name.lower(): name for name in names}
    if len(of) < len(names):
        raise DataError("two columns have the same name", path=path, field="columns", value=names, remedy="rename one")
    used = {}
    for ours, known in _NAMES.items():
        if ours in columns:
            if columns[ours].lower() not in of:
                raise DataError(
                    "the table has no such column", path=path, field=ours, value=columns[ours], remedy=f"it has {names}"
                )
            used[ours] = of[columns[ours].lower()]
        elif found := [of[name] for name in known if name in of]:
            used[ours] = found[0]
    if "path" not in used:
        raise DataError("no column names the videos", path=path, field="columns", value=names, remedy=_REMEDY)
    return used, [name for name in names if name not in used.values()]


def _without_header(text: str, path: Path, resolve: Resolve) -> list[tuple[int, dict[str, Any]]]:
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        entry = next(filter(None, (_split_off(line.strip(), count, resolve) for count in range(4))), None)
        if entry is None:  # of a video that is not there: the last word is a label, as in VideoMAE's lists
            name, _, label = line.strip().rpartition(" ")
            entry = {"path": name or label, "label": label if name else None}
        start, count = entry.pop("start_count", (0, -1))
        if start != 0 or count not in (-1, 0):
            raise DataError(
                f"line {number} takes a part of a video by numbers of frames",
                path=path,
                field="line",
                value=line.strip(),
                remedy="name parts by seconds, in a table with a header: path,start,end",
            )
        entries.append((number, entry))
    return entries


def _split_off(line: str, count: int, resolve: Resolve) -> dict[str, Any] | None:
    """A line without header, its last ``count`` words taken off, if what is left is a video."""
    for separator in (None, ","):
        name, *rest = (part.strip() for part in line.rsplit(separator, count))
        if len(rest) == count and resolve(name) is not None:
            break
    else:
        return None
    if count < 2:
        return {"path": name, "label": rest[0] if rest else None}
    try:
        span = int(rest[0]), int(rest[1])
    except ValueError:
        return None
    return {"path": name, "start_count": span, "label": rest[2] if count == 3 else None}
