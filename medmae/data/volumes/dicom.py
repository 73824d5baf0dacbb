"""DICOM series to a volume and its grid, and single images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from medmae.data.images.decode import stretched
from medmae.data.volumes.dicom_pixels import begins_as_dicom, check_lengths, check_pixels
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import Volume
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, reading

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

_CENTRE, _WIDTH, _PHOTOMETRIC = "0028|1050", "0028|1051", "0028|0004"
_SYNTHETIC = "0008|001c"  # SyntheticData: YES if any of it was made artificially
_EXPORT = "export it again, or leave it out"
_SPACING_TOLERANCE = 0.01  # of the slice distance
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM does, with or without its preamble; its name does not matter."""
    try:
        with path.open("rb") as file:
            return begins_as_dicom(file.read(132))
    except OSError:
        return False


def load_series(files: Iterable[str | Path], *, limit_gb: float = LIMIT_GB) -> Volume:
    """Reads one series as a 3-D volume, its slices sorted by position.

    Args:
        files: All files of the series, in any order.
        limit_gb: Largest size of the pixels, in 10^9 bytes.

    Raises:
        DataError: Fewer than two slices, a slice missing or twice, slices of different size or direction, a tilted
            gantry, colour images, more pixels than the limit.
    """
    itk = simpleitk()
    paths = sorted(Path(file) for file in files)
    if len(paths) < 2:
        raise DataError(
            "a volume needs at least two slices",
            path=paths[0].parent if paths else None,
            field="slices",
            value=len(paths),
            remedy="give the folder with the whole series",
        )
    headers = [header_of(path) for path in paths]
    _check_same(headers, paths)
    ordered = _by_position(headers, paths)
    for path in paths:
        check_pixels(path, slices=len(paths), limit_gb=limit_gb)
    reader = itk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(path) for path in ordered])
    if len({header.GetPixelID() for header in headers}) > 1:
        reader.SetOutputPixelType(itk.sitkFloat32)  # else the first slice's scale decides, and others lose fractions
    with reading(paths[0].parent, what="the series", remedy=_EXPORT):
        image = reader.Execute()
        array = itk.GetArrayFromImage(image).transpose(2, 1, 0)  # (z, y, x) -> (x, y, z)
    return Volume(array=array, grid=Grid.from_affine(array.shape, affine_of(image)), sha256=series_sha256(ordered))


def is_synthetic_series(path: Path) -> bool:
    """Whether a file of a series says that its content was made and not acquired; False if it cannot be read."""
    try:
        return tag_of(header_of(path), _SYNTHETIC) == "YES"
    except DataError:
        return False


def load_image(path: str | Path) -> np.ndarray:
    """One DICOM image: grey ``(H, W, 1)`` float32 in [0, 1], or colour ``(H, W, 3)`` uint8; geometry is left out.

    Grey values are rescaled as the file says, then cut to its (first) window, or, without one, to their least and
    greatest value. MONOCHROME1, whose greatest value is black, comes inverted; its window is not used.

    Raises:
        DataError: Several frames, or pixels that cannot be read.
    """
    path = Path(path)
    reader = header_of(path)
    if reader.GetDimension() > 2 and reader.GetSize()[2] != 1:
        raise DataError(
            "one frame a file is expected", path=path, field="frames", value=reader.GetSize()[2], remedy="split it"
        )
    check_pixels(path)
    with reading(path, what="the image", remedy=_EXPORT):
        array = simpleitk().GetArrayFromImage(reader.Execute())
    if reader.GetNumberOfComponents() == 3:
        return array.reshape(*array.shape[-3:]).astype(np.uint8)
    grey = array.reshape(*array.shape[-2:], 1)
    if tag_of(reader, _PHOTOMETRIC) == "MONOCHROME1":
        return stretched(grey)  # SimpleITK has turned these over, but not their window
    return _windowed(grey, tag_of(reader, _CENTRE), tag_of(reader, _WIDTH))


def _windowed(values: np.ndarray, centre: str, width: str) -> np.ndarray:
    try:
        middle, extent = (float(text.split("\\")[0]) for text in (centre, width))
    except ValueError:  # no window
        return stretched(values)
    return ((values.astype(np.float32) - middle) / max(extent, 1.0) + 0.5).clip(0, 1)


