"""The volumes below a folder: NIfTI files and DICOM series, what each shows, and the names that tell whose it is."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from medmae.data.contrast_words import TEMPLATE_FOLDER
from medmae.data.contrasts import Named, contrast_of, entities_of, read_name
from medmae.data.identity.tree import Names, Unit
from medmae.data.identity.words import DATE, Role, published, role_of, without_shelf
from medmae.data.left_out import OTHER_FILE, SIDECAR, LeftOut, passed_over_in
from medmae.data.names import is_synthetic, stem_of, without_copy
from medmae.data.tree import folders_below
from medmae.data.volumes.dicom import is_dicom
from medmae.data.volumes.found import WHY, FoundVolume, Walked
from medmae.data.volumes.other_formats import SUFFIXES, parts_of
from medmae.data.volumes.series import called_as, shapes_of
from medmae.data.volumes.spm import SPM, made_by_spm
from medmae.data.volumes.volume_file import Source
from medmae.data.volumes.walk_dicom import dicom_volumes

_SIDECARS = frozenset({".bval", ".bvec", ".json", ".tsv"})  # of BIDS, and of converters of DICOM
# Words of a file name that tell how an image was taken or treated, never whose it is.
_ACQUISITION = re.compile(
    r"sag(?:ittal)?|ax(?:ial)?|cor(?:onal)?|tra(?:nsverse)?|obl|[23]d|t?se|tfe|tir|tirm|tfl|fl[23]d|fse|fs|fatsat|iso|hr|vibe|"
    r"space|cube|brain|head|native|reg|pp|n4|deface|defaced|bet|ss|stripped|skullstripped|acpc|dc|restore|ce|gd|km|"
    r"contrast|post|pre|with|without|non|dark|fluid|tra|file|axial|volume|img|image|nii|run-?\d*|acq\w*|desc-?\w*|\d{1,3}x\d{1,3}",
    re.IGNORECASE,
)
_DATES = re.compile(rf"(?<!\d){DATE}|(?<!\d)(?:19|20)\d{{12}}(?!\d)")
_NUMBER = re.compile(r"\d{1,4}[a-h]?")  # as converters add it: dcm2niix has t1_mprage_sag_3a for a part of series 3
_DERIVED = {"derivatives", "sourcedata"}
_UNREAD = (".mnc", ".par", ".rec", ".brik", ".head", ".gipl", ".img")  # volumes elsewhere
_Folder = tuple[str, ...]
_BESIDE = "DICOM beside NIfTI files of the same folder"
_SYNTHETIC = "made by a network"
_TEMPLATE = "in a folder of a template or atlas, which is nobody's image"
_BIDS_OTHERS = {"func", "fmap", "dwi", "perf", "eeg", "meg", "ieeg", "pet", "micr", "beh", "motion", "nirs"}


def walk(root: Path, *, salt: Path | None) -> Walked:
    """Searches a folder.

    Args:
        root: The folder.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
    """
    nifti: list[tuple[Path, _Folder]] = []
    found = Walked(left=passed_over_in(root))
    for folder, files in folders_below(root):
        parts = folder.relative_to(root).parts
        own = {path: None for path in files if is_nifti(path)}
        nifti += [(path, parts) for path in own]
        dicom = {path for path in files if path not in own and is_dicom(path)}
        if dicom:
            series = dicom_volumes(folder, parts, found, salt=salt)
            # Beside images of NIfTI, DICOM is mostly what they were converted from.
            converted = any(read_name(stem_of(path.name)).kind in ("contrast", "unknown") for path in own)
            found.volumes += [] if converted else series
            beside = [path for volume in series if converted for path in volume.source.files]
            found.left += [LeftOut(path, _BESIDE) for path in beside]
        if len(own) + len(dicom) < len(files):
            taken = {*dicom, *(part for path in own for part in parts_of(path))}
            shapes, alone = shapes_of(dicom), not own
            others = [path for path in files if path not in taken]
            found.left += [left_out(path, dicom=dicom, shapes=shapes, alone=alone) for path in others]
    volumes, no_images = nifti_volumes(nifti)
    found.volumes += volumes
    found.left += no_images
    _part_derived(found)
    return found


def _part_derived(found: Walked) -> None:
    """Leaves out what other programs keep, under names of their own, in the derivatives or sources of a BIDS set.

    FreeSurfer's label maps are as its images are, in a space of its own; others may well be lesions, and stay.
    """
    roots = {one.bids[0] for one in found.volumes if one.bids and one.unit.counts}
    kept = []
    for one in found.volumes:
        shelf = next((part for part in one.parts if part in _DERIVED), None)
        foreign = one.named.kind == "contrast" or (one.source.path.suffix in (".mgz", ".mgh"))
        if one.bids is None and shelf and foreign and one.parts[: one.parts.index(shelf)] in roots:
            kind = "an image" if one.named.kind == "contrast" else "a label map"
            found.left += [LeftOut(path, f"{kind} of BIDS {shelf}") for path in one.source.files or (one.source.path,)]
        else:
            kept.append(one)
    found.volumes = kept


def left_out(path: Path, *, dicom: Collection[Path], shapes: Collection[str], alone: bool) -> LeftOut:
    """Why a file that is neither is left out; one that is called as a slice is a damaged slice.

    Args:
        path: The file.
        dicom: The DICOM files of its folder.
        shapes: How these are called, see :func:`medmae.data.volumes.series.shapes_of`.
        alone: Whether no volume of a format that is read lies beside it.
    """
    if path in dicom:
        return LeftOut(path, _BESIDE)
    if called_as(path, shapes):
        return LeftOut(path, "called as DICOM is, and its first bytes are not of DICOM", damaged=True)
    if path.suffix.lower() in _UNREAD:
        return LeftOut(path, "a volume of a format that is not read, to be converted to NIfTI", damaged=alone)
    return LeftOut(path, SIDECAR if path.suffix.lower() in _SIDECARS else OTHER_FILE)


def is_nifti(path: Path) -> bool:
    """Whether a name is that of a volume in one file: NIfTI, FreeSurfer, Analyze, NRRD or MetaImage."""
    return path.name.lower().endswith((".nii", ".nii.gz", *SUFFIXES))


def nifti_volumes(files: Iterable[tuple[Path, tuple[str, ...]]]) -> tuple[list[FoundVolume], list[LeftOut]]:
    """Images and label maps among some NIfTI files, and those that are neither, with the reason.

    Args:
        files: Path, and its folders below the root, of each.
    """
    files = list(files)
    names = _folder_names(files)
    found = {path: _nifti_volume(path, parts, names) for path, parts in files}
    found |= dict.fromkeys(made_by_spm(found), SPM)
    volumes = [volume for volume in found.values() if isinstance(volume, FoundVolume)]
    return volumes, [LeftOut(path, why) for path, why in found.items() if isinstance(why, str)]


def unnamed_volume(path: Path, parts: tuple[str, ...], contrast: str) -> FoundVolume:
    """A file whose name tells no contrast, taken for one; its name is its patient's."""
    stem = stem_of(path.name)
    return FoundVolume(parts, Named("contrast", contrast), Source(contrast, path), _unit(parts, stem, (*parts, stem)))


