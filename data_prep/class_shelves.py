"""Folders of classes of recordings, shapes and faces: refused where they are splits or patients, or spelt twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.video_source import VideoSource
from medmae.data.identity.class_folders import doubts_of_classes
from medmae.data.identity.doubts import checked, refuse
from medmae.data.identity.given import Given
from medmae.data.images.classes import check_classes, refuse_splits


def check_shelves(
    paths: Sequence[str], source: Path, *, classes: Iterable[str | None], splits: bool, known: bool, given: Given
) -> None:
    """Refuses class folders that may be something else; those of collections that are known by name are what they are.

    Args:
        paths: Of files below the source, without suffix.
        source: Of them; classes of a table do not stand in folders.
        classes: That were read.
        splits: Whether folders of splits lie above those of classes.
        known: Whether it is known who is who, be it by the names of a collection.
        given: What the user says of patients.

    Raises:
        DataError: Classes that differ only in spelling; folders that are called as splits; folders, or names in them,
            that may be patients', unless the user says who is who.
    """
    check_classes(classes, source)
    if not source.is_dir() or known:
        return
    above = int(splits)
    shelves = sorted({parts[above] for path in paths if len(parts := path.split("/")) > above + 1})
    refuse_splits([Path(name) for name in shelves], source)
    if not given.says:
        refuse(checked(doubts_of_classes(paths, above=above), paths), path=source)


def without_patients(videos: Sequence[VideoSource], source: Path) -> tuple[list[VideoSource], tuple[str, ...]]:
    """Videos whose folders turned out to be those of their patients have no class by them; and a note of it.

    What a table says stays.
    """
    named = [video for video in videos if video.segments[0].label is not None]
    if (
        not source.is_dir()
        or not named
        or not all(video.known and video.subject == video.segments[0].label for video in named)
    ):
        return list(videos), ()
    bare = [replace(video, segments=tuple(replace(one, label=None) for one in video.segments)) for video in videos]
    return bare, (f"folders are those of patients, such as {named[0].subject}, and no classes",)


def deeper(names: Sequence[str], *, splits: bool) -> tuple[str, ...]:
    """A note of files in more folders than those of a split and a class, whose folders name no class."""
    deep = [name for name in names if name.count("/") > 1 + splits]
    told = f"{len(deep)} files lie deeper than [split/]class/file, and have no class by their folders"
    return (f"{told}, such as {deep[0]}",) if deep else ()
