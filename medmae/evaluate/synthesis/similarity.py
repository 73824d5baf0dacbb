"""How alike a synthetic and a real image are: PSNR, SSIM, NMSE and MAE, each in two named definitions.

``standard`` is what the words mean elsewhere. ``reference`` is what the published code of MT-Net (Li et al., TMI 2023)
computes; its SSIM and NMSE flatter, so its numbers compare with that paper's and with nothing else.

Arrays are ``(..., H, W)`` with intensities in [0, 1]; leading axes count slices. Nothing is clipped.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from skimage.metrics import structural_similarity

from medmae.errors import check_choice

Definition = Literal["standard", "reference"]
METRICS = ("psnr", "ssim", "nmse", "mae")
DECIBEL_CAP = 100.0  # of an exact match
WINDOW = 7  # pixels, the edge of SSIM's uniform window
DEFINITIONS = {
    "standard": {
        "psnr": "peak 1, squared error pooled over the voxels, at most 100 dB",
        "ssim": "2-d, axial slices, data range 1, 7 x 7 uniform window, sample covariance, mean over the pixels",
        "nmse": "sum of squared errors / sum of squared target, pooled over the voxels",
        "mae": "mean absolute error, pooled over the voxels",
    },
    "reference": {
        "psnr": "peak 1, of each slice; 100 dB where the error is 0",
        "ssim": "2-d, of each slice, data range 2, 7 x 7 uniform window, sample covariance",
        "nmse": "of each slice, ratio of the spectral norms of squared error and squared target; 0 where the target is",
        "mae": "mean absolute error of each slice",
    },
}


def similarity(
    prediction: np.ndarray,
    target: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    definition: Definition = "standard",
    quality: np.ndarray | None = None,
) -> dict[str, float]:
    """All four metrics.

    Args:
        prediction: Synthetic, ``(..., H, W)``, at least 7 x 7 pixels.
        target: Real, the same shape.
        mask: True where it counts, the same shape; ``standard`` only. SSIM inside it is the mean of the SSIM map.
        definition: ``standard`` pools all slices; ``reference`` takes each slice alone and averages.
        quality: :func:`ssim_map` of the two, where the caller has it already; ``standard`` only.

    Returns:
        ``psnr`` in decibels, ``ssim``, ``nmse``, ``mae``. NaN where the mask is empty; ``nmse`` is also NaN where a
        ``standard`` target is 0 throughout.

    Raises:
        ValueError: If shapes differ, slices are smaller than the window, or ``reference`` is given a mask.
    """
    check_choice(definition, get_args(Definition), name="definition")
    _check_shapes(prediction, target, mask)
    prediction, target = prediction.astype(np.float64), target.astype(np.float64)
    if definition == "standard":
        quality = ssim_map(prediction, target) if quality is None else quality
        return _standard(prediction, target, mask, quality)
    if mask is not None:
        raise ValueError("the reference definition knows no mask: leave it out, or take definition='standard'")
    slices = zip(_slices(prediction), _slices(target), strict=True)
    scores = [_reference(*pair) for pair in slices]
    return {name: float(np.mean([score[name] for score in scores])) for name in METRICS}


def ssim_map(prediction: np.ndarray, target: np.ndarray, *, data_range: float = 1.0) -> np.ndarray:
    """SSIM around every pixel, slice by slice: float64 of the shape given."""
    pairs = zip(_slices(prediction.astype(np.float64)), _slices(target.astype(np.float64)), strict=True)
    maps = [structural_similarity(a, b, data_range=data_range, win_size=WINDOW, full=True)[1] for a, b in pairs]
    return np.stack(maps).reshape(target.shape)


def stripe_ratio(synthetic: np.ndarray, real: np.ndarray, *, mask: np.ndarray) -> float:
    """How much adjacent slices of a synthetic volume jump, in units of how much those of the real one do.

    A network that sees one slice at a time may shift brightness between slices: 1 is as in the real volume, above 1
    are stripes, below 1 is a blur along the axis.

    Args:
        synthetic: ``(S, H, W)``.
        real: ``(S, H, W)``.
        mask: Voxels that count, ``(S, H, W)`` bool: pairs of neighbours with both inside.

    Returns:
        NaN if no pair lies in the mask, or the real volume does not change along the axis.
    """
    both = mask[1:] & mask[:-1]  # (S - 1, H, W)
    jump, natural = (
        float(np.abs(np.diff(volume.astype(np.float64), axis=0))[both].sum()) for volume in (synthetic, real)
    )
    return jump / natural if natural > 0 else math.nan


def blockiness(synthetic: np.ndarray, real: np.ndarray, *, patch: int) -> float:
    """How much a patch grid shows: the mean jump across its borders over that elsewhere, in units of the real one's.

    Jumps are absolute differences of neighbouring pixels of a slice, both of them where the real slice is above 0. 1 is
    as in the real slices, above 1 the grid is seen.

    Args:
        synthetic: ``(S, H, W)``, as the network gives slices: the first patch begins at the first pixel.
        real: ``(S, H, W)``.
        patch: Edge in pixels.

    Returns:
        NaN if there is no border, or nothing changes beside it.
    """
    ours, natural = (_border_ratio(slices, inside=real > 0, patch=patch) for slices in (synthetic, real))
    return ours / natural if natural > 0 else math.nan


def _border_ratio(slices: np.ndarray, *, inside: np.ndarray, patch: int) -> float:
    border, elsewhere = list[np.ndarray](), list[np.ndarray]()
    for values, mask in ((slices, inside), (slices.swapaxes(1, 2), inside.swapaxes(1, 2))):
        jumps, both = np.abs(np.diff(values, axis=2)), mask[..., 1:] & mask[..., :-1]  # (S, H, W - 1)
        across = np.arange(1, values.shape[2]) % patch == 0
        border.append(jumps[..., across][both[..., across]])
        elsewhere.append(jumps[..., ~across][both[..., ~across]])
    on, off = (np.concatenate(parts, dtype=np.float64) for parts in (border, elsewhere))
    return float(on.mean() / off.mean()) if on.size and off.any() else math.nan


def _standard(
    prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None, quality: np.ndarray
) -> dict[str, float]:
    inside = np.ones(target.shape, dtype=bool) if mask is None else mask
    if not inside.any():
        return dict.fromkeys(METRICS, math.nan)
    error, signal = (prediction - target)[inside], target[inside]
    power = float(np.square(signal).sum())
    # Without a mask, the rim whose windows reach beyond the image is left out, as scikit-image does.
    rim = WINDOW // 2
    values = quality[..., rim:-rim, rim:-rim] if mask is None else quality[inside]
    return {
        "psnr": min(_decibel(error), DECIBEL_CAP),
        "ssim": float(values.mean()),
        "nmse": float(np.square(error).sum()) / power if power > 0 else math.nan,
        "mae": float(np.abs(error).mean()),
    }


def _reference(prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
    error = prediction - target  # (H, W)
    power = float(np.linalg.norm(np.square(target), ord=2))  # the largest singular value
    return {
        "psnr": _decibel(error),
        "ssim": float(structural_similarity(prediction, target, data_range=2.0, win_size=WINDOW)),
        "nmse": float(np.linalg.norm(np.square(error), ord=2)) / power if power > 0 else 0.0,
        "mae": float(np.abs(error).mean()),
    }


def _decibel(error: np.ndarray) -> float:
    mean_square = float(np.square(error).mean())
    return -10 * math.log10(mean_square) if mean_square > 0 else DECIBEL_CAP


def _slices(volume: np.ndarray) -> np.ndarray:
    return volume.reshape(-1, *volume.shape[-2:])


def _check_shapes(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray | None) -> None:
    shapes = [array.shape for array in (prediction, target, mask) if array is not None]
    if len(set(shapes)) > 1:
        raise ValueError(f"prediction, target and mask must have one shape, got {shapes}")
    if target.ndim < 2 or min(target.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs slices of at least {WINDOW} x {WINDOW} pixels, got shape {target.shape}")
