"""Finding sounds: which collection a source is, by marks that only it has; whose sounds they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from data_prep import audio_names as names
from data_prep import audio_tables as tables
from data_prep.audio_physionet import physionet
from data_prep.audio_walk import sounds_below
from data_prep.video_files import from_folder, looked_through, settled
from data_prep.video_lines import videos_of_table
from data_prep.video_source import FoundVideos, VideoSource
from data_prep.video_walk import TABLES
from medmae.data.identity.given import Given
from medmae.errors import DataError

Layout = Literal[
    "auto",
    "folder",
    "table",
    "audioset",
    "vggsound",
    "esc",
    "ravdess",
    "digits",
    "speech_commands",
    "physionet",
    "mosei",
]
LAYOUTS = get_args(Layout)
HINT = "give [train|val|test/]class/sound, a flat folder, a table (path,label,subject,split), or name --layout"
_ESC_TABLE = ("meta/esc50.csv", "esc50.csv")
_MOSEI_TABLE = ("label.csv", "Raw/label.csv")
_HEAD = 2000  # bytes of a table that tell which it is


def find_sounds(
    source: Path,
    *,
    root: Path | None = None,
    given: Given | None = None,
    salt: Path | None = None,
    columns: Mapping[str, str] | None = None,
    out: Path | None = None,
    layout: Layout = "auto",
    starts: str = "clip",
) -> FoundVideos:
    """The sounds below a folder or in a table, with patients or speakers.

    Args:
        source: Folder, sound, or table.
        root: Where the paths of a table start; None takes its folder.
        given: What the user says of patients.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
        columns: Our name of a column -> the table's.
        out: Where samples will be written; if that lies below the source, what is there is no source.
        layout: Which collection it is; ``auto`` looks.
        starts: Of AudioSet and VGGSound: ``clip`` where files are the clips of the table, ``file`` where they are whole
            recordings, from which its seconds are cut.

    Raises:
        DataError: No sound; a table that is not one; patients or splits of some only; a layout that does not fit.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    if source.is_dir():
        found = _of_folder(source, out, layout)
    elif source.suffix.lower() in (*TABLES, ".csd"):
        found = _of_table(source, root or source.parent, out, layout, starts, columns or {})
    else:
        found = FoundVideos((from_folder(source, source, what="sound"),))
    if not found.videos:
        raise DataError("no sound is here", path=source, field="sounds", value=0, remedy=HINT)
    return looked_through(settled(_each_once(found), source, given=given, salt=salt))


def _of_folder(source: Path, out: Path | None, layout: Layout) -> FoundVideos:
    table = next((source / name for name in _ESC_TABLE if (source / name).is_file()), None)
    if table is not None and layout in ("auto", "esc"):
        return _told(tables.esc_table(table, tables.Sounds(source, out)), "esc")
    table = next((source / name for name in _MOSEI_TABLE if (source / name).is_file()), None)
    if table is not None and layout in ("auto", "mosei") and _columns(table) >= set(tables.MOSEI_COLUMNS):
        return _told(tables.mosei_table(table, tables.Sounds(source, out)), "mosei")
    paths, left = sounds_below(source, out=out)
    fits = {
        "speech_commands": all((source / name).is_file() for name in names.LISTS),
        "physionet": any(path.with_suffix(".hea").is_file() for path in paths),
        "esc": names.named_by(names.ESC, paths),
        "ravdess": names.named_by(names.RAVDESS, paths),
        "digits": names.named_by(names.DIGITS, paths),
    }
    chosen = next((name for name, fit in fits.items() if fit), "folder") if layout == "auto" else layout
    if chosen != "folder" and not fits.get(chosen, False):
        raise DataError(
            "the source is not of this layout",
            path=source,
            field="--layout",
            value=layout,
            remedy="take auto, or folder",
        )
    if chosen == "folder":
        return FoundVideos(tuple(from_folder(path, source, what="sound") for path in paths), tuple(left))
    read = {
        "speech_commands": names.commands,
        "physionet": physionet,
        "esc": names.esc,
        "ravdess": names.ravdess,
        "digits": names.digits,
    }
    return _told(read[chosen](paths, source, left), chosen)


