"""Whole NIfTI volumes for inference: read, turned, cropped and normalised as in preparation, and written back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from medmae.data.volumes.bounding_box import bounding_box
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.nifti import NanPolicy, load_volume
from medmae.errors import DataError

_SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True, kw_only=True)
class StoredVolume:
    """A volume as a network reads it, with all that is needed to write a result back.

    Attributes:
        name: File name without suffix.
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

    Args:
        source: Folder, file, or files.
        nan: What to do with NaN voxels; see :func:`medmae.data.volumes.nifti.load_volume`.

    Raises:
        DataError: If there is no NIfTI file, or two files of one name would overwrite each other's results.
    """

    def __init__(self, *, source: str | Path | Sequence[str | Path], nan: NanPolicy = "error") -> None:
        self.paths = _paths(source)
        self.nan: NanPolicy = nan
        names = [_stem(path) for path in self.paths]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                "two volumes have the same file name, so their results would too",
                path=source if isinstance(source, str | Path) else None,
                field="name",
                value=twice,
                remedy="give one folder a case, or rename them",
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
            name=_stem(path),
            array=grid.to_canonical(normalisation.apply(volume.array)),
            grid=grid,
            normalisation=normalisation,
            corner=float(volume.array.flat[0]),
        )


def _paths(source: str | Path | Sequence[str | Path]) -> list[Path]:
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
    elif Path(source).is_dir():
        paths = sorted(path for path in Path(source).rglob("*") if path.name.endswith(_SUFFIXES))
    else:
        paths = [Path(source)]
    if not paths or not all(path.is_file() for path in paths):
        missing = next((path for path in paths if not path.is_file()), source)
        raise DataError(
            "no NIfTI volume here", path=str(missing), remedy="give a .nii or .nii.gz file, or a folder of them"
        )
    return paths


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")