def _unit(parts: tuple[str, ...], stem: str, names: Names, *, counts: bool = True) -> Unit:
    return Unit(path="/".join((*parts, stem)), names=names, counts=counts)


def _folder_names(files: list[tuple[Path, tuple[str, ...]]]) -> dict[tuple[str, ...], str]:
    """What each folder says of identity: its name, without what it says of the images in it.

    A folder that is called as a contrast and holds others is a visit, as in MSLesSeg: ``P1/T2/P1_T2_FLAIR``. Of folders
    that differ in a contrast, such as ``IXI-T1`` and ``IXI-T2``, what they share counts; of the numbered series of a
    study, such as ``3-T1`` and ``4-T2``, nothing does.
    """
    shown: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path, parts in files:
        named = read_name(_without_folders(stem_of(path.name), parts))
        for end in range(1, len(parts) + 1):
            shown[parts[:end]] |= {named.name} if named.kind == "contrast" else set()
    said = {folder: read_name(folder[-1]) for folder in shown}
    shared = {folder: " ".join(_own_names(named, alone=True)) for folder, named in said.items()}
    family = Counter((folder[:-1], shared[folder]) for folder, named in said.items() if named.kind == "contrast")
    series = _series_folders(said, shared)
    names = {folder: folder[-1] for folder in shown}
    for folder, named in said.items():
        alone = not named.before and not named.after
        holds_others = bool(shown[folder] - {named.name})
        unnumbered = not any(letter.isdigit() for letter in folder[-1])
        if folder in series or (named.kind == "label" and alone and unnumbered):
            names[folder] = ""
        elif named.kind == "contrast" and not holds_others and (alone or family[folder[:-1], shared[folder]] > 1):
            names[folder] = shared[folder]
    return names


def _series_folders(said: Mapping[_Folder, Named], shared: Mapping[_Folder, str]) -> set[_Folder]:
    """Folders that a number and a contrast name, where no other of the same parent has either: series of one study."""
    beside: dict[_Folder, list[_Folder]] = defaultdict(list)
    for folder, named in said.items():
        if named.kind == "contrast" and shared[folder].isdigit():
            beside[folder[:-1]].append(folder)
    return {
        folder
        for some in beside.values()
        for folder in some
        if len({said[one].name for one in some}) == len({shared[one] for one in some}) == len(some) > 1
    }


