"""What lies beside a sound: tables of its face, and its pictures, by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data_prep.audio_names import RAVDESS
from data_prep.unit import FoundUnits
from data_prep.video_source import VideoSource
from medmae.data.left_out import LeftOut
from medmae.data.tree import files_below, require_there
from medmae.errors import DataError

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".flv", ".mpg", ".mpeg")
_SOUND_ALONE = "03"  # how names of RAVDESS begin
_OTHER = "another file of a recording whose sound is taken from elsewhere"


def with_companions(
    found: FoundUnits[VideoSource], *, source: Path, landmarks: Path, pictures: Path | None
) -> tuple[list[VideoSource], list[LeftOut]]:
    """Each sound with the files that were recorded by its clock; what is now read beside a sound was not left out.

    Of RAVDESS a recording lies in up to three files, of which one gives the sound: that of sound alone, if it is there.
    A name that several sounds have, or several tables, is told by the folders: ``P01/talk.csv`` is of ``P01/talk.wav``.

    Args:
        found: Sounds; those of which nothing tells what belongs to them get that as their fault.
        source: Folder below which they lie.
        landmarks: Folder of tables, at any depth.
        pictures: Folder of videos; None takes none.

    Raises:
        DataError: If one of the folders is not there.
    """
    units = _each_once(found.units)
    sounds = [_Place(unit.path, source) for unit in units]
    tables = _Beside.of(landmarks, (".csv",), sounds)
    videos = None if pictures is None else _Beside.of(pictures, VIDEOS, sounds)
    taken, whole = set[Path](), []
    for unit, sound in zip(units, sounds, strict=True):
        own_pictures = videos is not None and unit.path.suffix.lower() in VIDEOS
        try:
            beside = [tables.file_of(sound), None if videos is None or own_pictures else videos.file_of(sound)]
        except DataError as error:
            whole.append(replace(unit, fault=unit.fault or error))
            continue
        files = [path for path in beside if path is not None and path != unit.path]
        taken |= set(files)
        whole.append(replace(unit, files=(*unit.files, *files)))
    dropped = {unit.path for unit in found.units} - {unit.path for unit in units} - taken
    others = [LeftOut(path, _OTHER) for path in sorted(dropped)]
    return whole, [*(one for one in found.left_out if Path(one.path) not in taken), *others]


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


@dataclass(frozen=True)
class _Place:
    """A file below a folder.

    Attributes:
        path: The file.
        root: The folder.
    """

    path: Path
    root: Path

    @property
    def name(self) -> str:
        """Of the recording."""
        return _name_of(self.path)

    @property
    def folders(self) -> str:
        """In which it lies, below the root."""
        inside = self.path.is_relative_to(self.root)
        return self.path.parent.relative_to(self.root).as_posix() if inside else str(self.path.parent)


@dataclass(frozen=True)
class _Beside:
    """Files by the names of recordings.

    Attributes:
        files: Of each name.
        folders: In which sounds of each name lie.
    """

    files: Mapping[str, Sequence[_Place]]
    folders: Mapping[str, Counter[str]]

    @classmethod
    def of(cls, root: Path, suffixes: Iterable[str], sounds: Iterable[_Place]) -> _Beside:
        """Files below a folder; of RAVDESS the one that its names put first."""
        require_there(root)
        files: dict[str, list[_Place]] = defaultdict(list)
        for path in files_below(root):
            if path.suffix.lower() in suffixes:
                files[_name_of(path)].append(_Place(path, root))
        for name, some in files.items():
            if all(RAVDESS.fullmatch(one.path.stem) for one in some):
                first = min(one.path.stem for one in some)
                files[name] = [one for one in some if one.path.stem == first]
        folders: dict[str, Counter[str]] = defaultdict(Counter)
        for sound in sounds:
            folders[sound.name][sound.folders] += 1
        return cls(files, folders)

    def file_of(self, sound: _Place) -> Path | None:
        """The file that belongs to a sound: in the same folders, or the only one of this name.

        Raises:
            DataError: If it could be several, or be of several sounds.
        """
        some, folders = self.files.get(sound.name, ()), self.folders[sound.name]
        same = [one for one in some if one.folders == sound.folders]
        if len(same) == 1 and folders[sound.folders] == 1:
            return same[0].path
        if not some or (not same and all(folders[one.folders] for one in some)):
            return None  # what is there lies beside other sounds
        if len(some) == 1 and folders.total() == 1:
            return some[0].path
        raise DataError(
            f"{len(some)} files and {folders.total()} sounds have this name, and no folder tells which belong together",
            path=sound.path,
            field="name",
            value=[str(one.path) for one in some[:3]],
            remedy="put each beside its sound, or into folders of the same names",
        )


def _name_of(path: Path) -> str:
    """Of the recording: without suffix, and of RAVDESS without the number that tells what was recorded."""
    return path.stem.partition("-")[2] if RAVDESS.fullmatch(path.stem) else path.stem
