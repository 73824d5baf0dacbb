"""Free texts that belong to videos by their names: a report of a clip, or of a study and so of all its clips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from data_prep.said import is_missing, nfc
from data_prep.sentences import sentences_of
from data_prep.texts import garbled, read_text
from data_prep.video_source import FoundVideos, VideoSource, is_folder
from medmae.data.left_out import LeftOut
from medmae.data.tree import folders_below
from medmae.errors import DataError

ReportAs = Literal["sentences", "whole"]
SUFFIX = ".txt"
_OF_FOLDER = "report"  # report.txt in the folder of a study
_NOBODY = "a text that is called as no video and no folder of videos"


@dataclass
class _Reports:
    """Reports by their path below their folder, without suffix."""

    paths: Mapping[str, Path]
    how: ReportAs
    failed: list[tuple[str, DataError]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    _read: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def captions(self, key: str) -> tuple[str, ...]:
        """What a report says; none, told, if it cannot be read or is empty."""
        if key not in self._read:
            self._read[key] = self._captions(key)
        return self._read[key]

    def _captions(self, key: str) -> tuple[str, ...]:
        try:
            text, notes = read_text(self.paths[key], what="the report")
        except DataError as error:
            self.failed.append((key, error))
            return ()
        whole = " ".join(nfc(text).split())
        if is_missing(whole):
            self.notes["reports are empty: they are none"] += 1
            return ()
        if notes:
            self.notes["reports are not UTF-8 and were decoded as their first bytes say, or as Windows-1252"] += 1
        if garbled(whole):
            self.notes["reports have lost or wrongly decoded letters"] += 1
        return (whole,) if self.how == "whole" else tuple(dict.fromkeys(sentences_of(nfc(text))))


def with_reports(found: FoundVideos, root: Path, folder: Path, *, how: ReportAs) -> FoundVideos:
    """The videos with what reports say of them, after captions that they have already.

    A report is called as the video (``a/clip.txt``), as the only video of that name (``clip.txt``), or as a folder in
    which videos lie, whose report it is (``a.txt``, ``a/a.txt``, ``a/report.txt``); the nearest counts.

    Args:
        found: Videos as they were found.
        root: Where their paths start.
        folder: Of the reports; may be the same.
        how: Each of its ``sentences`` is a caption, or the ``whole`` is.

    Raises:
        DataError: If there is no report, or two of one name.
    """
    reports = _Reports(_below(folder), how)
    if not reports.paths:
        raise DataError("no report is here", path=folder, field="reports", value=f"*{SUFFIX}", remedy="check --reports")
    keys = _keys(found.videos, root, reports.paths)
    times = Counter(key for key in keys if key)
    videos = [
        _with_captions(video, reports.captions(key), shared=times[key]) if key else video
        for video, key in zip(found.videos, keys, strict=True)
    ]
    own = [path for key, path in reports.paths.items() if key not in times]
    apart = not folder.resolve().is_relative_to(root.resolve())
    nobody = [(path.stem, DataError(_NOBODY, path=path, remedy="call it as its video or study")) for path in own]
    taken = {reports.paths[key] for key in times}
    left = [one for one in found.left_out if one.path not in taken and (apart or one.path not in own)]
    return replace(
        found,
        videos=tuple(videos),
        left_out=(*left, *(() if apart else (LeftOut(path, _NOBODY) for path in own))),
        failed=(*found.failed, *reports.failed, *(nobody if apart else ())),
        notes=(*found.notes, *_notes(found.videos, keys, times, reports)),
    )


def _below(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError("there is no such folder", path=folder, field="--reports", remedy="check the path")
    found: dict[str, Path] = {}
    for path in sorted(path for _, files in folders_below(folder) for path in files):
        if path.suffix.lower() == SUFFIX:
            other = found.setdefault(_key(path.relative_to(folder).as_posix()[: -len(SUFFIX)]), path)
            if other != path:
                raise DataError(f"two reports have one name, see {other.name}", path=path, remedy="keep one of them")
    return found


def _key(name: str) -> str:
    above, slash, last = nfc(name).rpartition("/")
    return above + slash + (_OF_FOLDER if last.casefold() == _OF_FOLDER else last)


def _keys(videos: Sequence[VideoSource], root: Path, paths: Mapping[str, Path]) -> list[str | None]:
    """Which report is whose, None where there is none."""
    names = [_stem_below(video, root) for video in videos]
    alone = Counter(name.rpartition("/")[2] for name in names)
    inside = {above for name in names for above in _above(name)}
    folders = Counter(above.rpartition("/")[2] for above in inside)
    return [next((key for key in _called(name, alone, folders) if key in paths), None) for name in names]


def _called(name: str, alone: Mapping[str, int], folders: Mapping[str, int]) -> list[str]:
    last = name.rpartition("/")[2]
    called = [name, *([last] if alone[last] == 1 else [])]
    for above in _above(name):
        own = above.rpartition("/")[2]
        called += [above, f"{above}/{_OF_FOLDER}", f"{above}/{own}", *([own] if folders[own] == 1 else [])]
    return called


def _above(name: str) -> list[str]:
    """The folders of a name, the nearest first."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _stem_below(video: VideoSource, root: Path) -> str:
    below = video.path.relative_to(root) if video.path.is_relative_to(root) else Path(video.name)
    return nfc(below.as_posix() if is_folder(video.path) else below.as_posix().removesuffix(below.suffix))


def _with_captions(video: VideoSource, captions: Sequence[str], *, shared: int) -> VideoSource:
    flags = (f"report_of:{shared}",) if shared > 1 and captions else ()
    segments = [
        replace(one, captions=tuple(dict.fromkeys((*one.captions, *captions))), flags=(*one.flags, *flags))
        for one in video.segments
    ]
    return replace(video, segments=tuple(segments))


def _notes(
    videos: Sequence[VideoSource], keys: Sequence[str | None], times: Mapping[str, int], reports: _Reports
) -> list[str]:
    notes = [f"{count} {what}" for what, count in reports.notes.items()]
    if of_several := [key for key, count in times.items() if count > 1]:
        notes.append(
            f"{len(of_several)} reports are of several videos each ({of_several[0]}: {times[of_several[0]]}): a "
            "sentence may be true of another video of the study than the one that it stands beside"
        )
    both = sum(bool(key) and any(one.captions for one in v.segments) for v, key in zip(videos, keys, strict=True))
    return [*notes, f"{both} videos have captions in the table and a report: they keep both"] if both else notes
