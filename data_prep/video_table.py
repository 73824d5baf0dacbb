"""Tables and lists that people write about videos: with a header, as VideoMAE has them, or JSON; never guessed at.

With a header (comma, semicolon or tab): ``path`` and some of ``label, value, caption, question, answer, start, end,
split, subject, fps``, see :mod:`data_prep.video_columns`. Without: ``path label`` (VideoMAE, UCF101), ``path start
count [label]`` (VideoMAE v2), or paths alone; a path may have blanks. JSON: ``{path: caption or captions}``, a list of
objects with such names, or (``.jsonl``) one object a line.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.texts import garbled, read_text
from data_prep.video_columns import ALL, KNOWN, REMEDY, Columns
from data_prep.video_json import LINES, Entries, Ignored, entries_of_json
from data_prep.video_line import Line, line_of
from medmae.data.identity.columns import looks_like_identity
from medmae.data.table_files import check_unused
from medmae.errors import DataError

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
    text, notes = read_text(path)
    if path.suffix.lower() in (".json", *LINES):
        entries, ignored = entries_of_json(text, path, columns or {})
    else:
        found = _with_header(text, path, columns or {})
        entries, ignored = found if found is not None else (_without_header(text, path, resolve), {})
    if "subject" in (columns or {}):  # the user has chosen among those that tell groups
        ignored = {name: values for name, values in ignored.items() if not looks_like_identity(name)}
    check_unused(ignored, ALL, path)
    lines = tuple(line_of(number, entry, path, remedy=REMEDY) for number, entry in entries)
    return VideoTable(lines, (*notes, *_notes(lines)))


def _notes(lines: Sequence[Line]) -> list[str]:
    """What of captions and answers is missing, or has lost letters."""
    notes = []
    if missing := [line for line in lines if line.missing]:
        notes.append(
            f"{sum(line.missing for line in missing)} captions are empty or say that they are missing (NA, nan, n/a, "
            f"None, ...), the first in line {missing[0].number}: they are none; a caption that means these letters "
            "cannot be told from them, and needs another word beside them"
        )
    open_ = [(line, question) for line in lines for question in line.questions if not question.answers]
    if open_:
        notes.append(
            f"{len(open_)} questions have no answer, the first in line {open_[0][0].number}: they can be asked, but "
            "neither learnt from nor scored"
        )
    broken = [line for line in lines if any(map(garbled, line.captions))]
    if broken:
        notes.append(
            f"{len(broken)} lines have captions with lost or wrongly decoded letters, the first is line "
            f"{broken[0].number}: export the table again as UTF-8"
        )
    return notes


def _with_header(text: str, path: Path, columns: Mapping[str, str]) -> tuple[Entries, Ignored] | None:
    first = next((line for line in io.StringIO(text, newline=None) if line.strip()), "")
    for delimiter in (",", ";", "\t"):
        names = _names(first, delimiter)
        lower = {name.lower() for name in names}
        if columns.get("path", "").lower() in lower or lower & set(KNOWN["path"]):
            break
    else:
        return None
    found = Columns.of(names, path, columns)
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    entries: Entries = []
    unused: Ignored = {name: [] for name in found.ignored}
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
            entries.append((reader.line_num, found.entry(values)))
            for name in found.ignored:
                unused[name].append(values[name])
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} is not CSV ({error})", path=path, remedy="mend its quotes") from error
    return entries, unused


def _names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a field longer than any name
        return []


def _without_header(text: str, path: Path, resolve: Resolve) -> list[tuple[int, dict[str, Any]]]:
    entries = []
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
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
