"""The colour of a slide's glass: old mountant is yellow, lamps and filters tint, and what is tinted is no tissue."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Colour = tuple[int, int, int]

_COLOURED = 10  # grey levels between channels, from which glass is tinted rather than white
_SMOOTH = 5  # pixels
_FLAT = 3.0  # grey levels of local deviation, after smoothing; tissue has more
_MOST_OD, _MOST_STAIN_OD = 0.45, 0.25  # mean optical density of glass, and of glass that has the colour of a stain
_BIN = 8  # grey levels
_NEAR = 6  # grey levels around the colour of glass, after smoothing
_TINTED, _BESIDE_WHITE = 0.10, 0.20  # shares of the picture that tinted glass fills, at least: alone, or beside white
_WHITE = 0.02  # share of the picture from which white glass is there, too
_STAIN_BLUE = 0.7  # optical density of green over that of blue, from which brown may be a stain: that of DAB is 0.73


def glass_colours(overview: np.ndarray) -> list[Colour]:
    """Colours of the glass in an overview, white first where it is there; ``[]`` if the glass is white or not seen.

    Glass is bright, and flat in colour over much of the picture, as no tissue is. Where white glass is there, too, what
    is pink, purple or brown stays tissue however flat: stains have these colours.

    Args:
        overview: uint8 ``(h, w, 3)``; only what was scanned.
    """
    smooth = np.stack([ndimage.uniform_filter(overview[..., c].astype(np.float32), _SMOOTH) for c in range(3)], axis=-1)
    density = -np.log(np.maximum(smooth, 1) / 255)  # (h, w, 3)
    most = np.where(_like_a_stain(density), _MOST_STAIN_OD, _MOST_OD)
    flat = (density.mean(axis=-1) <= most) & (_deviation(smooth) <= _FLAT)
    white = flat & (np.ptp(smooth, axis=-1) <= _COLOURED)
    beside_white = white.sum() >= _WHITE * white.size
    tinted = smooth[flat & ~white]  # (N, 3)
    least = _BESIDE_WHITE if beside_white else _TINTED
    if len(tinted) < least * white.size:
        return []
    colour = _mode(tinted)
    near = (np.abs(smooth - colour) <= _NEAR).all(axis=-1) & flat
    if near.sum() < least * white.size or (beside_white and _like_a_stain(-np.log(colour / 255))):
        return []
    red, green, blue = (round(float(value)) for value in colour)
    return [*([(255, 255, 255)] if beside_white else []), (red, green, blue)]


def _deviation(smooth: np.ndarray) -> np.ndarray:
    """Local standard deviation of the channel that varies most: ``(h, w)``."""
    parts = []
    for c in range(3):
        mean = ndimage.uniform_filter(smooth[..., c], _SMOOTH)
        square = ndimage.uniform_filter(smooth[..., c] ** 2, _SMOOTH)
        parts.append(np.sqrt(np.maximum(square - mean**2, 0)))
    deviation: np.ndarray = np.maximum.reduce(parts)
    return deviation


def _mode(colours: np.ndarray) -> np.ndarray:
    """The colour that most of ``(N, 3)`` are near: the median of the fullest bin and its neighbours."""
    bins = np.floor(colours / _BIN).astype(np.int64)
    codes, counts = np.unique(bins @ np.array([4096, 64, 1]), return_counts=True)
    code = codes[counts.argmax()]
    fullest = np.array([code // 4096, code // 64 % 64, code % 64])
    near = (np.abs(bins - fullest) <= 1).all(axis=1)
    middle: np.ndarray = np.median(colours[near], axis=0)
    return middle


def _like_a_stain(density: np.ndarray) -> np.ndarray:
    """Where optical densities ``(..., 3)`` are those of eosin, haematoxylin or DAB, which absorb green: bool ``(...)``.

    Yellow, green and blue glass does not.
    """
    red, green, blue = (density[..., c] for c in range(3))
    stained: np.ndarray = (green > red) & (green > _STAIN_BLUE * blue)
    return stained
