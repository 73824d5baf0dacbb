"""Whole NIfTI volumes for inference: read, turned, cropped and normalised as in preparation, and written back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from medmae.data.contrasts import read_name
from medmae.data.names import is_synthetic, stem_of
from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import NanPolicy, load_volume
from medmae.data.volumes.walk import is_nifti
from medmae.errors import DataError

_NO_IMAGES = ("label", "map")


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
    """The NIfTI volumes of a folder (searched through), of a list, or a single file.

    Of a folder, masks, maps and synthetic images are left out by their names, with a warning.

    Args:
        source: Folder, file, or files.
        nan: What to do with NaN voxels; see :func:`medmae.data.volumes.nifti.load_volume`.

    Raises:
        DataError: If there is no NIfTI file, or two files of one name would overwrite each other's results.
    """

    def __init__(self, *, source: str | Path | Sequence[str | Path], nan: NanPolicy = "error") -> None:
        self.paths = _paths(source)
        self.nan: NanPolicy = nan
        self.names = names = _names(self.paths)
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
        return len(self.paths)

    def __getitem__(self, index: int) -> StoredVolume:
        path = self.paths[index]
        volume = load_volume(path, nan=self.nan)
        normalisation = Normalisation.fit(volume.array)
        inside = volume.grid.to_canonical(normalisation.foreground(volume.array))
        grid = volume.grid.cropped(bounding_box(inside))
        return StoredVolume(
            name=self.names[index],
            array=grid.to_canonical(normalisation.apply(volume.array)),
            grid=grid,
            normalisation=normalisation,
            corner=float(volume.array.flat[0]),
        )


def _paths(source: str | Path | Sequence[str | Path]) -> list[Path]:
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
    elif Path(source).is_dir():
        paths = _images(sorted(path for path in Path(source).rglob("*") if is_nifti(path)), source=Path(source))
    else:
        paths = [Path(source)]
    if not paths or not all(path.is_file() for path in paths):
        missing = next((path for path in paths if not path.is_file()), source)
        raise DataError(
            "no NIfTI volume here", path=str(missing), remedy="give a .nii or .nii.gz file, or a folder of them"
        )
    return paths


def _images(paths: list[Path], *, source: Path) -> list[Path]:
    """Without label maps, quantitative maps and what a network made, which are named."""
    left_out = [path for path in paths if is_synthetic(path.name) or read_name(stem_of(path.name)).kind in _NO_IMAGES]
    if left_out:
        names = ", ".join(str(path.relative_to(source)) for path in left_out)
        warnings.warn(f"{source}: left out as masks, maps or synthetic, by their names: {names}", stacklevel=4)
    return [path for path in paths if path not in set(left_out)]


def _names(paths: list[Path]) -> list[str]:
    """File names without suffix; where two are alike, as T1 in the folder of each patient, after their folders."""
    stems = [stem_of(path.name) for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    root = os.path.commonpath([path.parent for path in paths])
    return ["_".join([*path.parent.relative_to(root).parts, stem]) for path, stem in zip(paths, stems, strict=True)]
