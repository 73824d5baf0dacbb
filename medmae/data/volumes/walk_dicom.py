"""The DICOM series of a folder, as volumes."""

from __future__ import annotations

from pathlib import Path

from medmae.data.contrasts import Named, contrast_in, contrast_of
from medmae.data.identity.tree import Unit
from medmae.data.left_out import LeftOut
from medmae.data.volumes.found import WHY, FoundVolume, Walked
from medmae.data.volumes.series import find_series
from medmae.data.volumes.volume_file import Source


def dicom_volumes(folder: Path, parts: tuple[str, ...], walked: Walked, *, salt: Path | None) -> list[FoundVolume]:
    """The series of a folder that are images; its name tells the contrast before the series' own words do.

    Args:
        folder: The folder.
        parts: Below the root.
        walked: Gets those that are none, and files that cannot be read.
        salt: See :func:`medmae.data.volumes.walk.walk`.
    """
    found: list[FoundVolume] = []
    series = find_series(folder, salt=salt, left=walked.left)
    spelled = contrast_of(folder.name)
    for uid, one in series.items():
        named = one.named
        by_folder = (spelled or contrast_in(folder.name)) if len(series) == 1 else None
        image = named.kind not in ("map", "other", "label")
        name = by_folder or (named.name if named.kind == "contrast" else "MR")
        if by_folder == "T1" and named.name == "T1CE":
            name = "T1CE"
        owner = parts[:-1] if spelled and parts else parts
        path = "/".join(parts if len(series) == 1 else (*parts, uid))
        unit = Unit(path=path, names=owner, patient=one.patient, study=one.study)
        source = Source(name, folder, tuple(one.files), series=(one.words, one.number), flags=one.flags)
        volume = FoundVolume(parts, Named("contrast", name), source, unit)
        if image:
            found.append(volume)
        else:
            walked.held.append(volume)
            walked.left += [LeftOut(path, WHY[named.kind]) for path in one.files]
    return found
