"""Stain matrices recovered from mixtures, and the two codes of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls

from medmae.tokens.stain_matrices import checked_matrix, macenko, sparse_codes, vahadane

TRUE = checked_matrix([[0.60, 0.20], [0.68, 0.90], [0.42, 0.38]])


def angles(matrix, other=TRUE):
    """Between columns, in degrees."""
    return np.degrees(np.arccos(np.clip((matrix * other).sum(axis=0), -1, 1)))


def mixture(count=20_000, *, matrix=TRUE, seed=0):
    """Densities ``(3, K)`` of pixels of which some have one stain only."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(2.0, 0.5, (2, count)) * (rng.random((2, count)) < 0.7)
    return matrix @ amounts


def objective(density, matrix, codes, sparsity):
    return 0.5 * ((density - matrix @ codes) ** 2).sum(axis=0) + sparsity * codes.sum(axis=0)


@pytest.mark.parametrize("sparsity", [0.0, 0.01, 0.3])
def test_codes_are_the_minimum_that_non_negative_least_squares_finds(sparsity):
    density = np.random.default_rng(1).random((3, 300)) * 2 - 0.3  # some on either side of both axes
    codes = sparse_codes(density, TRUE, sparsity=sparsity)
    # sparsity * sum(h) is a linear term: complete the square, so that a plain solver of |Ah - b| has the same minimum.
    root = np.linalg.cholesky(TRUE.T @ TRUE).T
    for pixel, code in zip(density.T, codes.T, strict=True):
        shifted = np.linalg.solve(root.T, TRUE.T @ pixel - sparsity)
        assert code == pytest.approx(nnls(root, shifted)[0], abs=1e-9)
    assert {tuple(pair) for pair in (codes > 0).T.tolist()} == {(a, b) for a in (True, False) for b in (True, False)}


def test_columns_need_not_be_of_unit_length_for_codes():
    density, long = mixture(200), TRUE * np.array([0.4, 0.9])
    codes = sparse_codes(density, long, sparsity=0.05)
    best = objective(density, long, codes, 0.05)
    for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        moved = np.maximum(codes + np.array(step)[:, None], 0)
        assert (objective(density, long, moved, 0.05) >= best - 1e-9).all()


def test_codes_keep_the_type_of_the_densities():
    assert sparse_codes(mixture(10).astype(np.float32), TRUE).dtype == np.float32
    assert np.allclose(sparse_codes(mixture(10).astype(np.float32), TRUE), sparse_codes(mixture(10), TRUE), atol=1e-5)


def test_codes_of_white_are_zero_and_others_rebuild_the_densities_within_the_shrinkage():
    assert not sparse_codes(np.zeros((3, 5)), TRUE).any()
    density = mixture(500)
    assert np.abs(TRUE @ sparse_codes(density, TRUE) - density).max() < 0.02


@pytest.mark.parametrize(("fit", "within"), [(vahadane, 2.0), (macenko, 4.0)])
def test_a_matrix_is_recovered_from_a_mixture(fit, within):
    matrix = fit(mixture())
    assert angles(matrix).max() < within
    assert (matrix >= 0).all()
    assert np.allclose(np.linalg.norm(matrix, axis=0), 1)
    assert matrix[0, 0] >= matrix[0, 1]


def test_vahadane_rests_at_a_minimum():
    density = mixture(4000)
    matrix = vahadane(density)

    def value(candidate):
        return objective(density, candidate, sparse_codes(density, candidate), 0.01).mean()

    rng, best = np.random.default_rng(2), value(matrix)
    for _ in range(50):
        assert value(checked_matrix(np.maximum(matrix + 0.01 * rng.standard_normal((3, 2)), 1e-6))) > best


def test_the_column_that_absorbs_more_red_is_hematoxylin():
    assert np.allclose(checked_matrix(TRUE[:, ::-1]), TRUE)
    assert np.allclose(checked_matrix(3 * TRUE), TRUE)


@pytest.mark.parametrize(
    "bad", [np.eye(3), -TRUE, TRUE * [1, 0], TRUE * [1, np.nan]], ids=["shape", "negative", "zeros", "nan"]
)
def test_what_is_no_stain_matrix_is_refused(bad):
    with pytest.raises(ValueError, match=r"a stain matrix must be \(3, 2\), not negative"):
        checked_matrix(bad)
