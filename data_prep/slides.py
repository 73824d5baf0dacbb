"""Finding slides: files that OpenSlide may read, and what a table says of them."""

from __future__ import annotations

import glob
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medmae.data.identity.files import patients_of
from medmae.data.identity.given import Given
from medmae.data.identity.tree import Unit
from medmae.data.images.decode import SUFFIXES as PICTURES
from medmae.data.left_out import OTHER_FILE, LeftOut, passed_over_in, spoken
from medmae.data.names import file_name_of
from medmae.data.table_files import read_csv
from medmae.data.tree import files_below
from medmae.data.volumes.dicom import is_dicom
from medmae.errors import DataError

SUFFIXES = (
    *(".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".svslide", ".vms", ".vmu", ".czi"),
    *(".qptiff", ".vsi", ".btf", ".tf8", ".tf2"),
)
_DICOM = ".dcm"
_UNREAD = (".isyntax", ".i2syntax", ".kfb", ".sdpc", ".mds", ".mdsx", ".tmap", ".lif", ".nd2", ".zvi", ".oir", ".ets")
_NO_SLIDES = (*PICTURES, *_UNREAD, ".csv", ".txt", ".json", ".xml", ".md", ".pdf", ".zip", ".dat", ".ini", ".opt")
_WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"  # DICOM storage class: VL whole slide microscopy
_KNOWN = ("patient", "mpp", "label")
_REMEDY = "the first line must be: slide, and some of patient,mpp,label"


@dataclass(frozen=True, kw_only=True)
class SlideSource:
    """One slide on disk.

    Args:
        case: Name of its shard.
        path: Main file, which OpenSlide is given.
        files: All files that belong to it.
        subject: Patient.
        known: Whether the patient is known, rather than the slide taken for one.
        mpp: Microns a level-0 pixel, as the table has it.
        label: Of the slide, as the table has it.
    """

    case: str
    path: Path
    files: tuple[Path, ...]
    subject: str
    known: bool
    mpp: float | None = None
    label: str | None = None
    session: str | None = None

    @property
    def content(self) -> str:
        """Its class, if it has one."""
        return self.label or "slide"


def find_slides(
    source: Path, *, table: Path | None = None, given: Given | None = None, left: list[LeftOut] | None = None
) -> list[SlideSource]:
    """The slides below a folder (or the one given), sorted by name.

    The patient of a slide is what the table says, else what the user says, else what its name says in words or as a
    published scheme does, else the slide itself.

    Args:
        source: Folder, or a slide's main file.
        table: CSV with ``slide`` and some of ``patient,mpp,label``. A slide is called as its file, with or without
            suffix, or, if it is DICOM, as its folder.
        given: What the user says of patients.
        left: Gets all other files, with the reason.

    Raises:
        DataError: No slide; a table that names slides which are not there, or not all patients; names of which several
            could be one patient's.
    """
    if not source.exists():
        raise DataError("there is no such file or folder", path=source, remedy="check the path")
    files, others = _slide_files(source)
    if not files:
        remedy = "; ".join([*spoken(others), "give slides that OpenSlide opens"])
        raise DataError("no slide is here", path=source, field="suffixes", value=(*SUFFIXES, _DICOM), remedy=remedy)
    if left is not None:
        left += others
    names = _names(files, source)
    lines = {} if table is None else _lines(table, names)
    told = any(line.get("patient") for line in lines.values())
    patients = (
        [None] * len(files)
        if told
        else patients_of([_unit(path, source) for path in files], source=source, given=given)
    )
    found = []
    for (path, parts), whose in zip(files.items(), patients, strict=True):
        line = lines.get(path, {})
        patient = line.get("patient") or whose
        found.append(
            SlideSource(
                case=names[path],
                path=path,
                files=parts,
                subject=patient or names[path],
                known=patient is not None,
                mpp=_mpp(line, table),
                label=line.get("label") or None,
            )
        )
    return sorted(found, key=lambda slide: slide.case)


def _unit(path: Path, source: Path) -> Unit:
    folder = path.parent.parent if _is_series(path) and path.parent != source else path.parent
    parts = folder.relative_to(source).parts if folder.is_relative_to(source) else ()
    names = (*parts, _short(path))
    return Unit(path="/".join(names), names=names)


def _slide_files(source: Path) -> tuple[dict[Path, tuple[Path, ...]], list[LeftOut]]:
    """Main file -> all files of each slide; and what belongs to none."""
    files = [source] if source.is_file() else files_below(source)
    found = {path: (path, *_beside(path)) for path in files if path.suffix.lower() in SUFFIXES}
    parts = {part for some in found.values() for part in some}
    others = [path for path in files if path not in parts]
    dicom = [path for path in others if path.suffix.lower() not in _NO_SLIDES and is_dicom(path)]
    found |= _dicom_slides(dicom) if dicom else {}
    found |= {path: (path,) for path in others if path.suffix.lower() not in _NO_SLIDES and _is_tiff(path)}
    parts = {part for some in found.values() for part in some}
    hidden = passed_over_in(source) if source.is_dir() else []
    return found, [*hidden, *(_left_out(path, path in dicom) for path in others if path not in parts)]


def _left_out(path: Path, dicom: bool) -> LeftOut:
    suffix = path.suffix.lower()
    if dicom:
        return LeftOut(path, "DICOM that is no whole slide, or a label or overview by itself")
    if suffix == _DICOM:
        return LeftOut(path, "called as DICOM is, and its first bytes are not of DICOM", damaged=True)
    if suffix in _UNREAD:
        return LeftOut(path, "a slide of a format that is not read, to be converted to a tiled TIFF", damaged=True)
    return LeftOut(path, "a picture, and no slide: medmae prep tiles" if suffix in PICTURES else OTHER_FILE)


def _is_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except OSError:
        return False


def _beside(path: Path) -> list[Path]:
    """The other files of a slide: MIRAX and Olympus keep tiles in a folder of its name, Hamamatsu beside it."""
    suffix = path.suffix.lower()
    if suffix in (".vms", ".vmu"):
        return sorted(other for other in path.parent.glob(f"{glob.escape(path.stem)}*") if other != path)
    folder = path.with_suffix("") if suffix == ".mrxs" else path.with_name(f"_{path.stem}_")
    if suffix not in (".mrxs", ".vsi") or not folder.is_dir():
        return []
    return files_below(folder)


def _dicom_slides(paths: list[Path]) -> dict[Path, tuple[Path, ...]]:
    """One slide a series and folder, if it has a volume: a label that is a series by itself is no slide."""
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "DICOM slides need the package pydicom: pip install pydicom", name="pydicom"
        ) from error
    series: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    main: dict[Path, tuple[Path, str]] = {}
    tags = ["SOPClassUID", "SeriesInstanceUID", "ImageType"]
    for path in paths:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        if header.get("SOPClassUID") != _WHOLE_SLIDE:
            continue
        key = path.parent, str(header.get("SeriesInstanceUID"))
        series[key].append(path)
        if "VOLUME" in header.get("ImageType", ()) and key not in main.values():
            main[path] = key
    return {path: tuple(series[key]) for path, key in main.items()}


