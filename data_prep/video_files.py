"""Finding videos: files and folders of frames below a folder, or those that a table names; whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.class_shelves import check_shelves, deeper, without_patients
from data_prep.identifying import FLAG, signs_in, spoken
from data_prep.reports import ReportAs, with_reports
from data_prep.said import nfc
from data_prep.video_line import SPLIT_WORDS
from data_prep.video_lines import videos_of_table
from data_prep.video_patients import with_patients
from data_prep.video_source import FoundVideos, Segment, VideoSource, stem_of, video_at
from data_prep.video_walk import TABLES, videos_below
from medmae.data.identity.given import Given
from medmae.data.names import file_name_of
from medmae.data.table_files import all_or_none
from medmae.errors import DataError

_INSIDE = {"frames", "images", "imgs", "img", "rgb", "jpg", "png"}  # of the folder that is called as the clip
LAYOUT = "give [train|val|test/]class/video, a flat folder, or a table: path,label,subject,split"


def find_videos(
    source: Path,
    *,
    root: Path | None = None,
    given: Given | None = None,
    salt: Path | None = None,
    columns: Mapping[str, str] | None = None,
    out: Path | None = None,
    reports: Path | None = None,
    report_as: ReportAs = "sentences",
) -> FoundVideos:
    """The videos below a folder or in a table, with patients.

    Args:
        source: Folder (``[split/]class/video``), a video, or a table; see :mod:`data_prep.video_table`.
        root: Where the paths of a table start; None takes its folder.
        given: What the user says of patients.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
        columns: Our name of a column -> the table's.
        out: Where frames will be written; if that lies below the source, what is there is no source.
        reports: Folder of texts that belong to videos by their names; see :func:`data_prep.reports.with_reports`.
        report_as: See there.

    Raises:
        DataError: No video; a table that is not one; a pattern that misses some; patients or splits of some only.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    if source.is_dir() or source.suffix.lower() not in TABLES:
        paths, left = videos_below(source, out=out)
        videos = [from_folder(path, source) for path in paths]
        found = FoundVideos(tuple(videos), tuple(left))
    else:
        found = videos_of_table(source, root or source.parent, columns or {})
    if not found.videos:
        raise DataError("no video is here", path=source, field="videos", value=0, remedy=LAYOUT)
    found = settled(found, source, given=given, salt=salt)
    if reports is not None:
        base = source if source.is_dir() else root or source.parent
        found = with_reports(found, base, reports, how=report_as)
    return looked_through(found)


def settled(found: FoundVideos, source: Path, *, given: Given | None, salt: Path | None) -> FoundVideos:
    """What was found, with patients and names of cases, sorted by these.

    Args:
        found: Videos, or sounds.
        source: Of them.
        given: What the user says of patients.
        salt: See :func:`medmae.data.identity.headers.salt_of`.

    Raises:
        DataError: If patients or splits are known of some only, several names could be one patient's, or folders of
            classes may be something else.
    """
    given = given or Given(by_name=True)
    splits = any(video.split for video in found.videos)
    check_shelves(
        [stem_of(video) for video in found.videos],
        source,
        classes=[one.label for video in found.videos for one in video.segments],
        splits=splits,
        known=any(video.known for video in found.videos),
        given=given,
    )
    videos, notes = without_patients(with_patients(found.videos, source, given=given, salt=salt), source)
    all_or_none("split", {video.name: video.split for video in videos}, source)
    bare = [video.name for video in videos if source.is_dir() and video.segments[0].label is None]
    notes = (*found.notes, *notes, *deeper(bare, splits=splits))
    return replace(found, videos=tuple(sorted(_named(videos), key=lambda video: video.case)), notes=notes)


def looked_through(found: FoundVideos) -> FoundVideos:
    """With a flag where texts may say who somebody is."""
    videos = [(video, signs_in(text for one in video.segments for text in one.texts)) for video in found.videos]
    flagged = [
        replace(video, segments=tuple(replace(one, flags=(*one.flags, FLAG)) for one in video.segments))
        if signs
        else video
        for video, signs in videos
    ]
    told = spoken((video.case, signs) for video, signs in videos)
    return replace(found, videos=tuple(flagged), notes=(*found.notes, *told))


def from_folder(path: Path, source: Path, *, what: str = "video") -> VideoSource:
    """A file, or folder of frames, by the folders that it lies in: ``[split/]class/video``."""
    parts = list(path.relative_to(source).parts) if source.is_dir() else [path.name]
    if path.is_dir() and len(parts) > 1 and parts[-1].lower() in _INSIDE:
        parts.pop()
    split = SPLIT_WORDS.get(parts[0].lower()) if len(parts) > 1 else None
    shelves = parts[1 if split else 0 : -1]
    label = nfc(shelves[0]) if len(shelves) == 1 else None
    name = "/".join(parts) or path.name
    return video_at(path, name, split=split, segments=(Segment(label=label),), what=what)


def _named(videos: Sequence[VideoSource]) -> list[VideoSource]:
    """Cases by file name; where two are called the same, the folders above and the suffix tell them apart."""
    named = list(videos)
    for words in (lambda v: stem_of(v).rpartition("/")[2], stem_of, lambda v: v.name):
        # Some file systems take no notice of capitals.
        times = Counter(video.case.casefold() for video in named)
        named = [
            replace(video, case=file_name_of(words(video).replace("/", "_")))
            if times[video.case.casefold()] > 1 or not video.case
            else video
            for video in named
        ]
    return [replace(video, subject=video.subject or video.case) for video in named]
