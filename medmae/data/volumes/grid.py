"""Where a stored array lies in its source file: the only thing used to write a result back."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.orientations import (
    aff2axcodes,
    apply_orientation,
    axcodes2ornt,
    io_orientation,
    ornt_transform,
)

from medmae.data.volumes.nifti_header import millimetres
from medmae.files import atomic_write

CANONICAL = "LPS"
Pairs = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Matrix = tuple[tuple[float, ...], ...]
_NO_PAD: Pairs = ((0, 0), (0, 0), (0, 0))
# The raw NIfTI fields from which readers compute the affine; kept as they are, they come back bit for bit.
_RAW = ("pixdim", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
_ROWS = ("srow_x", "srow_y", "srow_z")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Geometry of one source volume and of the array stored from it.

    Stored arrays are ``(S, H, W)`` = (z, y, x) in LPS: slice 0 is the lowest, row 0 is anterior, column 0 is the
    patient's right, so that a slice shown as an image is upright and radiological.

    Args:
        shape: Shape of the source array: 3 axes, and further ones of 1.
        affine: 4 x 4, voxel index to RAS+ millimetres (nibabel's convention).
        qform_code: NIfTI code of the quaternion form.
        sform_code: NIfTI code of the affine form.
        xyzt_units: Units of space and time, such as ``("mm", "sec")``.
        raw: The NIfTI header fields behind the affine, in the header's own unit of length.
        crop: ``(start, stop)`` per stored axis (z, y, x), counted in the whole canonical volume; None keeps all.
        pad: Voxels added ``(before, after)`` per stored axis, after the crop.
        scale: Resampling factor per stored axis, after the pad; 1 everywhere keeps the inverse exact.
    """

    shape: tuple[int, ...]
    affine: Matrix
    qform_code: int = 1
    sform_code: int = 1
    xyzt_units: tuple[str, str] = ("mm", "unknown")
    raw: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    crop: Pairs | None = None
    pad: Pairs = _NO_PAD
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if len(self.shape) < 3 or any(n != 1 for n in self.shape[3:]):
            raise ValueError(f"a grid has 3 axes, and further ones of 1, got shape {self.shape}")
        if np.shape(self.affine) != (4, 4):
            raise ValueError(f"the affine must be 4 x 4, got shape {np.shape(self.affine)}")
        for (start, stop), full in zip(self.crop or (), self.canonical_shape, strict=bool(self.crop)):
            if not 0 <= start < stop <= full:
                raise ValueError(f"crop {self.crop} leaves the canonical volume of {self.canonical_shape}")

    @classmethod
    def from_header(cls, header: nib.Nifti1Header, *, affine: np.ndarray | None = None) -> Grid:
        """The grid of a NIfTI header; ``affine`` replaces a broken sform, also in what is written back."""
        if affine is not None:
            header = header.copy()
            header.set_sform(affine, code=int(header["qform_code"]))
        raw = {name: _floats(header[name]) for name in (*_RAW, *_ROWS)}
        to_mm = np.diag([millimetres(header)] * 3 + [1.0])
        return cls(
            shape=tuple(int(n) for n in header.get_data_shape()),
            affine=_matrix(to_mm @ header.get_best_affine()),
            qform_code=int(header["qform_code"]),
            sform_code=int(header["sform_code"]),
            xyzt_units=header.get_xyzt_units(),
            raw=raw,
        )

    @classmethod
    def from_affine(cls, shape: tuple[int, ...], affine: np.ndarray) -> Grid:
        """A grid for a volume that was not NIfTI: both forms get code 1 (scanner), units are millimetres."""
        header = nib.Nifti1Header()
        header.set_data_shape(shape)
        header.set_sform(affine, code=1)
        header.set_qform(affine, code=1, strip_shears=True)
        header.set_xyzt_units("mm")
        return cls.from_header(header)

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Voxel size along the source axes, as the header says."""
        if "pixdim" in self.raw:
            x, y, z = self.raw["pixdim"][1:4]
            return x, y, z
        x, y, z = np.linalg.norm(np.asarray(self.affine)[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def orientation(self) -> str:
        """Axis codes of the source array, such as ``LAS``: towards which side each index grows."""
        return "".join(aff2axcodes(np.asarray(self.affine)))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along the stored axes (z, y, x)."""
        size = np.linalg.norm(np.asarray(self.affine)[:3, :3], axis=0)
        z, y, x = size[self._source_axes()][::-1].tolist()
        return z, y, x

    @property
    def canonical_shape(self) -> tuple[int, int, int]:
        """Shape of the whole volume in canonical orientation (S, H, W)."""
        z, y, x = np.asarray(self.shape[:3])[self._source_axes()][::-1].tolist()
        return z, y, x

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """Shape of what :meth:`to_canonical` gives (S, H, W)."""
        sizes = [stop - start for start, stop in self._crop()]
        padded = [n + before + after for n, (before, after) in zip(sizes, self.pad, strict=True)]
        z, y, x = (round(n * factor) for n, factor in zip(padded, self.scale, strict=True))
        return z, y, x

    @property
    def start(self) -> tuple[int, int, int]:
        """Where the first stored voxel lies in the whole canonical volume (z, y, x); below 0 in the padding."""
        z, y, x = (crop[0] - pad[0] for crop, pad in zip(self._crop(), self.pad, strict=True))
        return z, y, x

    def cropped(self, crop: Pairs) -> Grid:
        """The same grid with another crop."""
        return replace(self, crop=crop)

    def to_canonical(self, array: np.ndarray, *, fill: float = 0.0, order: int = 1) -> np.ndarray:
        """Source array to stored array: reorient, crop, pad, scale.

        Args:
            array: Of the source's shape.
            fill: Value of padding.
            order: Interpolation where ``scale`` is not 1: 1 linear, 0 nearest (labels).

        Returns:
            ``(S, H, W)`` of :attr:`stored_shape`, the dtype of ``array``.
        """
        self._same(array.shape, self.shape, "source")
        turned = apply_orientation(array.reshape(self.shape[:3]), self._turn()).transpose(2, 1, 0)  # (S, H, W)
        kept = turned[tuple(slice(start, stop) for start, stop in self._crop())]
        if self.pad != _NO_PAD:
            kept = np.pad(kept, self.pad, constant_values=fill)
        return np.ascontiguousarray(_resized(kept, self.stored_shape, order=order))

    def from_canonical(self, array: np.ndarray, *, fill: float = 0.0, order: int = 1) -> np.ndarray:
        """Stored array to source array: the exact inverse where ``scale`` is 1; ``fill`` goes outside the crop."""
        self._same(array.shape, self.stored_shape, "stored")
        inner = [stop - start for start, stop in self._crop()]
        padded = tuple(n + before + after for n, (before, after) in zip(inner, self.pad, strict=True))
        array = _resized(array, padded, order=order)
        array = array[tuple(slice(b, b + n) for (b, _), n in zip(self.pad, inner, strict=True))]
        whole = np.full(self.canonical_shape, fill, dtype=array.dtype)
        whole[tuple(slice(start, stop) for start, stop in self._crop())] = array
        back = ornt_transform(axcodes2ornt(CANONICAL), io_orientation(np.asarray(self.affine)))
        return np.ascontiguousarray(apply_orientation(whole.transpose(2, 1, 0), back)).reshape(self.shape)

    def write_nifti(
        self,
        array: np.ndarray,
        path: str | Path,
        *,
        descrip: str = "",
        fill: float = 0.0,
        order: int = 1,
        scaling: tuple[float, float] | None = None,
    ) -> None:
        """Writes a stored array as NIfTI with the source's shape, affine, codes, zooms and units, atomically.

        Args:
            array: ``(S, H, W)``; float16 is written as float32, bool as uint8.
            path: ``.nii`` or ``.nii.gz``.
            descrip: Free text of the header, at most 79 bytes; never a patient's name.
            fill: Value outside the crop.
            order: See :meth:`from_canonical`.
            scaling: Slope and intercept that readers will apply; ``array`` and ``fill`` are what is stored.
        """
        path = Path(path)
        if not path.name.endswith((".nii", ".nii.gz")):
            raise ValueError(f"a NIfTI file ends in .nii or .nii.gz, got {path.name}")
        if len(descrip.encode()) > 79:
            raise ValueError(f"descrip holds at most 79 bytes, got {len(descrip.encode())}: {descrip!r}")
        data = self.from_canonical(array, fill=fill, order=order)
        data = data.astype(
            {"float16": np.float32, "bool": np.uint8, "int64": np.int32}.get(data.dtype.name, data.dtype)
        )
        header = self._header(data.dtype)
        header["descrip"] = descrip.encode()
        image = nib.Nifti1Image(data, None, header)  # affine None: the header is kept as it is
        if scaling is not None:
            image.header.set_slope_inter(*scaling)  # an image forgets those of the header it is made from
        content = image.to_bytes()
        with atomic_write(path) as file:
            file.write(gzip.compress(content, compresslevel=6, mtime=0) if path.suffix == ".gz" else content)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; derived values are included for readers without this class."""
        return {
            "shape": list(self.shape),
            "affine": [list(row) for row in self.affine],
            "qform_code": self.qform_code,
            "sform_code": self.sform_code,
            "zooms": list(self.zooms),
            "xyzt_units": list(self.xyzt_units),
            "orientation": self.orientation,
            "raw": {name: list(values) for name, values in self.raw.items()},
            "crop": None if self.crop is None else [list(pair) for pair in self.crop],
            "pad": [list(pair) for pair in self.pad],
            "scale": list(self.scale),
            "canonical": CANONICAL,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Grid:
        """The inverse of :meth:`to_dict`; derived values are computed anew."""
        return cls(
            shape=tuple(values["shape"]),
            affine=_matrix(values["affine"]),
            qform_code=values["qform_code"],
            sform_code=values["sform_code"],
            xyzt_units=(values["xyzt_units"][0], values["xyzt_units"][1]),
            raw={name: tuple(numbers) for name, numbers in values["raw"].items()},
            crop=None if values["crop"] is None else _pairs(values["crop"]),
            pad=_pairs(values["pad"]),
            scale=(values["scale"][0], values["scale"][1], values["scale"][2]),
        )

    def _header(self, dtype: np.dtype) -> nib.Nifti1Header:
        header = nib.Nifti1Header()
        header.set_data_shape(self.shape)
        header.set_data_dtype(dtype)
        header.set_xyzt_units(*self.xyzt_units)
        if not self.raw:
            header.set_sform(np.asarray(self.affine), code=self.sform_code)
            header.set_qform(np.asarray(self.affine), code=self.qform_code, strip_shears=True)
        for name, values in self.raw.items():
            header[name] = values if len(values) > 1 else values[0]
        header["qform_code"], header["sform_code"] = self.qform_code, self.sform_code
        return header

    def _crop(self) -> Pairs:
        z, y, x = self.canonical_shape
        return self.crop or ((0, z), (0, y), (0, x))

    def _turn(self) -> np.ndarray:
        return ornt_transform(io_orientation(np.asarray(self.affine)), axcodes2ornt(CANONICAL))

    def _source_axes(self) -> np.ndarray:
        """For each canonical axis (x, y, z) the source axis it comes from."""
        return np.argsort(io_orientation(np.asarray(self.affine))[:, 0])

    @staticmethod
    def _same(found: tuple[int, ...], wanted: tuple[int, ...], kind: str) -> None:
        if found not in (wanted, wanted[:3]):
            raise ValueError(f"expected the {kind} shape {wanted}, got {found}")


def _resized(array: np.ndarray, shape: tuple[int, ...], *, order: int) -> np.ndarray:
    if array.shape == shape:
        return array
    from scipy.ndimage import zoom

    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    return zoom(array, factors, order=order, mode="nearest", grid_mode=True)


def _floats(values: npt.ArrayLike) -> tuple[float, ...]:
    # An unused form may hold NaN, which JSON cannot.
    return tuple(float(v) if np.isfinite(v) else 0.0 for v in np.atleast_1d(np.asarray(values)))


def _matrix(values: Iterable[Iterable[float]]) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in values)


def _pairs(values: Iterable[Sequence[int]]) -> Pairs:
    z, y, x = ((int(pair[0]), int(pair[1])) for pair in values)
    return z, y, x
