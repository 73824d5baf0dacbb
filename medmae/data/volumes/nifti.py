"""Reading NIfTI volumes with every check that nibabel leaves out: CRC, size, geometry, number kinds, NaN."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti_header import Repair, best_affine, check_header, mend, parse_header
from medmae.errors import DataError
from medmae.reading import LIMIT_GB, check_budget, check_length, reading

NanPolicy = Literal["error", "zero", "median"]
_HEADER_BYTES = 540


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One volume as read.

    Args:
        array: Source orientation, 3 axes; the file's dtype, or float32 where the header scales.
        grid: Its geometry.
        flags: What is unusual though usable.
        sha256: Of the file as it lies on disk.
    """

    array: np.ndarray
    grid: Grid
    flags: tuple[str, ...] = ()
    sha256: str = ""


def load_volume(
    path: str | Path,
    *,
    nan: NanPolicy = "error",
    limit_gb: float = LIMIT_GB,
    repair_affine: Repair | None = None,
) -> Volume:
    """Reads and checks a 3-D NIfTI volume (``.nii`` or ``.nii.gz``, NIfTI-1 or -2).

    The whole compressed stream is read, so that a truncated file or a wrong checksum cannot pass; nothing is allocated
    before the header's promise was compared with the limit.

    Args:
        path: The file.
        nan: What to do with NaN and infinite voxels: refuse, set to 0, or set to the median of the finite ones.
        limit_gb: Most memory for what the file holds and what becomes of it, in 10^9 bytes.
        repair_affine: ``"qform"`` uses the quaternion form where the sform is unusable; never without being asked.

    Raises:
        DataError: For every fault of the file, naming path, field and value.
    """
    path = Path(path)
    if nan not in ("error", "zero", "median"):
        raise ValueError(f"nan must be error, zero or median, got {nan!r}")
    raw = _read_bytes(path)
    sha256 = hashlib.sha256(raw).hexdigest()
    header, content = _uncompressed(raw, path, limit_gb=limit_gb)
    del raw
    mended = mend(header)
    affine = best_affine(header, path, repair=repair_affine)
    array, counted = settle_nan(_array(header, content, path), nan=nan, path=path)
    repaired = not np.array_equal(affine, header.get_best_affine(), equal_nan=False)
    grid = Grid.from_header(header, affine=affine if repaired else None)
    flags = (*mended, *_flags(header, affine), *(["affine_from_qform"] if repaired else []), *counted)
    return Volume(array=array, grid=grid, flags=flags, sha256=sha256)


def _read_bytes(path: Path) -> bytes:
    with reading(path, remedy="check path and rights"):
        raw = path.read_bytes()
    if not raw:
        raise DataError("the file is empty", path=path, field="size", value=0, remedy="copy it again")
    return raw


def _uncompressed(raw: bytes, path: Path, *, limit_gb: float) -> tuple[nib.Nifti1Header, bytes]:
    """The checked header, and the bytes of the whole file without compression."""
    zipped = path.name.lower().endswith(".gz")
    if zipped and raw[:2] != b"\x1f\x8b":
        raise DataError(
            "the name ends in .gz but the file is not gzip",
            path=path,
            field="magic",
            value=raw[:2].hex(),
            remedy="rename it",
        )
    try:
        with gzip.open(io.BytesIO(raw)) if zipped else io.BytesIO(raw) as stream:
            block = stream.read(_HEADER_BYTES)
            header = parse_header(block, path)
            check_header(header, path)
            promised = _promised(header, path, limit_gb=limit_gb)
            check_length(promised, path=path, size=len(raw), zipped=zipped)
            content = block + stream.read(promised - len(block))
            while stream.read(1 << 20):  # to the end: only there gzip compares checksum and length
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"the compressed data are damaged ({error})",
            path=path,
            field="gzip",
            value=len(raw),
            remedy="copy the file again",
        ) from error
    check_length(promised, path=path, size=len(content))
    return header, content


def _promised(header: nib.Nifti1Header, path: Path, *, limit_gb: float) -> int:
    """Bytes of the whole file by its header; refused where they and what becomes of them are above the limit."""
    shape = [int(n) for n in header["dim"][1 : int(header["dim"][0]) + 1]]
    voxels, itemsize, offset = math.prod(shape), header.get_data_dtype().itemsize, int(header["vox_offset"])
    kept = 4 if _scaled(header) or header.get_data_dtype().kind == "f" else itemsize
    size = voxels * (itemsize + kept)
    large = size > offset
    check_budget(
        size + offset,
        path=path,
        field="dim" if large else "vox_offset",
        value=shape if large else offset,
        limit_gb=limit_gb,
        remedy="raise --limit-gb if the volume is really so large",
    )
    return voxels * itemsize + offset


def _scaled(header: nib.Nifti1Header) -> bool:
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    return math.isfinite(slope) and slope != 0 and (slope, inter) != (1.0, 0.0)


def _array(header: nib.Nifti1Header, content: bytes, path: Path) -> np.ndarray:
    """The voxels: of the file's type, or float32 where the header scales or floats are longer."""
    image_type = nib.Nifti2Image if int(header["sizeof_hdr"]) == _HEADER_BYTES else nib.Nifti1Image
    shape = tuple(int(n) for n in header["dim"][1:4])
    with reading(path, what="the volume", remedy="convert the volume again"):
        proxy = image_type.from_bytes(content).dataobj
        if not _scaled(header) and header.get_data_dtype().kind != "f":
            return np.asanyarray(proxy).reshape(shape)
        proxy = proxy.reshape(shape)
        array = np.empty(shape, dtype=np.float32, order="F")
        for z in range(shape[2]):  # a slice at a time: nibabel scales in float64
            array[:, :, z] = proxy[:, :, z]
        return array


def settle_nan(array: np.ndarray, *, nan: NanPolicy, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Applies the policy for NaN and infinite voxels; gives the array and a flag that counts them.

    Raises:
        DataError: If there are any and the policy is ``error``, or all are.
    """
    if array.dtype.kind != "f":
        return array, ()
    bad = ~np.isfinite(array)
    count = int(bad.sum())
    if not count:
        return array, ()
    if nan == "error" or count == array.size:
        raise DataError(
            "there are NaN or infinite voxels",
            path=path,
            field="voxels",
            value=count,
            remedy="set them with --nan zero or --nan median" if count < array.size else "the file holds no image",
        )
    array = array.copy()
    array[bad] = 0 if nan == "zero" else np.median(array[~bad])
    return array, (f"nan_set_to_{nan}:{count}",)


def _flags(header: nib.Nifti1Header, affine: np.ndarray) -> list[str]:
    flags = []
    if int(header["qform_code"]) == 0 and int(header["sform_code"]) == 0:
        flags.append("no_orientation_codes")
    if not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), np.abs(header["pixdim"][1:4]), rtol=1e-2):
        flags.append("pixdim_differs_from_affine")
    return flags
