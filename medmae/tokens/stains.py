"""Hematoxylin and eosin of an H&E tile as two grey pictures.

A. Vahadane et al., "Structure-Preserving Color Normalization and Sparse Stain Separation for Histological Images",
IEEE TMI 2016, doi 10.1109/TMI.2016.2529665, with the constants of wisdomikezogwo/MMAE_Pathology (a5716f5). How a matrix
is fitted, on a tile or on a slide, is in :mod:`medmae.tokens.stain_fit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medmae.tokens.optical_density import brightened_table, brightness, checked_tile, density_table
from medmae.tokens.stain_fit import StainFit, StainMethod, fit_stains
from medmae.tokens.stain_matrices import RUIFROK, SPARSITY, checked_matrix, sparse_codes


@dataclass(frozen=True)
class Stains:
    """One tile, separated.

    Attributes:
        hematoxylin: ``(H, W)`` uint8 transmittance: 255 is none of the stain, dark is much.
        eosin: Likewise.
        fit: The matrix that was used, and whether it is the tile's own.
    """

    hematoxylin: np.ndarray
    eosin: np.ndarray
    fit: StainFit


class StainSeparator:
    """``separate(tile)``: H and E pictures, with one matrix for all tiles or one fitted on each.

    Args:
        matrix: ``(3, 2)`` for every tile: a reference, or a slide's. None fits one on each tile.
        method: How to fit; ``ruifrok`` is a constant matrix.
        fallback: For tiles on which none can be fitted: the matrix of their slide, or a reference.
        sparsity: Weight of the codes' sum.
        brighten: Scales each tile so that its 90th percentile is white; the RGB picture stays as it is.
        min_tissue: Pixels of tissue below which a tile gets the fallback.
        colour_table: Works out the answer to all 16.7 million colours when the first tile comes (32 MiB, under a
            second) and only looks pixels up from then on: twice as fast, worth it for thousands of tiles.

    Raises:
        ValueError: If a matrix is none, or a colour table is asked for without one.

    >>> white = np.full((32, 32, 3), 255, dtype=np.uint8)
    >>> stains = StainSeparator()(white)
    >>> int(stains.hematoxylin.min()), int(stains.eosin.min()), stains.fit.flag
    (255, 255, 'little_tissue')
    """

    def __init__(
        self,
        *,
        matrix: np.ndarray | Sequence[Sequence[float]] | None = None,
        method: StainMethod = "vahadane",
        fallback: np.ndarray | Sequence[Sequence[float]] = RUIFROK,
        sparsity: float = SPARSITY,
        brighten: bool = True,
        min_tissue: int = 2500,
        colour_table: bool = False,
    ) -> None:
        if colour_table and matrix is None:
            raise ValueError("a colour table needs one matrix for all tiles: give matrix, or leave colour_table False")
        self.matrix = None if matrix is None else checked_matrix(matrix)
        self.method, self.fallback = method, checked_matrix(fallback)
        self.sparsity, self.brighten, self.min_tissue = sparsity, brighten, min_tissue
        self.colour_table = colour_table

    def __call__(self, tile: np.ndarray) -> Stains:
        """Separates a tile ``(H, W, 3)`` uint8.

        Raises:
            ValueError: If it is none.
        """
        return self.separate(tile, self.fit(tile))

    def fit(self, *tiles: np.ndarray) -> StainFit:
        """The matrix for a tile, or from several tiles for their slide; see :func:`fit_stains`."""
        if self.matrix is not None:
            return StainFit(self.matrix)
        return fit_stains(
            *tiles,
            method=self.method,
            fallback=self.fallback,
            sparsity=self.sparsity,
            brighten=self.brighten,
            min_tissue=self.min_tissue,
        )

    def separate(self, tile: np.ndarray, fit: StainFit) -> Stains:
        """Pictures of a tile by a given matrix."""
        white = brightness(checked_tile(tile)) if self.brighten else None
        if self.colour_table and fit.matrix is self.matrix:
            return Stains(*self._looked_up(tile, white), fit)
        density = density_table(white).astype(np.float32).take(tile.reshape(-1, 3)).T  # (3, K)
        hematoxylin, eosin = self._light(density, fit.matrix).reshape(2, *tile.shape[:2])
        return Stains(hematoxylin, eosin, fit)

    def _light(self, density: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """Transmittance of the two codes of densities ``(3, K)``: ``(2, K)`` uint8."""
        light = sparse_codes(density, matrix, sparsity=self.sparsity)
        np.exp(np.negative(light, out=light), out=light)
        light *= 255
        return light.astype(np.uint8)

    def _looked_up(self, tile: np.ndarray, white: float | None) -> tuple[np.ndarray, np.ndarray]:
        shown = tile if white is None else brightened_table(white).take(tile)
        colour = shown[..., 0].astype(np.int32)  # (H, W), to be the number of each pixel's colour
        for channel in (1, 2):
            colour <<= 8
            colour |= shown[..., channel]
        both = self._colours.take(colour, mode="clip")  # (H, W), and none is ever clipped: that only skips a check
        return both.astype(np.uint8), (both >> 8).astype(np.uint8)

    @cached_property
    def _colours(self) -> np.ndarray:
        """Hematoxylin in the low and eosin in the high byte, of each colour ``red, green, blue``: ``(2 ** 24,)``."""
        assert self.matrix is not None
        density, colours = density_table(), np.empty((256, 256 * 256), dtype=np.uint16)
        green, blue = np.repeat(density, 256), np.tile(density, 256)
        for red, plane in zip(density, colours, strict=True):
            light = self._light(np.stack([np.full_like(green, red), green, blue]), self.matrix)
            plane[:] = light[0] | light[1].astype(np.uint16) << 8
        return colours.reshape(-1)
