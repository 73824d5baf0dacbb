"""Videos that a table names: each name is one file, and what several lines say of it agrees."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from data_prep.said import nfc
from data_prep.video_line import Line
from data_prep.video_source import FoundVideos, Segment, VideoSource, video_at
from data_prep.video_table import read_table
from data_prep.video_walk import videos_below
from medmae.data.left_out import LeftOut
from medmae.data.names import file_name_of
from medmae.errors import DataError

Below = Callable[[Path], tuple[list[Path], list[LeftOut]]]


@dataclass
class _Index:
    """Finds the video of a name in a table: as it stands, or exactly so with a suffix, or by file name alone."""

    root: Path
    below: Below = videos_below
    _by_name: dict[str, list[Path]] | None = field(default=None, repr=False)

    @cached_property
    def walked(self) -> list[Path]:
        """All videos below the root."""
        return self.below(self.root)[0]

    def __call__(self, name: str) -> Path | None:
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[Path]:
        """All videos that could be meant."""
        try:
            if name and (path := self.root / name).exists():
                return [path]
        except OSError:  # a line of text that no file system takes for a name
            return []
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in self.walked:
                below = nfc(path.relative_to(self.root).as_posix())
                stem = below.removesuffix(path.suffix) if path.is_file() else below
                for called in dict.fromkeys((below, stem, nfc(path.name), stem.rpartition("/")[2])):
                    self._by_name[called].append(path)
        return self._by_name.get(nfc(name), [])


def videos_of_table(
    table: Path, root: Path, columns: Mapping[str, str], *, below: Below = videos_below, what: str = "video"
) -> FoundVideos:
    """The videos (or sounds) of a table, see :mod:`data_prep.video_table`; those that are not there carry their fault.

    Args:
        table: The file.
        root: Where its paths start.
        columns: Our name of a column -> the table's.
        below: Gives all that there are below a folder.
        what: One of them is called.

    Raises:
        DataError: If lines disagree, repeat each other, or name one file in several ways.
    """
    index = _Index(root, below)
    read = read_table(table, resolve=index, columns=columns)
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in read.lines:
        lines[line.name].append(line)
    videos = [_of_lines(name, some, index, table, what) for name, some in lines.items()]
    _check_once(videos, table)
    left, notes = _unnamed(videos, index) if any(line.captions or line.questions for line in read.lines) else ([], [])
    return FoundVideos(tuple(videos), tuple(left), notes=(*read.notes, *notes))


def _unnamed(videos: Iterable[VideoSource], index: _Index) -> tuple[list[LeftOut], list[str]]:
    """Videos beside those of a table with captions, of which it says nothing: they are not prepared."""
    named = {video.path.resolve() for video in videos}
    others = [path for path in index.walked if path.resolve() not in named]
    left = [LeftOut(path, "the table says nothing of this video") for path in others]
    return left, [f"the table says nothing of {len(left)} videos beside the others: {left[0].path}"] if left else []


def _of_lines(name: str, lines: list[Line], index: _Index, table: Path, what: str) -> VideoSource:
    one = _agreed(name, lines, table)
    found = index.all(name)
    fault = None
    if len(found) != 1:
        fault = DataError(
            f"there is no such {what}" if not found else f"{len(found)} {what}s are called so: {found[0]}, {found[1]}",
            path=index.root / name,
            field=f"line {lines[0].number} of {table.name}",
            value=name,
            remedy="correct the path, or give --root" if not found else "name it by its path",
        )
    path = found[0] if len(found) == 1 else index.root / name
    parts = [line for line in lines if line.start is not None or line.end is not None]
    if parts and len(parts) < len(lines):
        raise DataError(
            f"{name} is named as a whole and in parts", path=table, field="start, end", remedy="name all parts, or none"
        )
    segments = _parts(name, parts, table) if parts else (_whole(lines),)
    about = {"split": one.split, "subject": one.subject or "", "rate": one.fps, "fault": fault, "segments": segments}
    fold = () if one.fold is None else (("fold", one.fold),)
    return video_at(path, name, known=one.subject is not None, about=fold, what=what, **about)


def _whole(lines: list[Line]) -> Segment:
    captions = tuple(dict.fromkeys(caption for line in lines for caption in line.captions))
    questions = tuple(question for line in lines for question in line.questions)
    first = lines[0]
    return Segment(label=first.label, value=first.value, classes=first.classes, captions=captions, questions=questions)


def _parts(name: str, lines: list[Line], table: Path) -> tuple[Segment, ...]:
    spans: dict[tuple[float | None, float | None], list[Line]] = defaultdict(list)
    for line in lines:
        spans[line.start, line.end].append(line)
    made = []
    for (start, end), some in spans.items():
        _agreed(name, some, table, also=("label", "value", "classes"))
        text = f"{start or 0:g}-{'end' if end is None else f'{end:g}'}"
        made.append(replace(_whole(some), name=file_name_of(text), start=start, end=end))
    return tuple(made)


def _agreed(name: str, lines: list[Line], table: Path, *, also: Sequence[str] = ()) -> Line:
    """What several lines of one video agree on; they may differ in captions, or in the part that they name."""
    whole = all(line.start is None and line.end is None for line in lines)
    fields = ["split", "subject", "fps", "fold", *(also or (("label", "value", "classes") if whole else ()))]
    numbers = ", ".join(str(line.number) for line in lines[:10])
    for column in fields:
        values = {getattr(line, column) for line in lines}
        if len(values) > 1:
            raise DataError(
                f"lines {numbers} disagree about {name}",
                path=table,
                field=column,
                value=sorted(map(str, values)),
                remedy="correct them",
            )
    same = Counter((line.start, line.end, line.captions, line.questions) for line in lines)
    if max(same.values()) > 1:
        raise DataError(
            f"lines {numbers} say the same of {name}", path=table, field="path", value=name, remedy="keep one of them"
        )
    asked = Counter((line.start, line.end, question.asked) for line in lines for question in line.questions)
    if twice := [question[0] for (_, _, question), times in asked.items() if times > 1]:
        raise DataError(
            f"lines {numbers} ask the same of {name} twice",
            path=table,
            field="question",
            value=twice[0],
            remedy="ask it once, and give all answers that count as a list",
        )
    return lines[0]


def _check_once(videos: Iterable[VideoSource], table: Path) -> None:
    names: dict[Path, list[str]] = defaultdict(list)
    for video in videos:
        if video.fault is None:
            names[video.path.resolve()].append(video.name)
    twice = [" = ".join(some) for some in names.values() if len(some) > 1]
    if twice:
        raise DataError(
            f"the table names one video in several ways: {'; '.join(twice[:10])}",
            path=table,
            field="path",
            remedy="keep one",
        )
