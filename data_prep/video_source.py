"""What a video (or sound) of a preparation is: where it lies, whose it is, what is said of it and of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data_prep.said import nfc
from medmae.data.left_out import LeftOut
from medmae.data.video.frame_folder import frames_in
from medmae.data.video.questions import Question
from medmae.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A video, or a part of it, and what is said of it.

    Args:
        name: Ending of its case; None is the whole video.
        label: Class, if known.
        value: Of regression, if known.
        captions: What is said of it.
        classes: Several classes, none of them if empty; None where nobody says them.
        questions: What is asked of it.
        flags: What else to know of these.
        start: Seconds from the first frame.
        end: Likewise.
    """

    name: str | None = None
    label: str | None = None
    value: float | None = None
    captions: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    questions: tuple[Question, ...] = ()
    flags: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None

    @property
    def texts(self) -> list[str]:
        """All that is said, asked and answered."""
        return [*self.captions, *(text for one in self.questions for text in one.texts)]


@dataclass(frozen=True, kw_only=True)
class VideoSource:
    """One video, or sound, on disk.

    Args:
        case: Name of its shard.
        name: Path below the source, as people see it.
        path: File, or folder of frames.
        files: All files that belong to it.
        subject: Patient, or the case where none is known.
        known: Whether the patient is known.
        split: As folders or the table have it.
        segments: At least one.
        rate: Frames (or samples) a second, as the table or a header has it.
        fault: Why it cannot be used, if that is known before reading.
        session: Of which visit.
        about: What else its rows say: names and values.
        longest: Seconds of the clip that a table names, where the file should be no longer.
        what: What it is called where it has no class.
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
    session: str | None = None
    about: tuple[tuple[str, object], ...] = ()
    longest: float | None = None
    what: str = "video"

    @property
    def content(self) -> str:
        """Its class, if it has one, and the number of its parts."""
        first = self.segments[0]
        words = [
            first.label or " ".join(first.classes or ()) or self.what,
            f"in {len(self.segments)} parts" if len(self.segments) > 1 else "",
        ]
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class FoundVideos:
    """What was found.

    Args:
        videos: Sorted by case.
        left_out: Files that are no videos, with the reason.
        failed: Name and error of what is said of videos that are not there.
        notes: What a user should be told.
    """

    videos: tuple[VideoSource, ...]
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[tuple[str, DataError], ...] = ()
    notes: tuple[str, ...] = ()


def is_folder(path: Path) -> bool:
    """Whether a video is a folder of frames; a name that no file system takes is none of anything."""
    try:
        return path.is_dir()
    except OSError:
        return False


def video_at(path: Path, name: str, **about: object) -> VideoSource:
    """A video under a name, with all of its files."""
    files = tuple(frames_in(path)) if is_folder(path) else (path,)
    return VideoSource(case="", name=nfc(name), path=path, files=files, **about)  # type: ignore[arg-type]


def stem_of(video: VideoSource) -> str:
    """Its name without suffix."""
    return video.name if is_folder(video.path) else video.name.removesuffix(video.path.suffix)