def _nifti_volume(path: Path, parts: tuple[str, ...], names_of: Mapping[tuple[str, ...], str]) -> FoundVolume | str:
    """The volume, or why it is none."""
    stem = without_copy(stem_of(path.name))
    if is_synthetic(path.name):
        return _SYNTHETIC
    if any(TEMPLATE_FOLDER.fullmatch(part) for part in parts):
        return _TEMPLATE
    entities = entities_of(stem)
    if "sub" in entities and stem.startswith("sub-"):
        return _bids_volume(path, parts, stem, entities)
    own = _without_folders(stem, parts)
    named = read_name(own) if own else Named("unknown", "")
    if named.kind == "unknown":
        named = _by_folder(named, parts)
    if named.kind not in ("contrast", "label"):
        return WHY[named.kind]
    folders = [name for end in range(1, len(parts) + 1) if (name := names_of[parts[:end]])]
    whole = read_name(stem).before
    alone = not any(role_of(part) is not Role.SHELF for part in folders)
    own_names = [whole] if published(whole) else _own_names(named, alone=alone)
    unit = _unit(parts, stem_of(path.name), (*folders, *own_names), counts=named.kind == "contrast")
    before = _without_acquisition(named.before)
    if alone and _NUMBER.fullmatch(before or next(iter(own_names), "")):
        unit = replace(unit, shows=named.name, behind=not before)
    return FoundVolume(parts, named, Source(named.name, path), unit)


def _bids_volume(path: Path, parts: tuple[str, ...], stem: str, entities: dict[str, str]) -> FoundVolume | str:
    named = read_name(stem)
    own = f"sub-{entities['sub']}"
    if named.kind not in ("contrast", "label"):
        return WHY[named.kind]
    if named.kind == "contrast" and (shelf := next((part for part in parts if part in _DERIVED), None)):
        return f"an image of BIDS {shelf}"
    if parts and parts[-1] in _BIDS_OTHERS:
        return f"BIDS {parts[-1]}, which is no anatomy"
    session = f"ses-{entities['ses']}" if "ses" in entities else None
    source = Source(named.name, path)
    unit = _unit(parts, stem, (*parts, own, *([session] if session else [])), counts=named.kind == "contrast")
    folder = next((place for place, part in enumerate(parts) if part == own), None)
    if folder is None:  # not in a folder of its subject: read as any other file
        return FoundVolume(parts, named, source, unit)
    cut = next((place for place, part in enumerate(parts) if part in _DERIVED), folder)
    return FoundVolume(parts, named, source, unit, bids=(parts[:cut], own, session))


def _without_folders(stem: str, parts: tuple[str, ...]) -> str:
    """A name without what its folders say already: ``P1/T2/P1_T2_FLAIR`` is a ``FLAIR``."""
    said = sorted({form for part in parts for form in (part, without_shelf(part))}, key=len, reverse=True)
    while cut := next((form for form in said if _begins(stem, form)), None):
        stem = stem[len(cut) :].lstrip("_-. ")
        said.remove(cut)  # each once: P1/T1/P1_T1_T1 is a T1
    return stem


def _begins(stem: str, form: str) -> bool:
    return stem.lower().startswith(form.lower()) and not stem[len(form) : len(form) + 1].isalnum()


def _by_folder(named: Named, parts: tuple[str, ...]) -> Named:
    """What the innermost folders say of a file whose name says nothing: ``patient01/T1/image``, ``T1/patient01``."""
    inner = [found for part in parts[-1:] if (found := read_name(part)).kind != "unknown"]
    outer = [found for part in reversed(parts[:-1]) if (found := read_name(part)).kind == "contrast"]
    said = next(iter([*inner, *outer]), named)
    return Named(said.kind, said.name, named.before)


def _own_names(named: Named, *, alone: bool) -> list[str]:
    """Names in what a file is called besides what it shows: before the contrast; after it if nothing else tells."""
    dates = [match.group() for match in _DATES.finditer(named.after)]
    before = _without_acquisition(named.before)
    if before or not alone:
        return [*filter(None, [before]), *dates]
    after = _without_acquisition(_DATES.sub("", named.after))
    return [*([after] if re.search(r"\d", after) else []), *dates]


def _without_acquisition(text: str) -> str:
    """A name without the words at its ends that say how an image was taken."""
    words = re.findall(r"[^_\-. ]+|[_\-. ]+", text.strip("_-. "))
    while words and (_ACQUISITION.fullmatch(words[-1]) or contrast_of(words[-1]) or not words[-1].strip("_-. ")):
        words.pop()
    while words and (_ACQUISITION.fullmatch(words[0]) or not words[0].strip("_-. ")):
        words.pop(0)
    return "".join(words)
