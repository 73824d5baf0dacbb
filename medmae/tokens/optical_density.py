"""Optical density and tissue of 8-bit RGB tiles: tables of 256 entries, looked up."""

from __future__ import annotations

import numpy as np

_LUMINANCE = np.array([0.212671, 0.715160, 0.072169])  # of linear sRGB, in 8-bit CIELAB as OpenCV computes it
_TISSUE_LIGHTNESS = 90.0  # L* below which a pixel is tissue: 0.9 of white


def checked_tile(tile: np.ndarray) -> np.ndarray:
    """The tile itself.

    Raises:
        ValueError: If it is not ``(H, W, 3)`` uint8.
    """
    if tile.dtype != np.uint8 or tile.ndim != 3 or tile.shape[2] != 3 or not tile.size:
        raise ValueError(f"a tile must be (H, W, 3) uint8, got {tile.shape} {tile.dtype}")
    return tile


def brightness(tile: np.ndarray) -> float:
    """90th percentile of all values of a tile ``(H, W, 3)``, interpolated as NumPy does; from a histogram."""
    below = np.bincount(tile.reshape(-1), minlength=256).cumsum()
    place = 0.9 * (tile.size - 1)
    low, high = np.searchsorted(below, [int(place), min(int(place) + 1, tile.size - 1)], side="right")
    return float(low + (place - int(place)) * (high - low))


def brightened_table(white: float) -> np.ndarray:
    """What each of the 256 values becomes when ``white`` becomes 255: ``(256,)`` uint8, cut off as a cast does."""
    return np.clip(255.0 * np.arange(256) / max(white, 1.0), 0, 255).astype(np.uint8)


def density_table(white: float | None = None) -> np.ndarray:
    """``ln(255 / I)`` of each of the 256 values, 0 counted as 1: ``(256,)`` float64; after brightening if asked."""
    density: np.ndarray = np.log(255.0 / np.maximum(np.arange(256), 1))
    return density if white is None else density[brightened_table(white)]


def tissue_mask(tile: np.ndarray, *, white: float | None = None) -> np.ndarray:
    """Where CIELAB lightness is below 0.9 of white, ``(H, W)`` bool; after brightening if asked."""
    value = np.arange(256) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    table = linear if white is None else linear[brightened_table(white)]
    mask: np.ndarray = table[tile] @ _LUMINANCE < ((_TISSUE_LIGHTNESS + 16) / 116) ** 3
    return mask
