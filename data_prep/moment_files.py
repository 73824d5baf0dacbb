"""What lies beside a sound: tables of its face, and its pictures, by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.audio_names import RAVDESS
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.data.left_out import LeftOut

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".mpg", ".mpeg")
_SOUND_ALONE = "03"  # how names of RAVDESS begin


def with_companions(
    found: FoundUnits[VideoSource], *, landmarks: Path, pictures: Path | None
) -> tuple[list[VideoSource], list[LeftOut]]:
    """Each sound with the files that were recorded by its clock; what is now read beside a sound was not left out.

    Of RAVDESS a recording lies in up to three files, of which one gives the sound: that of sound alone, if it is there.

    Args:
        found: Sounds.
        landmarks: Folder of tables, at any depth.
        pictures: Folder of videos; None takes none.
    """
    tables = _by_name(landmarks, (".csv",))
    videos = {} if pictures is None else _by_name(pictures, VIDEOS)
    units = _each_once(found.units)
    taken = set[Path]()
    whole = []
    for unit in units:
        beside = [tables.get(_name_of(unit.path)), _pictures_of(unit.path, videos, wanted=pictures is not None)]
        files = [path for path in beside if path is not None and path != unit.path]
        taken |= set(files)
        whole.append(replace(unit, files=(*unit.files, *files)))
    return whole, [one for one in found.left_out if Path(one.path) not in taken]


def _each_once(units: Sequence[VideoSource]) -> list[VideoSource]:
    known: dict[str, VideoSource] = {}
    for unit in units:
        name = _name_of(unit.path)
        if RAVDESS.fullmatch(unit.path.stem) is None:
            name = str(unit.path)
        before = known.get(name)
        if before is None or unit.path.stem.startswith(_SOUND_ALONE):
            known[name] = unit
    return sorted(known.values(), key=lambda unit: unit.case)


def _by_name(folder: Path, suffixes: Iterable[str]) -> dict[str, Path]:
    """Files at any depth by the name of their recording; of several of one recording the first by path."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file():
            found.setdefault(_name_of(path), path)
    return found


def _pictures_of(sound: Path, videos: dict[str, Path], *, wanted: bool) -> Path | None:
    if wanted and sound.suffix.lower() in VIDEOS:
        return sound
    return videos.get(_name_of(sound))


def _name_of(path: Path) -> str:
    """Of the recording: without suffix, and of RAVDESS without the number that tells what was recorded."""
    return path.stem.partition("-")[2] if RAVDESS.fullmatch(path.stem) else path.stem
