"""DICOM series to a volume and its grid, and single images; of identifiers only salted hashes are seen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from medmae.data.contrasts import Named, dicom_contrast
from medmae.data.identity.headers import salt_of, salted
from medmae.data.images.decode import stretched
from medmae.data.volumes.dicom_pixels import begins_as_dicom, check_lengths, check_pixels
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti import Volume
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, reading

if TYPE_CHECKING:
    import SimpleITK as sitk  # noqa: N813

# Tags read besides geometry.
_SERIES, _STUDY, _PATIENT = "0020|000e", "0020|000d", "0010|0020"
_WORDS = ("0008|103e", "0018|1030", "0018|0024", "0008|0060")  # series description, protocol, sequence, modality
_AGENT, _IMAGE_TYPE = "0018|0010", "0008|0008"
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


@dataclass(frozen=True)
class Series:
    """One series of a folder.

    Args:
        named: What it shows, by its words and tags.
        patient: Salted hash of PatientID; None if that means nobody.
        study: The same of StudyInstanceUID.
        files: Of the series.
    """

    named: Named
    patient: str | None
    study: str | None
    files: list[Path] = field(default_factory=list)


def find_series(folder: str | Path, *, salt: Path | None = None, left: list[Path] | None = None) -> dict[str, Series]:
    """The series that lie directly in a folder, by their UID.

    Args:
        folder: The folder.
        salt: See :func:`medmae.data.identity.headers.salt_of`.
        left: Gets the files that hold no image or cannot be read (a DICOMDIR, a structured report); None refuses them.

    Raises:
        DataError: If there is such a file and ``left`` is None.
    """
    key = salt_of(salt)
    found: dict[str, Series] = {}
    for path in sorted(file for file in Path(folder).iterdir() if file.is_file() and is_dicom(file)):
        try:
            reader = _header(path)
        except DataError:
            if left is None:
                raise
            left.append(path)
            continue
        uid = _tag(reader, _SERIES)
        if uid not in found:
            words = [_tag(reader, tag) for tag in _WORDS]
            named = dicom_contrast(words, agent=_tag(reader, _AGENT), image_type=_tag(reader, _IMAGE_TYPE))
            patient, study = salted(_tag(reader, _PATIENT), key), salted(_tag(reader, _STUDY), key)
            found[uid] = Series(named, patient, study and study[:8])
        found[uid].files.append(path)
    return found


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
    headers = [_header(path) for path in paths]
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
        return _tag(_header(path), _SYNTHETIC) == "YES"
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
    reader = _header(path)
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
    if _tag(reader, _PHOTOMETRIC) == "MONOCHROME1":
        return stretched(grey)  # SimpleITK has turned these over, but not their window
    return _windowed(grey, _tag(reader, _CENTRE), _tag(reader, _WIDTH))


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
        raise DataError(
            f"slices are not evenly spaced: {steps[place]:.3f} mm where {step:.3f} mm is usual (missing or repeated?)",
            path=paths[order[place + 1]],
            field="ImagePositionPatient",
            value=np.round(origins[order[place + 1]], 3).tolist(),
            remedy="complete the series",
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


def _header(path: Path) -> sitk.ImageFileReader:
    check_lengths(path)
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    with reading(path, what="the DICOM header", remedy=_EXPORT):
        reader.ReadImageInformation()
    return reader


def _tag(reader: sitk.ImageFileReader, tag: str) -> str:
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
