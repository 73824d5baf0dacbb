"""What the files of a volume declare of their subject's origin."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

from medmae.data.origin import Origin
from medmae.data.volumes.dicom import is_synthetic_series
from medmae.data.volumes.volume_file import Source

SIMULATED = b"medmae synthetic cohort"  # the description in the header of every volume of the simulated cohort
_HEADER = 540  # bytes of the longer of the two NIfTI headers
_GZIP = b"\x1f\x8b"


def declared_origin(sources: Iterable[Source]) -> Origin | None:
    """``simulated`` if a file says so: a NIfTI header in its description, DICOM by SyntheticData (0008,001C).

    Args:
        sources: Volumes of one case; a file whose header cannot be read says nothing.
    """
    return "simulated" if any(map(_says_simulated, sources)) else None


def _says_simulated(source: Source) -> bool:
    if source.files:
        return is_synthetic_series(source.files[0])
    try:
        with source.path.open("rb") as file:
            packed = file.read(len(_GZIP)) == _GZIP
        with gzip.open(source.path) if packed else source.path.open("rb") as file:
            return SIMULATED in file.read(_HEADER)
    except (OSError, EOFError, zlib.error):
        return False
