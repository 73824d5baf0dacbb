"""Volumes that are neither NIfTI nor DICOM: FreeSurfer (nibabel), Analyze pairs (nibabel), NRRD and MetaImage (ITK)."""

from __future__ import annotations

import glob
import hashlib
import math
import re
from pathlib import Path

import nibabel as nib
import numpy as np

from medmae.data.volumes.dicom import affine_of, simpleitk
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import NanPolicy, Volume, settle_nan
from medmae.errors import DataError
from medmae.files import sha256_of
from medmae.reading import LIMIT_GB, check_budget, check_length, reading

_NIBABEL = (".mgz", ".mgh", ".hdr")
_ITK = (".nrrd", ".nhdr", ".mha", ".mhd")
SUFFIXES = (*_NIBABEL, *_ITK)
_DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file\s*:)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_HEADER_BYTES = 65536
_CONVERT = "convert it to NIfTI"


def load_other(path: Path, *, nan: NanPolicy = "error", limit_gb: float = LIMIT_GB) -> Volume:
    """Reads a 3-D volume by its suffix; options as of :func:`medmae.data.volumes.nifti.load_volume`.

    Raises:
        DataError: Not one grey 3-D volume, damaged, or larger than the budget.
    """
    with reading(path, what="the volume", remedy=_CONVERT):
        digest = sha256_of_parts(path)
        array, affine = _nibabel(path, limit_gb) if path.suffix.lower() in _NIBABEL else _itk(path, limit_gb)
        grid = Grid.from_affine(array.shape, affine)
    array, flags = settle_nan(array, nan=nan, path=path)
    # Analyze knows no directions: nibabel takes its default, and left and right stay the user's word.
    said = ("no_orientation_codes",) if path.suffix.lower() == ".hdr" else ()
    return Volume(array=array, grid=grid, flags=(*said, *flags), sha256=digest)


def parts_of(path: Path) -> tuple[Path, ...]:
    """The files of a volume: the one given, and those that hold its voxels and affine where these are others."""
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        others = sorted(path.parent.glob(f"{glob.escape(path.stem)}.*"))
        return path, *(other for other in others if other.suffix.lower() in (".img", ".mat"))  # SPM: the affine
    if suffix not in (".mhd", ".nhdr"):
        return (path,)
    with path.open("rb") as file:
        match = _DATA_FILE.search(file.read(_HEADER_BYTES))
    name = match[1].decode("utf-8", "replace").strip() if match else ""
    beside = [path.parent / name] if name and (path.parent / name).is_file() else []
    return path, *beside


def sha256_of_parts(path: Path) -> str:
    """Hash of a volume's files: its own, or one of the hashes of header and voxels."""
    hashes = [sha256_of(part) for part in parts_of(path)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def _nibabel(path: Path, limit_gb: float) -> tuple[np.ndarray, np.ndarray]:
    image = nib.load(path, mmap=False)  # a file that shrinks while it is mapped ends the process
    shape = _three(image.shape, path)
    dtype = image.header.get_data_dtype()
    _check(shape, dtype, path, limit_gb)
    held = sum(part.stat().st_size for part in parts_of(path))  # nibabel takes the memory of all voxels first
    check_length(math.prod(shape) * dtype.itemsize, path=path, size=held, zipped=path.suffix.lower() == ".mgz")
    array = np.asanyarray(image.dataobj).reshape(shape)
    return array.astype(np.float32) if array.dtype.kind == "f" else array, image.affine


def _itk(path: Path, limit_gb: float) -> tuple[np.ndarray, np.ndarray]:
    itk = simpleitk()
    reader = itk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    shape = _three(reader.GetSize(), path)
    if reader.GetNumberOfComponents() != 1:
        raise DataError("one number a voxel is expected", path=path, field="components", remedy=_CONVERT)
    _check(shape, np.dtype(np.float64), path, limit_gb)
    image = reader.Execute()
    array = itk.GetArrayFromImage(image).transpose(range(image.GetDimension())[::-1]).reshape(shape)
    image = image if image.GetDimension() == 3 else image[:, :, :, 0]
    return array.astype(np.float32) if array.dtype.kind == "f" else array, affine_of(image)


def _three(shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    if len(shape) < 3 or any(n != 1 for n in shape[3:]):
        raise DataError("one 3-D volume is expected", path=path, field="shape", value=shape, remedy="split the series")
    return tuple(shape[:3])


def _check(shape: tuple[int, ...], dtype: np.dtype, path: Path, limit_gb: float) -> None:
    if dtype.kind not in "iuf":
        raise DataError("one number a voxel is expected", path=path, field="dtype", value=str(dtype), remedy=_CONVERT)
    check_budget(math.prod(shape) * (dtype.itemsize + 4), path=path, field="shape", value=shape, limit_gb=limit_gb)
