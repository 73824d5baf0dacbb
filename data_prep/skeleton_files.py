"""Finding skeletons: files below a folder or in a table, clips of OpenPose, and what names of data sets say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data_prep.said import nfc
from data_prep.skeleton_ntu import NtuSplit, belongs, fields_of, in_train, is_missing
from data_prep.video_files import from_folder, looked_through, settled
from data_prep.video_lines import videos_of_table
from data_prep.video_source import FoundVideos, Segment, VideoSource
from data_prep.video_walk import TABLES, files_below
from medmae.data.identity.given import Given
from medmae.data.left_out import OTHER_FILE, LeftOut
from medmae.data.skeletons.pose_json import OPENPOSE
from medmae.data.skeletons.read import PICKLES, SUFFIXES
from medmae.errors import DataError
from medmae.reading import read_text

MSR = re.compile(r"a(?P<action>\d\d)_s(?P<person>\d\d)_e(?P<take>\d\d)(?:_skeleton3D)?")
UTKINECT = re.compile(r"joints_s(?P<person>\d\d)_e(?P<take>\d\d)")
UTKINECT_LABELS = "actionLabel.txt"
_LABEL = re.compile(r"(?P<action>\w+)\s*:\s*(?P<first>\d+|NaN)\s+(?P<last>\d+|NaN)")
_ENTRY = re.compile(r"s(?P<person>\d\d)_e(?P<take>\d\d)")
_BONES = ".bones.csv"
HINT = "give [train|val|test/]class/file, a flat folder, or a table: path,label,subject,split"


def find_skeletons(
    source: Path,
    *,
    root: Path | None = None,
    given: Given | None = None,
    columns: Mapping[str, str] | None = None,
    out: Path | None = None,
    ntu_split: NtuSplit | None = None,
    keep_missing: bool = False,
) -> FoundVideos:
    """The recordings below a folder or in a table, with people.

    Args:
        source: Folder, recording, or table ``path,label,subject,split``.
        root: Where the paths of a table start; None takes its folder.
        given: What the user says of people.
        columns: Our name of a column -> the table's.
        out: Where shards will be written.
        ntu_split: Official split of NTU RGB+D.
        keep_missing: Whether samples stay whose skeletons NTU's authors call missing.

    Raises:
        DataError: No recording, names that are not NTU's where its split is asked for, people or splits of some only.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    if source.is_file() and source.suffix.lower() in TABLES and _names_files(source):
        found = videos_of_table(source, root or source.parent, columns or {}, below=skeletons_below, what="skeleton")
    else:
        found = _of_folder(source, out)
    found = _told_by_ntu(found, source, ntu_split, keep_missing=keep_missing)
    if not found.videos:
        raise DataError("no skeleton is here", path=source, field="skeletons", value=0, remedy=HINT)
    return looked_through(settled(found, source, given=given, salt=None))


