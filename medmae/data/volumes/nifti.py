"""Reading NIfTI volumes with every check that nibabel leaves out: CRC, size, geometry, number kinds, NaN."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from medmae.data.volumes.grid import Grid
from medmae.data.volumes.nifti_header import Repair, best_affine, check_header, parse_header
from medmae.errors import DataError

NanPolicy = Literal["error", "zero", "median"]
LIMIT_GB = 4.0
_HEADER_BYTES = 540
_DEFLATE_RATIO = 1032  # bytes that one byte of gzip can hold at most


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
        limit_gb: Largest uncompressed size, in 10^9 bytes.
        repair_affine: ``"qform"`` uses the quaternion form where the sform is unusable; never without being asked.

    Raises:
        DataError: For every fault of the file, naming path, field and value.
    """
    path = Path(path)
    if nan not in ("error", "zero", "median"):
        raise ValueError(f"nan must be error, zero or median, got {nan!r}")
    raw = _read_bytes(path)
    header, content = _uncompressed(raw, path, limit=int(limit_gb * 1e9))
    affine = best_affine(header, path, repair=repair_affine)
    array, counted = settle_nan(_array(header, content, path), nan=nan, path=path)
    mended = not np.array_equal(affine, header.get_best_affine(), equal_nan=False)
    grid = Grid.from_header(header, affine=affine if mended else None)
    flags = (*_flags(header, affine), *(["affine_from_qform"] if mended else []), *counted)
    return Volume(array=array, grid=grid, flags=flags, sha256=hashlib.sha256(raw).hexdigest())


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the file cannot be read ({error.strerror})", path=path, remedy="check path and rights"
        ) from error
    if not raw:
        raise DataError("the file is empty", path=path, field="size", value=0, remedy="copy it again")
    return raw


def _uncompressed(raw: bytes, path: Path, *, limit: int) -> tuple[nib.Nifti1Header, bytes]:
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
            promised = _promised(header, path, limit=limit)
            if promised > len(raw) * (_DEFLATE_RATIO if zipped else 1):
                raise _too_short(path, promised=promised, size=len(raw))
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
    if len(content) < promised:
        raise _too_short(path, promised=promised, size=len(content))
    return header, content


def _too_short(path: Path, *, promised: int, size: int) -> DataError:
    return DataError(
        f"the file is shorter than its header promises ({promised} bytes)",
        path=path,
        field="size",
        value=size,
        remedy="copy the file again",
    )


def _promised(header: nib.Nifti1Header, path: Path, *, limit: int) -> int:
    """Bytes of the whole file by its header; refused above the limit, before they are read or allocated."""
    shape = [int(n) for n in header["dim"][1 : int(header["dim"][0]) + 1]]
    voxels = 1
    for n in shape:
        voxels *= n
    size, offset = voxels * header.get_data_dtype().itemsize, int(header["vox_offset"])
    if size + offset > limit:
        raise DataError(
            f"the header promises {(size + offset) / 1e9:.1f} GB, the limit is {limit / 1e9:.1f} GB",
            path=path,
            field="dim" if size > limit else "vox_offset",
            value=shape if size > limit else offset,
            remedy="raise --limit-gb if the volume is really so large",
        )
    return size + offset


def _array(header: nib.Nifti1Header, content: bytes, path: Path) -> np.ndarray:
    image_type = nib.Nifti2Image if int(header["sizeof_hdr"]) == _HEADER_BYTES else nib.Nifti1Image
    try:
        data = np.asanyarray(image_type.from_bytes(content).dataobj)
    except (HeaderDataError, ImageFileError, ValueError, OSError) as error:
        raise DataError(f"nibabel cannot read it ({error})", path=path, remedy="convert the volume again") from error
    data = data.reshape(data.shape[:3])
    return data.astype(np.float32) if data.dtype.kind == "f" else data


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
