"""Finding videos: files and folders of frames below a folder, or those that a table names; whose they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from data_prep.patients import compiled, require_match
from data_prep.video_table import SPLIT_WORDS, Line, nfc, read_table
from medmae.data.names import file_name_of
from medmae.data.video.frame_folder import FRAMES, frames_in, is_mask, natural
from medmae.data.video.opening import ARRAYS, CONTAINERS, DICOM, PICTURES
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError

TABLES = (".csv", ".tsv", ".txt", ".json")
_ALWAYS = (*CONTAINERS, ".gif", ".apng", *DICOM, *ARRAYS)
_JUNK = {"__macosx", "$recycle.bin", "@eadir"}
LAYOUT = "give [train|val|test/]class/video, a flat folder, or a table: path,label,subject,split"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A video, or a part of it, and what is said of it.

    Args:
        name: Ending of its case; None is the whole video.
        label: Class, if known.
        value: Of regression, if known.
        captions: What is said of it.
        start: Seconds from the first frame.
        end: Likewise.
    """

    name: str | None = None
    label: str | None = None
    value: float | None = None
    captions: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """One video on disk.

    Args:
        case: Name of its shard.
        name: Path below the source, as people see it.
        path: File, or folder of frames.
        files: All files that belong to it.
        subject: Patient, or the case where none is known.
        known: Whether the patient is known.
        split: As folders or the table have it.
        segments: At least one.
        rate: Frames a second, as the table has it.
        fault: Why it cannot be used, if that is known before reading.
    """

    case: str
    name: str
    path: Path
    files: tuple[Path, ...]
    subject: str = ""
    known: bool = False
    split: str | None = None
    segments: tuple[Segment, ...] = (Segment(),)
    rate: float | None = None
    fault: DataError | None = None


