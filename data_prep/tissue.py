"""Where a slide has tissue: Otsu's threshold on how coloured it is, at about a thousand pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu

from data_prep.glass import Colour
from medmae.data.slides.slide_grid import SlideGrid

_LEAST, _MOST = 12.0, 30.0  # bounds of the threshold: a blank slide has noise only, strong tissue hides pale tissue
_SMOOTH = 5  # pixels
_SPECK = 1e-4  # share of the picture; smaller spots are dust, smaller holes are tissue
_CONTOUR = (0, 160, 70)
_WHITE = (255, 255, 255)


def tissue_mask(overview: Image.Image, *, glass: Sequence[Colour] = ()) -> np.ndarray:
    """Where an RGB overview shows tissue: bool ``(h, w)``.

    Colourfulness is the largest minus the smallest of the three channels: about nothing for glass, grey dust and black
    ink, much for stained tissue. Coloured ink counts as tissue. Where the glass is tinted, it is measured against the
    glass: of what each of its colours lets through, the least coloured counts.

    Args:
        overview: The whole slide, small.
        glass: Its colours, of :func:`data_prep.glass.glass_colours`; none is white.
    """
    pixels = np.asarray(overview)
    smooth = ndimage.uniform_filter(
        np.minimum.reduce([_colourfulness(pixels, colour) for colour in glass or [_WHITE]]), _SMOOTH
    )
    threshold = float(np.clip(threshold_otsu(smooth), _LEAST, _MOST)) if np.ptp(smooth) else _LEAST
    least = max(round(_SPECK * smooth.size), 4)
    mask = _without_specks(smooth > threshold, least)
    return ~_without_specks(~mask, least)


def _colourfulness(pixels: np.ndarray, glass: Colour) -> np.ndarray:
    """Largest minus smallest channel of what the glass lets through: float32 ``(h, w)``."""
    through = pixels if glass == _WHITE else (pixels * (np.float32(255) / np.array(glass, np.float32))).clip(0, 255)
    apart: np.ndarray = np.ptp(through, axis=-1).astype(np.float32)
    return apart


def _without_specks(mask: np.ndarray, least: int) -> np.ndarray:
    labels, _ = ndimage.label(mask)
    keep = np.bincount(labels.ravel()) >= least
    keep[0] = False
    return keep[labels]


def tissue_share(mask: np.ndarray, grid: SlideGrid, corners: np.ndarray) -> np.ndarray:
    """Share of tissue in each tile: float32 ``(N,)``.

    Args:
        mask: From :func:`tissue_mask`, of the whole slide.
        grid: Of the tiles.
        corners: Level-0 positions ``(N, 2)``.
    """
    h, w = mask.shape
    sums = np.zeros((h + 1, w + 1))
    sums[1:, 1:] = mask.cumsum(axis=0).cumsum(axis=1)
    scale = np.array([w, h]) / grid.slide_size
    ends = np.minimum((corners + grid.tile_size) * scale, (w, h))
    (left, top), (right, bottom) = (corners * scale).T, ends.T
    # Sums between whole pixels are linear in each direction, so that borders within a pixel count by their share.
    inside = _at(sums, bottom, right) - _at(sums, top, right) - _at(sums, bottom, left) + _at(sums, top, left)
    return (inside / np.prod(ends - corners * scale, axis=1)).clip(0, 1).astype(np.float32)


def _at(sums: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(sums, (y, x), order=1, mode="nearest")


def overlay(overview: Image.Image, mask: np.ndarray) -> Image.Image:
    """The overview with the outline of the mask drawn on it, two pixels wide."""
    inner = ndimage.binary_erosion(mask, iterations=2, border_value=1)
    pixels = np.array(overview)
    pixels[mask & ~inner] = _CONTOUR
    return Image.fromarray(pixels)
