"""Finding cases: BIDS, folders (BraTS-like), CSV, DICOM series in folders, lists of files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from medmae.data.contrasts import Named
from medmae.data.identity.doubts import checked, refuse
from medmae.data.identity.endings import endings
from medmae.data.identity.given import Given, contrasts_of, identify, lines_of
from medmae.data.identity.spelling import alike
from medmae.data.identity.tree import Identity
from medmae.data.images.decode import SUFFIXES as PICTURES
from medmae.data.left_out import LeftOut, spoken
from medmae.data.names import file_name_of, is_synthetic, stem_of
from medmae.data.tree import require_there
from medmae.data.volumes.case import REMEDY, Case
from medmae.data.volumes.case_table import cases_of_table, named_in_table
from medmae.data.volumes.claims import RunRule, settled
from medmae.data.volumes.found import FoundVolume, Walked
from medmae.data.volumes.walk import is_nifti, nifti_volumes, unnamed_volume, walk
from medmae.errors import DataError, check_choice

Layout = Literal["auto", "bids", "folders", "csv", "dicom"]
LAYOUTS = ("auto", "bids", "folders", "csv", "dicom")
_Placed = tuple[FoundVolume, Identity]
_Key = tuple[object, ...]


@dataclass
class Found:
    """What a search found.

    Args:
        cases: Sorted by name.
        left_out: Files that are no images or label maps of a case, with the reason.
    """

    cases: list[Case]
    left_out: list[LeftOut]


def find_cases(
    source: str | Path,
    *,
    layout: Layout = "auto",
    given: Given | None = None,
    strict: bool = True,
    salt: Path | None = None,
    run: RunRule | None = None,
) -> Found:
    """Finds the cases below a folder or in a CSV.

    Args:
        source: Folder or ``.csv`` file.
        layout: ``auto`` takes a CSV file, or whatever lies below a folder: BIDS by its names, all else by folders.
            ``bids`` passes over what is not BIDS.
        given: What the user says of patients; None reads names, see :mod:`medmae.data.identity.tree`.
        strict: Whether it is refused if it does not show who is one patient.
        salt: File of the salt of identifiers' hashes, written if it is needed; None draws one for this process.
        run: Which of several runs of a contrast counts; see :mod:`medmae.data.volumes.claims`.

    Raises:
        DataError: If there is nothing to read, or it does not show who is one patient.
        ValueError: If the layout is unknown.
    """
    source = Path(source)
    check_choice(layout, LAYOUTS, name="layout")
    require_there(source)
    if layout == "csv" or (layout == "auto" and source.is_file() and source.suffix.lower() == ".csv"):
        return _checked(Found(cases_of_table(source), []), source, layout="csv", run=run)
    if source.is_file():
        raise DataError(
            "a folder or a .csv file is expected", path=source, remedy="give the folder that holds this file"
        )
    walked = walk(source, salt=salt)
    volumes, left = walked.volumes, walked.left
    if layout == "bids":
        others = [volume.source for volume in volumes if volume.bids is None]
        left += [LeftOut(path, "not BIDS, --layout bids") for one in others for path in one.files or (one.path,)]
        volumes = [volume for volume in volumes if volume.bids is not None]
    given = given or Given()
    if given.subjects is not None:
        volumes, left = _overruled(replace(walked, volumes=volumes), source, Path(given.subjects))
    cases, alone = _cases(volumes, source, given, strict=strict)
    return _checked(Found(cases, [*left, *alone]), source, layout=layout, run=run)


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
    parts = {path: path.parent.relative_to(root).parts for path in paths}
    volumes, left = nifti_volumes(parts.items())
    if unnamed is not None:
        taken = [one.path for one in left if not is_synthetic(one.path.name)]
        volumes += [unnamed_volume(path, parts[path], unnamed) for path in taken]
        left = [one for one in left if is_synthetic(one.path.name)]
    cases, alone = _cases(volumes, root, Given(), strict=False)
    return _checked(Found(cases, [*left, *alone]), ", ".join(map(str, files[:3])), layout="files")


def _checked(found: Found, source: str | Path, *, layout: str, run: RunRule | None = None) -> Found:
    """Cases sorted by name, each with one file a contrast, or a refusal if there is none."""
    cases = []
    for case in found.cases:
        own, left = settled(case, run=run)
        cases += own
        found.left_out += left
    found.cases = sorted((case for case in cases if case.contrasts or case.fault), key=lambda case: case.case)
    found.left_out.sort()
    if not found.cases:
        raise DataError(
            "no volume with a known contrast is here",
            path=source,
            field="layout",
            value=layout,
            remedy="; ".join([*spoken(found.left_out), _remedy(found.left_out)]),
        )
    return found


def _remedy(left: Sequence[LeftOut]) -> str:
    """What helps where nothing is a volume: a table helps only where some file may be one."""
    if not left:
        return "it holds no file: check the path"
    if all(one.path.suffix.lower() in PICTURES for one in left):
        return (
            "pictures are read by medmae prep tiles, or without preparation by medmae run image_mae_pretraining train"
        )
    return REMEDY


def _cases(
    volumes: Sequence[FoundVolume], source: Path, given: Given, *, strict: bool
) -> tuple[list[Case], list[LeftOut]]:
    """Cases, and label maps that belong to none."""
    if given.subjects is not None:
        lines = lines_of(Path(given.subjects), [volume.unit.path for volume in volumes])
        volumes = [_renamed(volume, lines[volume.unit.path].get("contrast", "")) for volume in volumes]
    bids = [] if given.says else [volume for volume in volumes if volume.bids]
    others = [volume for volume in volumes if given.says or not volume.bids]
    found = identify([volume.unit for volume in others], source=source, given=given, strict=strict)
    placed = [*_bids_identities(bids), *zip(others, found, strict=True)]
    if strict and bids:
        labels: dict[object, set[str]] = defaultdict(set)
        for root, label, _ in (volume.bids for volume in bids if volume.bids and volume.unit.counts):
            labels[root].add(label)
        names = {one.subject for volume, one in placed if volume.unit.counts}
        doubts = [
            *alike(names),
            *(doubt for some in labels.values() for doubt in endings(some, {})),
        ]
        refuse(checked(doubts, [volume.unit.path for volume in bids if volume.unit.counts]), path=source)
    return _grouped(placed)


def _overruled(walked: Walked, root: Path, table: Path) -> tuple[list[FoundVolume], list[LeftOut]]:
    """The same with the files and series that say no image themselves, of which the user's table names the contrast."""
    said = contrasts_of(table)
    named = {
        one.path: contrast
        for one in walked.left
        if is_nifti(one.path) and (contrast := said.get(stem_of(one.path.relative_to(root).as_posix())))
    }
    volumes = list(walked.volumes)
    for path, contrast in named.items():
        parts = path.parent.relative_to(root).parts
        volume = unnamed_volume(path, parts, contrast)
        # Its own name says nothing of a visit either, unless nothing else does.
        volumes.append(replace(volume, unit=replace(volume.unit, names=parts or volume.unit.names)))
    series = [one for one in walked.held if {one.unit.path, one.unit.path.rpartition("/")[2]} & set(said)]
    taken = {*named, *(file for one in series for file in one.source.files)}
    return [*volumes, *series], [one for one in walked.left if one.path not in taken]