@dataclass(frozen=True)
class FoundVideos:
    """What was found.

    Args:
        videos: Sorted by case.
        ignored: Files that are no videos.
        notes: What a user should be told.
    """

    videos: tuple[VideoSource, ...]
    ignored: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def find_videos(
    source: Path,
    *,
    root: Path | None = None,
    patient_from: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> FoundVideos:
    """The videos below a folder or in a table, with patients.

    Args:
        source: Folder (``[split/]class/video``), a video, or a table; see :mod:`data_prep.video_table`.
        root: Where the paths of a table start; None takes its folder.
        patient_from: Regular expression whose first group is the patient; on file names without suffix, or, if it
            contains a ``/``, on paths below the source.
        columns: Our name of a column -> the table's.

    Raises:
        DataError: No video; a table that is not one; a pattern that misses some; patients or splits of some only.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    if source.is_dir() or source.suffix.lower() not in TABLES:
        paths, ignored = _below(source)
        videos = [_from_folder(path, source) for path in paths]
        found = FoundVideos(tuple(videos), tuple(ignored), _deep(paths, source))
    else:
        found = _from_table(source, root or source.parent, columns or {})
    if not found.videos:
        raise DataError("no video is here", path=source, field="videos", value=0, remedy=LAYOUT)
    videos = _with_patients(found.videos, patient_from, source)
    _all_or_none("split", [video.split for video in videos], source)
    return replace(found, videos=tuple(sorted(_named(videos), key=lambda video: video.case)))


def _below(source: Path) -> tuple[list[Path], list[Path]]:
    """Videos and folders of frames, and files that are neither."""
    if source.is_file():
        return [source], []
    folders = [source, *(path for path in source.rglob("*") if path.is_dir() and not _hidden(path, source))]
    videos, ignored = [], []
    for folder in natural(folders):
        pictures = frames_in(folder)
        pages = [path for path in pictures if path.suffix.lower() in PICTURES and _several(path)]
        frames = [path for path in pictures if path not in pages and not is_mask(path)]
        is_clip = len(frames) > 1
        videos += pages + ([folder] if is_clip else [])
        for path in sorted(folder.iterdir()):
            if path.name.startswith(".") or not path.is_file() or path in pages:
                continue
            if path.suffix.lower() in _ALWAYS or (path.suffix.lower() not in FRAMES and is_dicom(path)):
                videos.append(path)
            elif not (is_clip and path in pictures):
                ignored.append(path)
    return videos, ignored


def _hidden(path: Path, source: Path) -> bool:
    return any(part.startswith(".") or part.lower() in _JUNK for part in path.relative_to(source).parts)


def _several(path: Path) -> bool:
    """Whether a picture file holds several of them."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) > 1
    except (OSError, ValueError, EOFError, SyntaxError):
        return False


def _from_folder(path: Path, source: Path) -> VideoSource:
    parts = list(path.relative_to(source).parts) if source.is_dir() else [path.name]
    split = SPLIT_WORDS.get(parts[0].lower()) if len(parts) > 1 else None
    shelves = parts[1 if split else 0 : -1]
    label = nfc(shelves[0]) if len(shelves) == 1 else None
    name = "/".join(parts) or path.name
    return _video(path, name, split=split, segments=(Segment(label=label),))


def _video(path: Path, name: str, **about: object) -> VideoSource:
    files = tuple(frames_in(path)) if path.is_dir() else (path,)
    return VideoSource(case="", name=nfc(name), path=path, files=files, **about)  # type: ignore[arg-type]


def _deep(paths: Sequence[Path], source: Path) -> tuple[str, ...]:
    if not source.is_dir():
        return ()
    deep = [path for path in paths if len(path.relative_to(source).parts) > 3]
    return (f"{len(deep)} videos lie deeper than [split/]class/video and get no label",) if deep else ()


# ------------------------------------------------------------------------------------------------------------- tables
@dataclass
class _Index:
    """Finds the video of a name in a table: as it stands, or exactly so with a suffix, or by file name alone."""

    root: Path
    _by_name: dict[str, list[Path]] | None = field(default=None, repr=False)

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
            for path in _below(self.root)[0]:
                below = nfc(path.relative_to(self.root).as_posix())
                stem = below.removesuffix(path.suffix) if path.is_file() else below
                for called in dict.fromkeys((below, stem, nfc(path.name), stem.rpartition("/")[2])):
                    self._by_name[called].append(path)
        return self._by_name.get(nfc(name), [])


def _from_table(table: Path, root: Path, columns: Mapping[str, str]) -> FoundVideos:
    index = _Index(root)
    read = read_table(table, resolve=index, columns=columns)
    lines: dict[str, list[Line]] = defaultdict(list)
    for line in read.lines:
        lines[line.name].append(line)
    videos = [_of_lines(name, some, index, table) for name, some in lines.items()]
    _check_once(videos, table)
    return FoundVideos(tuple(videos), (), read.notes)


def _of_lines(name: str, lines: list[Line], index: _Index, table: Path) -> VideoSource:
    one = _agreed(name, lines, table)
    found = index.all(name)
    fault = None
    if len(found) != 1:
        fault = DataError(
            "there is no such video" if not found else f"{len(found)} videos are called so: {found[0]}, {found[1]}",
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
    return _video(path, name, known=one.subject is not None, **about)


def _whole(lines: list[Line]) -> Segment:
    captions = tuple(caption for line in lines for caption in line.captions)
    return Segment(label=lines[0].label, value=lines[0].value, captions=captions)


def _parts(name: str, lines: list[Line], table: Path) -> tuple[Segment, ...]:
    spans: dict[tuple[float | None, float | None], list[Line]] = defaultdict(list)
    for line in lines:
        spans[line.start, line.end].append(line)
    made = []
    for (start, end), some in spans.items():
        _agreed(name, some, table, also=("label", "value"))
        text = f"{start or 0:g}-{'end' if end is None else f'{end:g}'}"
        made.append(replace(_whole(some), name=file_name_of(text), start=start, end=end))
    return tuple(made)


def _agreed(name: str, lines: list[Line], table: Path, *, also: Sequence[str] = ()) -> Line:
    """What several lines of one video agree on; they may differ in captions, or in the part that they name."""
    whole = all(line.start is None and line.end is None for line in lines)
    fields = ["split", "subject", "fps", *(also or (("label", "value") if whole else ()))]
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
    same = Counter((line.start, line.end, line.captions) for line in lines)
    if max(same.values()) > 1:
        raise DataError(
            f"lines {numbers} say the same of {name}", path=table, field="path", value=name, remedy="keep one of them"
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


# ------------------------------------------------------------------------------------------------- patients and names
def _with_patients(videos: Sequence[VideoSource], pattern: str | None, source: Path) -> list[VideoSource]:
    regex = compiled(pattern, option="--patient-from")
    if regex is not None:
        whole = "/" in regex.pattern
        names = {video.name: _stem(video) if whole else _stem(video).rpartition("/")[2] for video in videos}
        found = require_match(names.values(), regex, option="--patient-from")
        videos = [replace(video, subject=found[names[video.name]], known=True) for video in videos]
    _all_or_none("subject", [video.subject or None for video in videos], source)
    return list(videos)


def _stem(video: VideoSource) -> str:
    return video.name if video.path.is_dir() else video.name.removesuffix(video.path.suffix)


def _all_or_none(what: str, values: Sequence[str | None], source: Path) -> None:
    bare = sum(value is None for value in values)
    if 0 < bare < len(values):
        raise DataError(
            f"{bare} of {len(values)} videos have no {what}, the others have one",
            path=source,
            field=what,
            value=bare,
            remedy=f"name the {what} of each video, or of none",
        )


def _named(videos: Sequence[VideoSource]) -> list[VideoSource]:
    """Cases by file name; where two are called the same, the folders above and the suffix tell them apart."""
    named = list(videos)
    for words in (lambda v: _stem(v).rpartition("/")[2], _stem, lambda v: v.name):
        # Some file systems take no notice of capitals.
        times = Counter(video.case.casefold() for video in named)
        named = [
            replace(video, case=file_name_of(words(video).replace("/", "_")))
            if times[video.case.casefold()] > 1 or not video.case
            else video
            for video in named
        ]
    return [replace(video, subject=video.subject or video.case) for video in named]
