"""Stain matrices of H&E tiles: Vahadane's sparse dictionary, Macenko's angles, Ruifrok and Johnston's constants.

A matrix is ``(3, 2)`` float64: optical densities of red, green and blue for one unit of hematoxylin (column 0) and of
eosin (column 1). Columns are non-negative, of unit length, and hematoxylin is the one that absorbs more red.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SPARSITY = 0.01
RUIFROK = np.array([[0.65, 0.07], [0.70, 0.99], [0.29, 0.11]])  # Anal Quant Cytol Histol 2001
RUIFROK = RUIFROK / np.linalg.norm(RUIFROK, axis=0)

_ROUNDS, _TOLERANCE = 200, 1e-5
_MIN_DENSITY, _PERCENTILES = 0.15, (1, 99)  # Macenko et al., ISBI 2009


def checked_matrix(matrix: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
    """The matrix with unit columns, hematoxylin first.

    Raises:
        ValueError: If it is not ``(3, 2)``, has a negative or infinite value, or a column of zeros.
    """
    values = np.asarray(matrix, dtype=np.float64)
    if values.shape != (3, 2) or not np.isfinite(values).all() or (values < 0).any() or not values.any(axis=0).all():
        raise ValueError(f"a stain matrix must be (3, 2), not negative, with no column of zeros, got {matrix}")
    values = values / np.linalg.norm(values, axis=0)
    return values[:, ::-1].copy() if values[0, 0] < values[0, 1] else values


def sparse_codes(density: np.ndarray, matrix: np.ndarray, *, sparsity: float = SPARSITY) -> np.ndarray:
    """Non-negative codes h that minimise ``0.5 |v - W h|^2 + sparsity * sum(h)``: exactly, since there are but two.

    The free solution is right where it is not negative. Where one code is, that one is 0 and the other alone remains:
    what the first had in common with it (their columns' overlap) falls to it.

    Args:
        density: Optical densities v, ``(3, K)``.
        matrix: W, ``(3, 2)``, not negative; columns need not be of unit length.
        sparsity: Not negative.

    Returns:
        ``(2, K)`` of the densities' type.
    """
    gram = matrix.T @ matrix
    overlap, determinant = gram[0, 1], max(gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2, 1e-12)
    inverse = np.array([[gram[1, 1], -overlap], [-overlap, gram[0, 0]]]) / determinant
    free = (inverse @ matrix.T).astype(density.dtype) @ density  # (2, K)
    free -= (sparsity * inverse.sum(axis=1, keepdims=True)).astype(density.dtype)
    codes: np.ndarray = np.minimum(free, 0)[::-1] * (overlap / gram.diagonal()[:, None]).astype(density.dtype)
    codes += free
    return np.maximum(codes, 0, out=codes)


def vahadane(density: np.ndarray, *, sparsity: float = SPARSITY) -> np.ndarray:
    """Sparse non-negative dictionary of densities ``(3, K)``.

    Codes and columns are solved for in turn until they rest, from Ruifrok and Johnston's matrix. Nesterov's momentum,
    started anew where it points uphill, makes that several times faster. SPAMS' online algorithm has the same minimum.
    """
    ahead = matrix = RUIFROK
    pace = 1.0
    for _ in range(_ROUNDS):
        better = _dictionary_step(density, ahead, sparsity=sparsity)
        if np.abs(better - ahead).max() < _TOLERANCE:
            break
        uphill = ((ahead - better) * (better - matrix)).sum() > 0
        faster = 1.0 if uphill else (1 + (1 + 4 * pace**2) ** 0.5) / 2
        momentum = 0.0 if uphill else (pace - 1) / faster
        ahead = np.maximum(better + momentum * (better - matrix), 0)
        ahead = ahead / np.maximum(np.linalg.norm(ahead, axis=0), 1)
        matrix, pace = better, faster
    return checked_matrix(better)


def _dictionary_step(density: np.ndarray, matrix: np.ndarray, *, sparsity: float) -> np.ndarray:
    """Codes for the matrix, then each column in turn for the codes (Mairal et al., JMLR 2010, algorithm 2)."""
    codes = sparse_codes(density, matrix, sparsity=sparsity)
    power, cross = codes @ codes.T, density @ codes.T  # (2, 2), (3, 2)
    matrix = matrix.copy()
    for _ in range(2):
        for j in range(2):
            if power[j, j] == 0:
                continue
            atom = np.maximum(matrix[:, j] + (cross[:, j] - matrix @ power[:, j]) / power[j, j], 0)
            if atom.any():
                matrix[:, j] = atom / max(np.linalg.norm(atom), 1.0)
    return matrix


def macenko(density: np.ndarray) -> np.ndarray | None:
    """Extreme angles of densities ``(3, K)`` in the plane of their two principal axes; None if all are too faint."""
    dense = density[:, (density >= _MIN_DENSITY).all(axis=0)]  # (3, K')
    if dense.shape[1] < 2:
        return None
    plane = np.linalg.eigh(np.cov(dense))[1][:, [2, 1]]  # (3, 2)
    plane = plane * np.where(plane[0] < 0, -1, 1)
    across, up = plane.T @ dense
    angles = np.percentile(np.arctan2(up, across), _PERCENTILES)
    columns = np.maximum(plane @ np.stack([np.cos(angles), np.sin(angles)]), 0)
    return checked_matrix(columns) if columns.any(axis=0).all() else None
