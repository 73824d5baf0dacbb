"""Finding cases: BIDS, folders (BraTS-like), CSV, DICOM series in folders, lists of files."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medmae.data.names import (
    contrast_in,
    contrast_of,
    file_name_of,
    is_synthetic,
    parse_stem,
    stem_of,
    subject_session,
)
from medmae.data.table_files import read_csv
from medmae.data.volumes.dicom import find_series, is_dicom
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError

Layout = Literal["auto", "bids", "folders", "csv", "dicom"]
LAYOUTS = ("auto", "bids", "folders", "csv", "dicom")
_REMEDY = "name the files in a CSV: subject,session,contrast,path"


@dataclass
class Case:
    """One subject in one session.

    Args:
        subject: ID of the patient: what splits go by.
        session: ID of the visit, if any.
        contrasts: One source a contrast, sorted by name.
        labels: Masks and label maps.
        fault: Why the case cannot be prepared, if that shows before reading.
    """

    subject: str
    session: str | None
    contrasts: list[Source] = field(default_factory=list)
    labels: list[Source] = field(default_factory=list)
    fault: DataError | None = None

    @property
    def case(self) -> str:
        """Name of the case and of its files."""
        return file_name_of(self.subject if self.session is None else f"{self.subject}_{self.session}")

    def add(self, source: Source, *, label: bool) -> None:
        """Adds a source; a second one for the same contrast is a fault of the case, not a choice of ours."""
        shelf = self.labels if label else self.contrasts
        twin = next((other for other in shelf if other.name == source.name), None)
        if twin is None:
            shelf.append(source)
            shelf.sort(key=lambda other: other.name)
        elif self.fault is None:
            self.fault = DataError(
                f"two files claim to be {source.name}: {twin.path.name} and {source.path.name}",
                path=source.path,
                field="contrast",
                value=source.name,
                remedy=_REMEDY,
            )


@dataclass
class Found:
    """What a search found: cases sorted by name, and files whose names say nothing."""

    cases: list[Case]
    ignored: list[Path]


def find_cases(source: str | Path, *, layout: Layout = "auto") -> Found:
    """Finds the cases below a folder or in a CSV.

    Args:
        source: Folder or ``.csv`` file.
        layout: ``auto`` chooses: a CSV file, BIDS where ``sub-*`` folders hold volumes, else folders, which may hold
            NIfTI files and DICOM series.

    Raises:
        DataError: If there is nothing to read.
        ValueError: If the layout is unknown.
    """
    source = Path(source)
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {LAYOUTS}, got {layout!r}")
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    chosen = _choose(source) if layout == "auto" else layout
    finder = {"bids": _from_bids, "folders": _from_folders, "dicom": _from_folders, "csv": _from_csv}[chosen]
    return _checked(finder(source), source, layout=chosen)


def _checked(found: Found, source: str | Path, *, layout: str) -> Found:
    """Cases sorted by name, or a refusal if there is none."""
    found.cases = sorted((case for case in found.cases if case.contrasts or case.fault), key=lambda case: case.case)
    if not found.cases:
        raise DataError(
            "no volume with a known contrast is here",
            path=source,
            field="layout",
            value=layout,
            remedy=f"{len(found.ignored)} other volumes were seen; {_REMEDY}" if found.ignored else _REMEDY,
        )
    return found


def cases_of(files: Sequence[str | Path], *, unnamed: str | None = None) -> Found:
    """The cases that some NIfTI files make up, grouped by their names and folders as in a search.

    Args:
        files: The files.
        unnamed: Contrast of a file whose name tells none; None ignores such a file. Its name is then the case's.

    Raises:
        DataError: If one does not exist, or none has a known contrast.
    """
    paths = [Path(file).absolute() for file in files]
    for path in paths:
        if not path.is_file():
            raise DataError("there is no such file", path=path, remedy="check the path")
    root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    volumes, ignored = [], []
    for path in paths:
        parts = path.parent.relative_to(root).parts
        volume = _nifti_volume(path, parts)
        if volume is None and unnamed is not None and not is_synthetic(path.name):
            volume = _Volume(parts, "contrast", stem_of(path.name), Source(unnamed, path))
        volumes.append(volume) if volume else ignored.append(path)
    return _checked(Found(_grouped(volumes, root), ignored), ", ".join(map(str, files[:3])), layout="files")


def _choose(source: Path) -> Layout:
    if source.is_file():
        if source.suffix.lower() == ".csv":
            return "csv"
        raise DataError(
            "a folder or a .csv file is expected", path=source, remedy="give the folder that holds this file"
        )
    return "bids" if any(_bids_files(source)) else "folders"


# ------------------------------------------------------------------------------------------------------------- BIDS
def _bids_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("sub-*_*.nii*")):
        if path.parent.name == "anat" and stem_of(path.name) != path.name:
            yield path


def _from_bids(root: Path) -> Found:
    cases: dict[tuple[str, str | None], Case] = {}
    ignored = []
    for path in _bids_files(root):
        stem = stem_of(path.name)
        entities = dict(re.findall(r"([a-zA-Z]+)-([a-zA-Z0-9.+]+)", stem))
        suffix = stem.rsplit("_", 1)[-1]
        label = suffix in ("dseg", "probseg", "mask") or "label" in entities
        contrast = None if label else contrast_of(suffix)
        if contrast == "T1" and "ce" in entities:
            contrast = "T1CE"
        derived = "derivatives" in path.relative_to(root).parts
        if not label and (contrast is None or derived):
            ignored.append(path)
            continue
        subject, session = f"sub-{entities['sub']}", f"ses-{entities['ses']}" if "ses" in entities else None
        case = cases.setdefault((subject, session), Case(subject, session))
        name = contrast or "_".join(filter(None, (entities.get("label"), entities.get("desc"), suffix)))
        case.add(Source(name, path), label=label)
    return Found(list(cases.values()), ignored)


# ---------------------------------------------------------------------------------------------------------- folders
@dataclass(frozen=True)
class _Volume:
    folder: tuple[str, ...]  # below the root
    kind: str
    prefix: str
    source: Source


def _from_folders(root: Path) -> Found:
    volumes: list[_Volume] = []
    ignored: list[Path] = []
    for folder, files in _walk(root):
        parts = folder.relative_to(root).parts
        nifti = [path for path in files if stem_of(path.name) != path.name and path.suffix.lower() != ".dcm"]
        for path in nifti:
            volume = _nifti_volume(path, parts)
            volumes.append(volume) if volume else ignored.append(path)
        if not nifti and any(is_dicom(path) for path in files[:3]):
            volumes += _dicom_volumes(folder, parts)
    return Found(_grouped(volumes, root), ignored)


def _walk(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield Path(folder), [Path(folder, name) for name in sorted(names) if not name.startswith(".")]


def _nifti_volume(path: Path, parts: tuple[str, ...]) -> _Volume | None:
    if is_synthetic(path.name):
        return None
    named = parse_stem(stem_of(path.name))
    if named.kind == "unknown":
        contrast = contrast_of(parts[-1]) if parts else None  # patient01/T1/image.nii.gz
        return _Volume(parts[:-1], "contrast", "", Source(contrast, path)) if contrast else None
    return _Volume(parts, named.kind, named.prefix, Source(named.name, path))


def _dicom_volumes(folder: Path, parts: tuple[str, ...]) -> list[_Volume]:
    """Every series of a folder; the folder's name tells the contrast before the series' own words do."""
    series = find_series(folder)
    spelled = contrast_of(folder.name)
    owner = parts[:-1] if spelled and parts else parts
    found = []
    for words, files in series.values():
        name = (spelled or contrast_in(folder.name)) if len(series) == 1 else None
        name = name or contrast_in(words) or "MR"
        found.append(_Volume(owner, "contrast", "", Source(name, folder, tuple(files))))
    return found


def _grouped(volumes: list[_Volume], root: Path) -> list[Case]:
    """Cases by folder and prefix; label files that name no case join the only case of their folder."""
    cases: dict[tuple[str, ...], Case] = {}
    by_folder: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for volume in sorted(volumes, key=lambda volume: volume.kind != "contrast"):  # contrasts first, they make cases
        key = _case_key(volume, root)
        if volume.kind == "label" and key not in cases:
            only = by_folder[volume.folder]
            if len(only) != 1:
                continue
            (key,) = only
        if key not in cases:
            cases[key] = Case(*subject_session(list(key)))
            by_folder[volume.folder].add(key)
        cases[key].add(volume.source, label=volume.kind == "label")
    return _told_apart(cases)


def _case_key(volume: _Volume, root: Path) -> tuple[str, ...]:
    folder = volume.folder or ((root.resolve().name,) if not volume.prefix else ())
    last = folder[-1] if folder else ""
    if not volume.prefix or volume.prefix == last:
        return folder
    if last and volume.prefix.startswith(last):  # patient01/patient01_study2_T1.nii.gz
        return (*folder[:-1], volume.prefix)
    return (*folder, volume.prefix)


def _told_apart(cases: dict[tuple[str, ...], Case]) -> list[Case]:
    """Cases of different folders that would share a name get the folders above as part of their session.

    The subject stays as it is: the same name may be the same patient, who must not be in two splits.
    """
    keys: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for key, case in cases.items():
        keys[case.case].append(key)
    for same in (same for same in keys.values() if len(same) > 1):
        for key in same:
            case = cases[key]
            above = [part for part in key[:-1] if part != case.subject]
            case.session = "_".join((*above, case.session) if case.session else above) or None
    return list(cases.values())


# -------------------------------------------------------------------------------------------------------------- CSV
def _from_csv(path: Path) -> Found:
    cases: dict[tuple[str, str | None], Case] = {}
    needed = ("subject", "contrast", "path")
    remedy = "the first line must be: subject,session,contrast,path (session may be left out)"
    for line, values in read_csv(path, needs=needed, remedy=remedy, rows=needed):
        _add_line(cases, values, path, line)
    return Found(list(cases.values()), [])


def _add_line(cases: dict[tuple[str, str | None], Case], values: dict[str, str], table: Path, line: int) -> None:
    subject, session = values["subject"], values.get("session") or None
    case = cases.setdefault((subject, session), Case(subject, session))
    path = table.parent / values["path"]
    label = parse_stem(values["contrast"]).kind == "label"
    name = values["contrast"].lower() if label else contrast_of(values["contrast"]) or values["contrast"].upper()
    if not path.exists():
        case.fault = case.fault or DataError(
            f"line {line} of {table.name} names a file that does not exist",
            path=path,
            field="path",
            value=values["path"],
        )
    files = tuple(sorted(file for file in path.iterdir() if is_dicom(file))) if path.is_dir() else ()
    case.add(Source(file_name_of(name), path, files), label=label)
