"""Brightness, contrast and sharpness as PIL's ImageEnhance defines them, for whole batches of tensors.

All three blend the image with a degenerate twin (black, its mean grey, itself smoothed):
``twin + factor * (image - twin)``. PIL stores 8 bits after each of them, cutting off what lies behind the point; with
``levels=True`` these functions do the same. They are written here because kornia's sharpness, which agrees, takes ten
times as long on a CPU.
"""

from __future__ import annotations

from torch import Tensor

_CENTRE, _SUM = 5.0, 13.0  # PIL's SMOOTH kernel: ones around a five


def to_levels(data: Tensor) -> Tensor:
    """[0, 1] -> whole grey levels 0 ... 255 as floats; clipped first, so that noise cannot wrap around.

    Cut off as a cast to uint8 does. The tiny addend keeps k / 255, which float32 may hold as a little less, at level k.
    """
    return data.mul(255).add_(1e-3).clamp_(0, 255).floor_()


def adjust_brightness(data: Tensor, factor: Tensor, *, levels: bool) -> Tensor:
    """Blends with black. ``data``: (B, C, *size) in [0, 255]; ``factor``: (B,)."""
    return _store(data * _column(factor, data), levels=levels)


def adjust_contrast(data: Tensor, factor: Tensor, *, levels: bool) -> Tensor:
    """Blends each channel with its mean, a whole level as PIL's. ``data``: (B, C, *size) in [0, 255]."""
    mean = data.mean(dim=tuple(range(2, data.ndim)), keepdim=True)  # (B, C, 1, 1)
    return _blend(mean.add(0.5).floor_() if levels else mean, data, factor, levels=levels)


def adjust_sharpness(data: Tensor, factor: Tensor, *, levels: bool) -> Tensor:
    """Blends with the smoothed image; 0 smooths, 1 changes nothing, 3 sharpens. Border pixels stay as they are.

    ``data``: (..., H, W) in [0, 255]; images of fewer than three pixels an axis are given back.
    """
    if min(data.shape[-2:]) < 3:
        return data
    inner = data[..., 1:-1, 1:-1]
    rows = (data[..., :-2, :] + data[..., 1:-1, :]).add_(data[..., 2:, :])  # sums of three, a view at a time
    smooth = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:])
    smooth = smooth.add_(inner, alpha=_CENTRE - 1).div_(_SUM)
    if levels:
        smooth.add_(0.5).floor_()  # PIL's filter rounds, its blend cuts off
    out = data.clone()
    out[..., 1:-1, 1:-1] = _blend(smooth, inner, factor, levels=levels)
    return out


def _blend(twin: Tensor, data: Tensor, factor: Tensor, *, levels: bool) -> Tensor:
    # In PIL's own order of operations: the cut below would show a difference in the last bit as a whole level.
    return _store((data - twin).mul_(_column(factor, data)).add_(twin), levels=levels)


def _store(data: Tensor, *, levels: bool) -> Tensor:
    data.clamp_(0, 255)
    return data.floor_() if levels else data


def _column(factor: Tensor, data: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1), beside the data."""
    return factor.to(data).view(-1, *[1] * (data.ndim - 1))
