"""What a NIfTI header may claim: checked on the raw bytes, before anything is allocated or silently mended."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from medmae.errors import DataError

Repair = Literal["qform"]
# Kinds of numbers that are an image's intensities; RGB is a structured type ("V"), complex is "c".
_PLAIN_KINDS = "iuf"
_SPACE_BITS, _TIME_BITS = 0x07, 0x38  # of xyzt_units
_SPACES, _TIMES = (0, 1, 2, 3), (0, 8, 16, 24, 32, 40, 48)
_MILLIMETRES = {1: 1e3, 3: 1e-3}  # of codes: metres, microns
_PIXDIM_RANGE = (0.01, 50.0)


def parse_header(block: bytes, path: Path) -> nib.Nifti1Header:
    """The header of a NIfTI-1 or NIfTI-2 file, unmended.

    Args:
        block: The first bytes of the (uncompressed) file, at least 540 where it has as many.
        path: For messages.

    Raises:
        DataError: If this is no single-file NIfTI.
    """
    for kind, size in ((nib.Nifti1Header, 348), (nib.Nifti2Header, 540)):
        if len(block) >= size and int.from_bytes(block[:4], "little") == size:
            return kind(block[:size], endianness="<", check=False)
        if len(block) >= size and int.from_bytes(block[:4], "big") == size:
            return kind(block[:size], endianness=">", check=False)
    raise DataError(
        "this is not a NIfTI file",
        path=path,
        field="sizeof_hdr",
        value=block[:4].hex(),
        remedy="give .nii or .nii.gz; convert other formats first",
    )


def check_header(header: nib.Nifti1Header, path: Path) -> None:
    """Dimensions, data type, data offset and voxel size, as they stand in the file.

    Raises:
        DataError: Naming the field and the value.
    """
    dim = [int(n) for n in header["dim"]]
    rank = dim[0]
    if not 1 <= rank <= 7 or any(n < 1 for n in dim[1 : rank + 1]):
        raise DataError(
            "the image has impossible dimensions", path=path, field="dim", value=dim, remedy="convert it again"
        )
    if rank < 3 or any(n > 1 for n in dim[4 : rank + 1]):
        raise DataError(
            f"one 3-D volume is expected, this has {rank} dimensions",
            path=path,
            field="dim",
            value=dim[1 : rank + 1],
            remedy="split a series into one file a volume",
        )
    _check_dtype(header, path)
    offset = float(header["vox_offset"])
    if not math.isfinite(offset) or offset < header["sizeof_hdr"]:
        raise DataError(
            "the data offset is impossible", path=path, field="vox_offset", value=offset, remedy="convert it again"
        )
    _check_pixdim(header, path)


def _check_dtype(header: nib.Nifti1Header, path: Path) -> None:
    code = int(header["datatype"])
    try:
        dtype = header.get_data_dtype()
        kind = dtype.kind
    except (HeaderDataError, KeyError):
        kind = "?"
    if kind not in _PLAIN_KINDS:
        what = {"V": "RGB colours", "c": "complex numbers", "?": "an unknown data type"}.get(
            kind, f"data of kind {kind}"
        )
        raise DataError(
            f"one number a voxel is expected, this holds {what}",
            path=path,
            field="datatype",
            value=code,
            remedy="export magnitude intensities as integers or floats",
        )


def _check_pixdim(header: nib.Nifti1Header, path: Path) -> None:
    sizes = [float(v) for v in header["pixdim"][1:4]]
    factor = millimetres(header)
    low, high = _PIXDIM_RANGE
    if not all(math.isfinite(v) and low <= abs(v) * factor <= high for v in sizes):
        raise DataError(
            f"the voxel size is not between {low} and {high} mm",
            path=path,
            field="pixdim",
            value=sizes,
            remedy="correct the header, or convert the volume from DICOM again",
        )


def mend(header: nib.Nifti1Header) -> list[str]:
    """Corrects what the standard tells every reader to read otherwise; gives a flag for each.

    A ``pixdim[0]`` (qfac) that is neither 1 nor -1 counts as 1, voxel sizes count without their sign, and units that
    the standard does not know count as unknown. The header is changed.
    """
    flags = []
    if float(header["pixdim"][0]) not in (-1.0, 1.0) and int(header["qform_code"]) > 0:
        header["pixdim"][0] = 1.0
        flags.append("qfac_counts_as_1")
    if (header["pixdim"][1:4] < 0).any():
        header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
        flags.append("voxel_size_without_sign")
    code = int(header["xyzt_units"])
    space, time = code & _SPACE_BITS, code & _TIME_BITS
    known = (space if space in _SPACES else 0) | (time if time in _TIMES else 0)
    if known != code:
        header["xyzt_units"] = known
        flags.append(f"unknown_units:{code}")
    return flags


def millimetres(header: nib.Nifti1Header) -> float:
    """Millimetres in the header's unit of length; 1 where it names none."""
    return _MILLIMETRES.get(int(header["xyzt_units"]) & _SPACE_BITS, 1.0)


def best_affine(header: nib.Nifti1Header, path: Path, *, repair: Repair | None = None) -> np.ndarray:
    """The affine that readers use (sform, else qform, else voxel size).

    Args:
        header: Checked by :func:`check_header`.
        path: For messages.
        repair: ``"qform"`` takes the quaternion form where the sform is unusable.

    Raises:
        DataError: If it is singular or not finite and no repair was asked for or possible.
    """
    affine = _affine(header, "best")
    if affine is not None and _usable(affine):
        return affine
    qform = _affine(header, "qform") if int(header["qform_code"]) > 0 else None
    mendable = _usable(qform)
    if repair == "qform" and qform is not None and mendable:
        return qform
    raise DataError(
        "the affine is singular or not finite",
        path=path,
        field="sform" if int(header["sform_code"]) > 0 else "qform",
        value=None if affine is None else np.round(affine[:3], 4).tolist(),
        remedy="the qform is sound: ask for it with --repair-affine qform" if mendable else "convert the volume again",
    )


def _affine(header: nib.Nifti1Header, form: Literal["best", "qform"]) -> np.ndarray | None:
    try:
        return header.get_best_affine() if form == "best" else header.get_qform()
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):
        return None


def _usable(affine: np.ndarray | None) -> bool:
    if affine is None or not np.isfinite(affine).all():
        return False
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    # The volume of a voxel of unit edges: 1 for orthogonal axes, 0 where two axes fall together.
    return bool((lengths > 0).all() and abs(np.linalg.det(axes / lengths)) > 1e-3)
