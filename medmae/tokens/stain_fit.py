"""The stain matrix of a tile, or of a slide from some of its tiles; what cannot be fitted is replaced and flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from medmae.errors import check_choice
from medmae.tokens.optical_density import brightness, checked_tile, density_table, tissue_mask
from medmae.tokens.stain_matrices import RUIFROK, SPARSITY, checked_matrix, macenko, sparse_codes, vahadane

StainMethod = Literal["vahadane", "macenko", "ruifrok"]
Flag = Literal["little_tissue", "one_stain"]

_MAX_COSINE = np.cos(np.radians(5.0))  # columns closer than this are one stain twice
_MIN_SHARE = 0.01  # of all codes; a column that is used less was found by nothing in the tissue


@dataclass(frozen=True)
class StainFit:
    """A matrix, and where it is from.

    Attributes:
        matrix: ``(3, 2)``.
        tissue_pixels: Tissue of the tiles it was to be fitted on; None where nothing was fitted.
        flag: Why it is the fallback: ``little_tissue``, or ``one_stain`` (both columns came out alike, or nothing needs
            one of them). None if it is not.
    """

    matrix: np.ndarray
    tissue_pixels: int | None = None
    flag: Flag | None = None


def fit_stains(
    *tiles: np.ndarray,
    method: StainMethod = "vahadane",
    fallback: np.ndarray | Sequence[Sequence[float]] = RUIFROK,
    sparsity: float = SPARSITY,
    brighten: bool = True,
    min_tissue: int = 2500,
    max_pixels: int = 10_000,
) -> StainFit:
    """The stain matrix of a tile, or of a slide from some of its tiles. Nothing is drawn at random, nothing thrown.

    Args:
        tiles: ``(H, W, 3)`` uint8 each.
        method: ``vahadane``, ``macenko``; ``ruifrok`` is a constant.
        fallback: Used, and flagged, where there is too little tissue, or only one stain in it.
        sparsity: Weight of the codes' sum (Vahadane).
        brighten: Scales each tile so that its 90th percentile is white.
        min_tissue: Pixels of tissue that a fit needs.
        max_pixels: Of these so many are used, evenly spaced, an equal number from each tile.
    """
    check_choice(method, get_args(StainMethod), name="method")
    if method == "ruifrok":
        return StainFit(RUIFROK)
    parts, count = [], 0
    for tile in tiles:
        white = brightness(checked_tile(tile)) if brighten else None
        pixels = tile[tissue_mask(tile, white=white)]  # (K, 3)
        count += len(pixels)
        few = pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), -(-max_pixels // len(tiles)))).astype(int)]
        parts.append(density_table(white)[few].T)  # (3, k)
    if count < max(min_tissue, 2):
        return StainFit(checked_matrix(fallback), count, "little_tissue")
    density = np.concatenate(parts, axis=1)
    matrix = vahadane(density, sparsity=sparsity) if method == "vahadane" else macenko(density)
    if matrix is None or _one_stain(density, matrix):
        return StainFit(checked_matrix(fallback), count, "one_stain")
    return StainFit(matrix, count)


def _one_stain(density: np.ndarray, matrix: np.ndarray) -> bool:
    amounts = sparse_codes(density, matrix).sum(axis=1)  # (2,)
    return bool(matrix[:, 0] @ matrix[:, 1] > _MAX_COSINE or amounts.min() < _MIN_SHARE * amounts.sum())
