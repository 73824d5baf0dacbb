"""One volume on disk: a NIfTI file, one of another format, or a DICOM series."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from medmae.data.volumes.dicom import load_series, series_sha256
from medmae.data.volumes.nifti import NanPolicy, Volume, load_volume, settle_nan
from medmae.data.volumes.nifti_header import Repair
from medmae.data.volumes.other_formats import SUFFIXES, load_other, sha256_of_parts
from medmae.files import sha256_of
from medmae.reading import LIMIT_GB


@dataclass(frozen=True)
class Source:
    """One volume on disk.

    Args:
        name: Normalised contrast, or the label's name.
        path: The NIfTI file, or the folder of a DICOM series.
        files: The files of a DICOM series; empty for NIfTI.
        series: What the header calls a DICOM series, and its number in the study.
        flags: What the search has seen of it that is unusual.
        shows: The contrast that a series shows by its header, where ``name`` is another.
        said: Whether a user's table names the contrast.
    """

    name: str
    path: Path
    files: tuple[Path, ...] = ()
    series: tuple[str, int] | None = None
    flags: tuple[str, ...] = ()
    shows: str = ""
    said: bool = False

    @property
    def first(self) -> Path:
        """The NIfTI file, or the first of the series: other series may lie in its folder."""
        return self.files[0] if self.files else self.path


def load_source(
    source: Source, *, nan: NanPolicy = "error", limit_gb: float = LIMIT_GB, repair_affine: Repair | None = None
) -> Volume:
    """Reads and checks a volume; options as of :func:`medmae.data.volumes.nifti.load_volume`.

    Raises:
        DataError: For every fault of the files, naming path, field and value.
    """
    if source.path.suffix.lower() in SUFFIXES:
        volume = load_other(source.path, nan=nan, limit_gb=limit_gb)
    elif not source.files:
        volume = load_volume(source.path, nan=nan, limit_gb=limit_gb, repair_affine=repair_affine)
    else:
        volume = load_series(source.files, limit_gb=limit_gb)
        array, flags = settle_nan(volume.array, nan=nan, path=source.path)
        volume = replace(volume, array=array, flags=(*volume.flags, *flags))
    return replace(volume, flags=(*source.flags, *volume.flags))


def sha256_of_source(source: Source) -> str:
    """Hash of all files of a volume, as reading it gives."""
    if source.files:
        return series_sha256(source.files)
    return sha256_of_parts(source.path) if source.path.suffix.lower() in SUFFIXES else sha256_of(source.path)