def _renamed(volume: FoundVolume, contrast: str) -> FoundVolume:
    """A volume as the user's table calls it."""
    if not contrast:
        return volume
    name, label = named_in_table(contrast)
    unit = replace(volume.unit, counts=not label)
    return replace(
        volume,
        named=Named("label" if label else "contrast", name),
        source=replace(volume.source, name=name, said=True),
        unit=unit,
    )


def _bids_identities(volumes: Sequence[FoundVolume]) -> list[_Placed]:
    """Subjects of BIDS files: labels are those of a data set, so that those of two data sets are two people."""
    known = [(volume, volume.bids) for volume in volumes if volume.bids]
    roots = sorted({root for volume, (root, _, _) in known if volume.unit.counts})
    placed = []
    for volume, (root, subject, session) in known:
        own = root if root in roots else next((other for other in roots if other[: len(root)] == root), root)
        name = "_".join((*own, subject)) if len(roots) > 1 and own else subject
        placed.append((volume, Identity(file_name_of(name) if name != subject else subject, session)))
    return placed


def _grouped(placed: Iterable[_Placed]) -> tuple[list[Case], list[LeftOut]]:
    """Cases by visit; where a visit has two images of one contrast, its inner names tell them apart."""
    visits: dict[_Key, list[_Placed]] = defaultdict(list)
    labels: list[_Placed] = []
    for volume, one in placed:
        if volume.named.kind == "label":
            labels.append((volume, one))
        else:
            visits[one.above, one.subject, one.session].append((volume, one))
    cases: dict[_Key, Case] = {}
    near: dict[_Key, set[_Key]] = defaultdict(set)  # cases of each visit, folder and patient
    for key, some in visits.items():
        names = [volume.source.name for volume, _ in some]
        apart = len(set(names)) < len(names) and len({one.inner for _, one in some}) > 1
        for volume, one in some:
            full = (*key, one.inner if apart else ())
            if full not in cases:
                words = [word for word in (one.session, *(one.inner if apart else ())) if word]
                cases[full] = Case(one.subject, "_".join(words) or None)
            cases[full].add(volume.source, label=False)
            for place in _places(volume, one):
                near[place].add(full)
    alone = [volume.source.path for volume, one in labels if not _joined(volume, one, cases, near)]
    left = [LeftOut(path, "a label map that belongs to no case") for path in alone]
    return _told_apart(cases), left


def _places(volume: FoundVolume, one: Identity) -> tuple[_Key, _Key, _Key]:
    """What a volume shares with others, from near to far: visit, folder, patient."""
    return ("visit", one.above, one.subject, one.session), ("folder", volume.parts), ("patient", one.subject)


def _joined(volume: FoundVolume, one: Identity, cases: dict[_Key, Case], near: dict[_Key, set[_Key]]) -> bool:
    """Gives a label map to its case: of its own names, else the only one of its visit, folder or patient."""
    visit = (one.above, one.subject, one.session)
    own: set[_Key] = {key for key in ((*visit, one.inner), (*visit, ())) if key in cases}
    groups: list[set[_Key]] = [own, *(near.get(place, set()) for place in _places(volume, one))]
    (key,) = next((some for some in groups if len(some) == 1), {None})
    if key is not None:
        cases[key].add(volume.source, label=True)
    return key is not None


def _told_apart(cases: dict[_Key, Case]) -> list[Case]:
    """Cases of different folders that would share a name get the folders above as part of their session.

    The subject stays as it is: the same name may be the same patient, who must not be in two splits.
    """
    keys: dict[str, list[_Key]] = defaultdict(list)
    for key, case in cases.items():
        keys[case.case].append(key)
    for same in (same for same in keys.values() if len(same) > 1):
        for key in same:
            case, above = cases[key], [str(part) for part in key[0]]  # type: ignore[attr-defined]
            case.session = "_".join((*above, case.session) if case.session else above) or None
    return list(cases.values())
