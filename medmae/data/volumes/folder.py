"""Whole volumes for inference: read, turned, cropped and normalised as in preparation, and written back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from medmae.data.contrasts import read_name
from medmae.data.left_out import LeftOut, barren, damaged_in, nothing_in, passed_over_in, spoken
from medmae.data.names import is_synthetic, stem_of
from medmae.data.tree import folders_below
from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.dicom import is_dicom
from medmae.data.volumes.found import WHY
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.hounsfield import CT, CTWindow, fitted, in_hounsfield, is_ct
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.label_like import refuse_labels
from medmae.data.volumes.nifti import NanPolicy
from medmae.data.volumes.other_formats import parts_of
from medmae.data.volumes.series import find_series, shapes_of
from medmae.data.volumes.volume_file import Source, load_source
from medmae.data.volumes.walk import is_nifti, left_out
from medmae.errors import DataError

_NO_IMAGES = ("label", "map", "synthetic")
_BY_NAME = "as masks, maps or synthetic, by their names"


@dataclass(frozen=True, kw_only=True)
class StoredVolume:
    """A volume as a network reads it, with all that is needed to write a result back.

    Attributes:
        name: File name without suffix, or with its folder's where two are alike.
        array: ``(S, H, W)`` float32 in [0, 1], LPS, cropped to the head.
        grid: Where it lies in the source.
        normalisation: How its intensities were mapped.
        corner: Intensity of the source outside the crop.
    """

    name: str
    array: np.ndarray
    grid: Grid
    normalisation: Normalisation
    corner: float


class VolumeFolder(Dataset[StoredVolume]):
    """The volumes of a folder (searched through, links followed), of a list, or a single file.

    Of a folder, masks, maps and synthetic images are left out by their names; these and all other files that are not
    read are warned of, with the reason. Series of DICOM files are read as volumes, too.

    Args:
        source: Folder, file, or files.
        nan: What to do with NaN voxels; see :func:`medmae.data.volumes.nifti.load_volume`.

    Attributes:
        lost: Why damaged files, and folders beside others, give nothing.
        ct_window: By which CT is scaled; weights tell it. None scales CT by percentiles, as everything else. A file
            whose name tells no contrast must then be a CT in HU.

    Raises:
        DataError: If there is no volume, or two of one name would overwrite each other's results.
    """

    def __init__(self, *, source: str | Path | Sequence[str | Path], nan: NanPolicy = "error") -> None:
        self.sources, self.lost = _sources(source)
        self.paths = [one.first for one in self.sources]
        self.nan: NanPolicy = nan
        self.ct_window: CTWindow | None = None
        self.names = names = _names(self.sources)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                "two volumes have the same file name, so their results would too",
                path=source if isinstance(source, str | Path) else None,
                field="name",
                value=twice,
                remedy="rename one of them",
            )

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> StoredVolume:
        source = self.sources[index]
        volume = load_source(source, nan=self.nan)
        refuse_labels(volume.array, path=source.first)
        contrast = CT if self.ct_window is None else _contrast_of(source)
        if self.ct_window is not None and is_ct(contrast):
            volume = in_hounsfield(volume, path=source.first, required=True)
        normalisation = fitted(volume, contrast=contrast, window=self.ct_window, rule="auto")
        inside = volume.grid.to_canonical(normalisation.foreground(volume.array))
        grid = volume.grid.cropped(bounding_box(inside))
        return StoredVolume(
            name=self.names[index],
            array=grid.to_canonical(normalisation.apply(volume.array)),
            grid=grid,
            normalisation=normalisation,
            corner=float(volume.array.flat[0]),
        )


def _contrast_of(source: Source) -> str:
    """What the header of a series or the name of a file says; CT where neither says anything."""
    return source.shows or read_name(stem_of(source.path.name)).name or CT


def _sources(source: str | Path | Sequence[str | Path]) -> tuple[list[Source], list[DataError]]:
    """The volumes, and why some of what is there gives none."""
    if isinstance(source, str | Path) and Path(source).is_dir():
        found, left = _below(Path(source))
        lost = _told(Path(source), found, left)
    else:
        paths = [source] if isinstance(source, str | Path) else source
        found, lost = [Source(stem_of(Path(path).name), Path(path)) for path in paths], []
    missing = next((one.first for one in found if not one.first.is_file()), source if not found else None)
    if missing is not None:
        remedy = "give a volume, such as a .nii or .nii.gz file, or a folder of them"
        raise DataError("no NIfTI volume here", path=str(missing), remedy=remedy)
    return found, lost


def _below(root: Path) -> tuple[list[Source], list[LeftOut]]:
    """Volumes of a folder, in the order of their paths, and all other files."""
    found: list[Source] = []
    left = passed_over_in(root)
    for folder, files in folders_below(root):
        own = {path: None for path in files if is_nifti(path)}
        for path in own:
            kind = "synthetic" if is_synthetic(path.name) else read_name(stem_of(path.name)).kind
            if kind in _NO_IMAGES:
                left.append(LeftOut(path, _BY_NAME))
            else:
                found.append(Source(stem_of(path.name), path))
        dicom = {path for path in files if path not in own and is_dicom(path)}
        if dicom and not own:
            found += _series_of(folder, left)
        parts = {part for path in own for part in parts_of(path)}
        others = [path for path in files if path not in parts and (own or path not in dicom)]
        left += [left_out(path, dicom=dicom, shapes=shapes_of(dicom), alone=not own) for path in others]
    return sorted(found, key=lambda one: one.first), left


def _series_of(folder: Path, left: list[LeftOut]) -> list[Source]:
    """The series of a folder that are images, called as the folder is, with their numbers if there are several."""
    found = []
    series = find_series(folder, left=left)
    for place, one in enumerate(series.values(), 1):
        if one.named.kind in (*_NO_IMAGES, "other"):
            left += [LeftOut(path, WHY[one.named.kind]) for path in one.files]
            continue
        name = folder.name if len(series) == 1 else f"{folder.name}_{one.number or place}"
        found.append(Source(name, folder, tuple(one.files), flags=one.flags, shows=one.named.name))
    return found


def _told(root: Path, found: list[Source], left: list[LeftOut]) -> list[DataError]:
    """Warns of what is left out; gives what is lost of it."""
    named = [one.path for one in left if one.why == _BY_NAME]
    lines = spoken([one for one in left if one.why != _BY_NAME])
    if named:
        names = ", ".join(str(path.relative_to(root)) for path in named)
        lines = [*lines, f"left out {_BY_NAME}: {names}"]
    if lines:
        warnings.warn(f"{root}: {'; '.join(lines)}", stacklevel=5)
    empty = barren(root, {path: str(path) for one in found for path in one.files or (one.path,)})
    return [*damaged_in(left), *nothing_in(empty, left)]


def _names(sources: Sequence[Source]) -> list[str]:
    """File names without suffix; where two are alike, as T1 in the folder of each patient, after their folders."""
    stems = [one.name for one in sources]
    if len(set(stems)) == len(stems):
        return stems
    root = os.path.commonpath([one.first.parent for one in sources])
    folders = [one.path.parent.relative_to(root) if one.path != Path(root) else Path() for one in sources]
    return ["_".join([*folder.parts, stem]) for folder, stem in zip(folders, stems, strict=True)]
