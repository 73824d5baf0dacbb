"""The series of a folder, by their UIDs: what each shows, whose it is, and whether slices of it may be missing.

Of identifiers only salted hashes are seen.
"""

from __future__ import annotations

import filecmp
import itertools
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medmae.data.contrasts import Named, dicom_contrast
from medmae.data.identity.headers import salt_of, salted
from medmae.data.left_out import LeftOut
from medmae.data.volumes.dicom import header_of, is_dicom, tag_of
from medmae.errors import DataError

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

# Tags that are read.
_SERIES, _STUDY, _PATIENT, _IMAGE = "0020|000e", "0020|000d", "0010|0020", "0008|0018"
_WORDS = ("0008|103e", "0018|1030", "0018|0024", "0008|0060")  # series description, protocol, sequence, modality
_AGENT, _IMAGE_TYPE = "0018|0010", "0008|0008"
_NUMBER, _INSTANCE, _IN_ACQUISITION = "0020|0011", "0020|0013", "0020|1002"
SUFFIXES = (".dcm", ".dicom", ".ima")  # of DICOM, which need not have them
_DIGITS = re.compile(r"\d+")
UNPARSABLE = Exception  # the boundary to pydicom: a damaged file makes it raise anything


@dataclass(frozen=True)
class Series:
    """One series of a folder.

    Args:
        named: What it shows, by its words and tags.
        patient: Salted hash of PatientID; None if that means nobody.
        study: The same of StudyInstanceUID.
        words: What its header calls it.
        number: Of the series in its study, 0 if unknown.
        files: Of the series.
        instances: Number of each file in the series, as far as it is known.
        promised: Images that the scanner says it acquired, if it does.
        damaged: Files that cannot be read and may be slices of this series.
    """

    named: Named
    patient: str | None
    study: str | None
    words: str = ""
    number: int = 0
    files: list[Path] = field(default_factory=list)
    instances: list[int] = field(default_factory=list)
    promised: int | None = None
    damaged: list[Path] = field(default_factory=list)

    @property
    def flags(self) -> tuple[str, ...]:
        """What speaks for slices that are missing at an end, where no gap shows it."""
        known = sorted(self.instances)
        flags = [f"unreadable_slices:{len(self.damaged)}"] if self.damaged else []
        if self.promised is not None and len(self.files) < self.promised:
            flags.append(f"slices:{len(self.files)}/{self.promised}")
        steps = {after - before for before, after in itertools.pairwise(known)}
        if len(known) == len(self.files) and (known[0] > 1 or len(steps) > 1):
            flags.append(f"instances:{known[0]}-{known[-1]}")
        return tuple(flags)


def find_series(
    folder: str | Path, *, salt: Path | None = None, left: list[LeftOut] | None = None
) -> dict[str, Series]:
    """The series that lie directly in a folder, by their UID.

    Args:
        folder: The folder.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
        left: Gets the files that hold no image (a DICOMDIR, a structured report) or cannot be read; None refuses them.

    Raises:
        DataError: If there is such a file and ``left`` is None.
    """
    key = salt_of(salt)
    found: dict[str, Series] = {}
    files = sorted(file for file in Path(folder).iterdir() if file.is_file() and not file.name.startswith("."))
    dicom = [file for file in files if is_dicom(file)]
    shapes, known = shapes_of(dicom), set(dicom)
    broken = [file for file in files if file not in known and called_as(file, shapes)]
    first: dict[tuple[str, str], Path] = {}
    for path in dicom:
        try:
            reader = header_of(path)
            uid = tag_of(reader, _SERIES)
            one = found.setdefault(uid, _series(reader, key))
            stranger = _stranger(one, path, reader, key, first.setdefault((uid, tag_of(reader, _IMAGE)), path))
        except DataError as error:
            if left is None:
                raise
            left.append(unusable(path, error))
            broken += [path] if left[-1].damaged else []
            continue
        if stranger is not None:
            if left is None and stranger.damaged:
                raise DataError(stranger.why, path=path, field="PatientID", remedy="export the series again")
            left = [] if left is None else left
            left.append(stranger)
            one.damaged.extend([path] if stranger.damaged else [])
            continue
        one.files.append(path)
        instance = _whole(reader, _INSTANCE)
        one.instances.extend([] if instance is None else [instance])
    for path in broken:
        own = _series_of_damaged(path)
        # Where the file does not tell, it may be a slice of any series that is not known to be complete.
        for uid in [own] if own in found else [uid for uid, one in found.items() if len(one.files) != one.promised]:
            found[uid].damaged.append(path)
    return found