def series_sha256(files: Iterable[Path]) -> str:
    """One hash for a series: of the sorted hashes of its files, so that names and order do not matter."""
    hashes = sorted(hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files)
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def affine_of(image: sitk.Image) -> np.ndarray:
    """Of an ITK image, voxel index to RAS+ millimetres."""
    direction = np.reshape(image.GetDirection(), (3, 3))
    affine = np.eye(4)
    affine[:3, :3] = direction * np.asarray(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return _LPS_TO_RAS @ affine


def _check_same(headers: list[sitk.ImageFileReader], paths: list[Path]) -> None:
    """Refuses colours, frames, and slices that differ in size or direction from the first."""
    first = headers[0]
    for header, path in zip(headers, paths, strict=True):
        size = header.GetSize()
        if header.GetNumberOfComponents() != 1 or (len(size) > 2 and size[2] != 1):
            raise DataError(
                "one grey slice a file is expected",
                path=path,
                field="size, components",
                value=(size, header.GetNumberOfComponents()),
                remedy="convert colour or multi-frame files with a DICOM converter first",
            )
        if size != first.GetSize():
            raise DataError("slices differ in size", path=path, field="size", value=size, remedy="split the series")
        if not np.allclose(header.GetDirection(), first.GetDirection(), atol=1e-3):
            raise DataError(
                "slices differ in direction (a localiser?)",
                path=path,
                field="ImageOrientationPatient",
                value=np.round(header.GetDirection(), 4).tolist(),
                remedy="split the series",
            )


def _by_position(headers: list[sitk.ImageFileReader], paths: list[Path]) -> list[Path]:
    """Files sorted along the slice normal; refuses gaps, repeats and a tilted gantry."""
    folder = paths[0].parent
    normal = np.reshape(headers[0].GetDirection(), (3, 3))[:, 2]
    origins = np.asarray([header.GetOrigin() for header in headers])  # (S, 3)
    along = origins @ normal
    order = np.argsort(along)
    steps = np.diff(along[order])
    step = float(np.median(steps))
    uneven = np.abs(steps - step) > max(_SPACING_TOLERANCE * step, 1e-3)
    if step <= 1e-3 or uneven.any():
        place = int(np.argmax(uneven)) if uneven.any() else 0
        why = f"slices are not evenly spaced: {steps[place]:.3f} mm where {step:.3f} mm is usual (missing or repeated?)"
        remedy = "complete the series"
        if step <= 1e-3:
            why = "all slices have one position" if np.ptp(along) <= 1e-3 else "several slices have one position"
            remedy = "export echoes, times and b-values as series of their own, with positions"
        raise DataError(
            why,
            path=paths[order[place + 1]],
            field="ImagePositionPatient",
            value=np.round(origins[order[place + 1]], 3).tolist(),
            remedy=remedy,
        )
    drift = origins[order[-1]] - origins[order[0]]
    if np.linalg.norm(drift - (drift @ normal) * normal) > 0.5 * step:
        raise DataError(
            "slices are shifted in plane (tilted gantry)",
            path=folder,
            field="ImagePositionPatient",
            value=np.round(drift, 3).tolist(),
            remedy="convert it with dicom2nifti, which corrects the tilt",
        )
    return [paths[i] for i in order]


def header_of(path: Path) -> sitk.ImageFileReader:
    """The header of a DICOM file, read by GDCM; no pixels.

    Raises:
        DataError: If it cannot be read.
    """
    check_lengths(path)
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    with reading(path, what="the DICOM header", remedy=_EXPORT):
        reader.ReadImageInformation()
    return reader


def tag_of(reader: sitk.ImageFileReader, tag: str) -> str:
    """The text of an element, such as ``0020|000e``; empty if the header has none."""
    has: bool = reader.HasMetaDataKey(tag)
    return str(reader.GetMetaData(tag)).strip() if has else ""


def simpleitk() -> ModuleType:
    """SimpleITK, on first use.

    Raises:
        ModuleNotFoundError: With how to install it.
    """
    try:
        import SimpleITK
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "DICOM needs the package SimpleITK: pip install SimpleITK", name="SimpleITK"
        ) from error
    return SimpleITK