def _short(path: Path) -> str:
    """What a slide is called: its file without suffix, or the folder of a DICOM slide, whose files say nothing."""
    return path.parent.name if _is_series(path) else path.stem


def _is_series(path: Path) -> bool:
    """Whether a main file is one of a DICOM slide, which have many names or none."""
    return path.suffix.lower() not in SUFFIXES and not _is_tiff(path)


def _names(files: Iterable[Path], source: Path) -> dict[Path, str]:
    """Names of the cases; where two slides are called the same, the folders above tell them apart."""
    times = Counter(file_name_of(_short(path)) for path in files)
    long = {path: "_".join(path.relative_to(source).parts) for path in files}
    return {
        path: file_name_of(_short(path) if times[file_name_of(_short(path))] == 1 else name)
        for path, name in long.items()
    }


def _lines(table: Path, names: dict[Path, str]) -> dict[Path, dict[str, str]]:
    """The table's line of each slide: by the name of its case, or of its file where no other is called the same."""
    lines: dict[str, dict[str, str]] = {}
    for number, line in read_csv(table, needs=("slide",), known=_KNOWN, remedy=_REMEDY, rows=("slide",)):
        if line["slide"] in lines:
            raise DataError(f"line {number} names a slide again", path=table, field="slide", value=line["slide"])
        lines[line["slide"]] = line
    called = {
        path: (case, path.name, _short(path)) if case == file_name_of(_short(path)) else (case,)
        for path, case in names.items()
    }
    found = {path: lines[name] for path, some in called.items() for name in some if name in lines}
    unknown = sorted(set(lines) - {line["slide"] for line in found.values()})
    if unknown:
        raise DataError(
            f"the table names slides that are not here: {', '.join(unknown[:10])}",
            path=table,
            field="slide",
            value=len(unknown),
            remedy="correct the names: those of files, or of cases where two files are called the same",
        )
    bare = sorted(path.name for path in names if not found.get(path, {}).get("patient"))
    if any(line.get("patient") for line in lines.values()) and bare:
        raise DataError(
            f"the table tells no patient of {len(bare)} slides: {', '.join(bare[:10])}",
            path=table,
            field="patient",
            value=len(bare),
            remedy="name a patient for each slide, or for none",
        )
    return found


def _mpp(line: dict[str, str], table: Path | None) -> float | None:
    text = line.get("mpp")
    try:
        value = float(text) if text else None
    except ValueError:
        value = -1.0
    if value is not None and not 0.01 <= value <= 50:
        raise DataError(
            f"the table says nothing plausible of slide {line['slide']}",
            path=table,
            field="mpp",
            value=text,
            remedy="give the microns a level-0 pixel, between 0.01 and 50",
        )
    return value