def skeletons_below(source: Path, *, out: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """Files that may hold skeletons, pickles too, and all others with the reason.

    Args:
        source: A folder, or a single file.
        out: Where shards will be written.
    """
    return files_below(source, out=out, why_not=_no_skeleton)


def _no_skeleton(path: Path) -> str | None:
    if path.name == UTKINECT_LABELS or path.name.endswith(_BONES):
        return "it describes skeletons beside it, and holds none"
    return None if path.suffix.lower() in (*SUFFIXES, *PICKLES) else OTHER_FILE


def _names_files(table: Path) -> bool:
    """Whether a table names recordings, and is none itself."""
    head = read_text(table).partition("\n")[0].lower()
    return bool({"path", "file", "name", "filename"} & {word.strip() for word in re.split(r"[,\t]", head)})


def _of_folder(source: Path, out: Path | None) -> FoundVideos:
    paths, left = skeletons_below(source, out=out)
    clips, single = _clips(paths)
    labels = _utkinect_labels(source)
    found = [_openpose(stem, files, source) for stem, files in clips.items()]
    notes: list[str] = []
    for path in single:
        msr, utkinect = MSR.fullmatch(path.stem), UTKINECT.fullmatch(path.stem)
        plain = from_folder(path, source, what="skeleton")
        if ntu := fields_of(path.stem):
            label, person = f"A{ntu['action']:03d}", f"P{ntu['person']:03d}"
        elif msr:
            label, person = f"a{msr['action']}", f"s{msr['person']}"
        elif utkinect:
            found.append(_with_parts(plain, labels.get(utkinect.group(1, 2)), f"s{utkinect['person']}"))
            continue
        else:
            found.append(plain)
            continue
        found.append(replace(plain, subject=person, known=True, segments=(Segment(label=label),)))
    if any(MSR.fullmatch(path.stem) for path in single):
        notes.append("read as MSR Action3D: people and actions by the names of files")
    if any(UTKINECT.fullmatch(path.stem) for path in single):
        notes.append(f"read as UTKinect: actions by the frames of {UTKINECT_LABELS}")
    return FoundVideos(tuple(found), tuple(left), notes=tuple(notes))


def _clips(paths: Sequence[Path]) -> tuple[dict[tuple[Path, str], list[Path]], list[Path]]:
    """OpenPose's files by their clip, and all others."""
    clips: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    single = []
    for path in paths:
        named = OPENPOSE.fullmatch(path.stem) if path.suffix.lower() == ".json" else None
        if named:
            clips[path.parent, named["clip"]].append(path)
        else:
            single.append(path)
    return clips, single


def _openpose(of: tuple[Path, str], files: list[Path], source: Path) -> VideoSource:
    plain = from_folder(files[0], source, what="skeleton")
    name = "/".join([*plain.name.split("/")[:-1], f"{of[1]}.json"])
    return replace(plain, name=nfc(name), files=tuple(sorted(files)))


def _utkinect_labels(source: Path) -> dict[tuple[str, ...], list[tuple[str, int, int]]]:
    path = next(iter(sorted(source.rglob(UTKINECT_LABELS))), None) if source.is_dir() else None
    found: dict[tuple[str, ...], list[tuple[str, int, int]]] = defaultdict(list)
    entry: tuple[str, ...] = ()
    for line in read_text(path).splitlines() if path else ():
        if named := _ENTRY.fullmatch(line.strip()):
            entry = named.group(1, 2)
        elif (part := _LABEL.match(line.strip())) and "NaN" not in part.group(2, 3):
            found[entry].append((part["action"], int(part["first"]), int(part["last"])))
    return found


def _with_parts(plain: VideoSource, parts: list[tuple[str, int, int]] | None, person: str) -> VideoSource:
    """A recording of UTKinect with a part of each of its actions, by numbers of frames."""
    known = replace(plain, subject=person, known=True, segments=(Segment(),))
    if not parts:
        return known
    segments = tuple(
        Segment(name=f"{number}_{action}", label=action, start=first, end=last)
        for number, (action, first, last) in enumerate(parts)
    )
    return replace(known, segments=segments)


def _told_by_ntu(found: FoundVideos, source: Path, split: NtuSplit | None, *, keep_missing: bool) -> FoundVideos:
    left, kept, notes = list(found.left_out), [], list(found.notes)
    others = [video.name for video in found.videos if fields_of(video.path.stem) is None]
    if split is not None and others:
        raise DataError(
            f"{len(others)} names are not NTU's, and tell no setup, camera or performer",
            path=source,
            field="--ntu-split",
            value=others[:5],
            remedy="leave --ntu-split out, or keep files as S001C001P001R001A001.skeleton",
        )
    for video in found.videos:
        fields = fields_of(video.path.stem)
        if fields is not None and not keep_missing and is_missing(video.path.stem):
            left.append(LeftOut(video.path, "its skeletons are missing or incomplete, by the list of NTU's authors"))
        elif fields is not None and split is not None and not belongs(fields, split):
            left.append(LeftOut(video.path, "of NTU RGB+D 120, and the split is of NTU RGB+D"))
        else:
            kept.append(video if fields is None or split is None else _in_half(video, fields, split))
    dropped = len(left) - len(found.left_out)
    if dropped:
        notes.append(f"{dropped} samples of NTU RGB+D are left out (left_out.csv says why): --keep-missing keeps them")
    if split in ("xview60", "xset120"):
        notes.append(
            "the split is by camera or setup, as in the papers: people are in both halves, and a subject is one "
            "person of one of them"
        )
    return replace(found, videos=tuple(kept), left_out=tuple(left), notes=tuple(notes))


def _in_half(video: VideoSource, fields: Mapping[str, int], split: NtuSplit) -> VideoSource:
    """In the official half; where that parts cameras or setups and not people, so does the subject, which says it."""
    half = "train" if in_train(fields, split) else "test"
    if split in ("xsub60", "xsub120"):
        return replace(video, split=half)
    what = "camera" if split == "xview60" else "setup"
    segments = tuple(replace(one, flags=(*one.flags, "person_in_both_halves")) for one in video.segments)
    return replace(video, split=half, subject=f"{video.subject}_{what}{fields[what]:03d}", segments=segments)