def _series(reader: sitk.ImageFileReader, key: bytes) -> Series:
    """A series without files, as one of its headers tells it."""
    words = [tag_of(reader, tag) for tag in _WORDS]
    named = dicom_contrast(words, agent=tag_of(reader, _AGENT), image_type=tag_of(reader, _IMAGE_TYPE))
    if words[-1] == "CT" and named.kind == "contrast":
        named = Named("contrast", "CT")  # "T1" is a vertebra there
    study = salted(tag_of(reader, _STUDY), key)
    return Series(
        named,
        salted(tag_of(reader, _PATIENT), key),
        study and study[:8],
        words=" ".join(filter(None, words[:3])),
        number=_whole(reader, _NUMBER) or 0,
        promised=_whole(reader, _IN_ACQUISITION),
    )


def _stranger(series: Series, path: Path, reader: sitk.ImageFileReader, key: bytes, first: Path) -> LeftOut | None:
    """Why a file is no further image of the series that it says it is of; ``first`` is the first of its own UID."""
    if first != path and tag_of(reader, _IMAGE) and filecmp.cmp(first, path, shallow=False):
        return LeftOut(path, f"a copy of an image beside it: {first.name}")
    if salted(tag_of(reader, _PATIENT), key) != series.patient:
        return LeftOut(path, "its PatientID is another one than that of its series", damaged=True)
    return None


def shapes_of(dicom: Iterable[Path]) -> set[str]:
    """How DICOM files are called, any number in a name being ``#``."""
    return {_DIGITS.sub("#", path.name) for path in dicom}


def called_as(path: Path, shapes: Collection[str]) -> bool:
    """Whether a file that does not begin as DICOM is called as if it did: by its suffix, or as slices beside it."""
    shape = _DIGITS.sub("#", path.name)
    return path.suffix.lower() in SUFFIXES or ("#" in shape and shape in shapes)


def unusable(path: Path, error: DataError) -> LeftOut:
    """Why a DICOM file is left out: it holds no image at all, or it is damaged."""
    import pydicom

    if path.name.upper() == "DICOMDIR":
        return LeftOut(path, "an index of DICOM files")
    try:
        data = pydicom.dcmread(path, force=True, specific_tags=["SOPClassUID", "Rows", "Modality"])
        name = pydicom.uid.UID(str(data.SOPClassUID)).name if "SOPClassUID" in data and "Rows" not in data else ""
    except UNPARSABLE:
        name = ""
    # An image's storage class is called so; without rows it is damaged.
    if name and not re.search(r"Image|Waveform|Multi-frame|^[\d.]+$", name):
        return LeftOut(path, f"DICOM that holds no image: {name}")
    return LeftOut(path, f"DICOM that cannot be read: {error.reason}", damaged=True)


def _series_of_damaged(path: Path) -> str | None:
    """The series that a damaged file belongs to, if as much of its header can be read."""
    import pydicom

    try:
        data = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        return str(data.SeriesInstanceUID) if "SeriesInstanceUID" in data else None
    except UNPARSABLE:
        return None


def _whole(reader: sitk.ImageFileReader, tag: str) -> int | None:
    text = tag_of(reader, tag)
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None