def _of_table(
    table: Path, root: Path, out: Path | None, layout: Layout, starts: str, columns: Mapping[str, str]
) -> FoundVideos:
    chosen = _which(table) if layout == "auto" else layout
    if chosen == "table":
        return videos_of_table(table, root, columns, below=sounds_below, what="sound")
    sounds = tables.Sounds(root, out)
    if chosen == "audioset":
        return _told(tables.audioset(table, sounds, starts=starts), chosen)
    if chosen == "vggsound":
        return _told(tables.vggsound(table, sounds, starts=starts), chosen)
    if chosen == "esc":
        return _told(tables.esc_table(table, sounds), chosen)
    if chosen == "mosei":
        read = tables.mosei_csd if table.suffix.lower() == ".csd" else tables.mosei_table
        return _told(read(table, sounds), chosen)
    raise DataError("a table is not of this layout", path=table, field="--layout", value=layout, remedy="take auto")


def _which(table: Path) -> str:
    if table.suffix.lower() == ".csd":
        return "mosei"
    head = _head(table)
    if any(tables.AUDIOSET.match(line) for line in head[:5]):
        return "audioset"
    if head and all(tables.VGGSOUND.fullmatch(line) for line in head[:3]):
        return "vggsound"
    columns = _columns(table)
    if columns >= set(tables.ESC_COLUMNS):
        return "esc"
    return "mosei" if columns >= set(tables.MOSEI_COLUMNS) else "table"


def _head(table: Path) -> list[str]:
    with table.open("rb") as file:
        lines = file.read(_HEAD).decode("utf-8", "replace").lstrip("\ufeff").splitlines()
    return [line for line in lines if line.strip()]


def _columns(table: Path) -> set[str]:
    head = _head(table)
    return {name.strip() for name in head[0].split(",")} if head else set()


def _told(found: FoundVideos, layout: str) -> FoundVideos:
    return replace(found, notes=(f"read as {layout}: --layout folder or table reads it as it lies", *found.notes))


def _each_once(found: FoundVideos) -> FoundVideos:
    """A file that a table names for two clips is neither of them for certain."""
    times = Counter(sound.path for sound in found.videos if sound.fault is None)
    return replace(
        found, videos=tuple(_with_fault(sound) if times[sound.path] > 1 else sound for sound in found.videos)
    )


def _with_fault(sound: VideoSource) -> VideoSource:
    fault = DataError(
        "several clips of the table are this one file",
        path=sound.path,
        field="name",
        value=sound.name,
        remedy="if it is a whole recording, take --starts file; else name clips by their start",
    )
    return replace(sound, fault=fault)


def with_folds(sounds: Sequence[VideoSource], *, test: int | None, val: int | None, source: Path) -> list[VideoSource]:
    """Splits made of official folds: one is the test, one the validation, the others train.

    Raises:
        DataError: If there is no such fold, or folders name splits, too.
    """
    if test is None and val is None:
        return list(sounds)
    folds = {name: dict(sound.about).get("fold") for sound in sounds for name in [sound.case]}
    known = sorted({fold for fold in folds.values() if isinstance(fold, int)})
    wanted = [fold for fold in (test, val) if fold is not None]
    if any(fold not in known for fold in wanted) or None in folds.values() or any(sound.split for sound in sounds):
        raise DataError(
            "the source has no such fold, or names splits besides",
            path=source,
            field="--test-fold, --val-fold",
            value=(test, val),
            remedy=f"choose among {known}" if known else "leave these options out",
        )
    split: dict[object, str] = {val: "val", test: "test"}
    return [replace(sound, split=split.get(folds[sound.case], "train")) for sound in sounds]
