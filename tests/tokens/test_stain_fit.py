"""The matrix of a tile or of a slide: fitted on tissue, never thrown."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.tokens.stain_fit import fit_stains
from medmae.tokens.stain_matrices import RUIFROK, checked_matrix

TRUE = checked_matrix([[0.60, 0.20], [0.68, 0.90], [0.42, 0.38]])


def angles(matrix, other=TRUE):
    """Between columns, in degrees."""
    return np.degrees(np.arccos(np.clip((matrix * other).sum(axis=0), -1, 1)))


def mixture(count=20_000, *, matrix=TRUE, seed=0):
    """Densities ``(3, K)`` of pixels of which some have one stain only."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(2.0, 0.5, (2, count)) * (rng.random((2, count)) < 0.7)
    return matrix @ amounts


def stained(*, size=96, matrix=TRUE, seed=0, paper=0.1):
    """A tile ``(H, W, 3)`` uint8, some of it without tissue."""
    density = mixture(size * size, matrix=matrix, seed=seed)
    density[:, : int(paper * size * size)] = 0
    return (255 * np.exp(-density)).round().astype(np.uint8).T.reshape(size, size, 3)


@pytest.mark.parametrize("method", ["vahadane", "macenko"])
def test_a_tile_is_fitted_on_its_tissue(method):
    fit = fit_stains(stained(), method=method)
    assert fit.flag is None
    assert 0.5 * 96**2 < fit.tissue_pixels <= 0.9 * 96**2
    assert angles(fit.matrix).max() < 6


def test_a_slide_is_fitted_on_several_tiles_of_which_each_counts_alike():
    other = checked_matrix([[0.80, 0.10], [0.50, 0.95], [0.30, 0.25]])
    one, two = stained(size=64), stained(size=64, matrix=other)
    both = fit_stains(one, two, max_pixels=4000).matrix
    apart = [fit_stains(tile).matrix for tile in (one, two)]
    assert angles(both, apart[0]).max() > 1
    assert angles(both, apart[1]).max() > 1
    assert np.array_equal(fit_stains(one, one).matrix, fit_stains(one, one).matrix)  # nothing is drawn
    assert fit_stains(one, two).tissue_pixels == fit_stains(one).tissue_pixels + fit_stains(two).tissue_pixels


def test_so_many_pixels_are_used_and_as_many_from_each_tile(monkeypatch):
    used = []
    monkeypatch.setattr("medmae.tokens.stain_fit.vahadane", lambda density, sparsity: used.append(density) or TRUE)
    one, two = stained(size=64), stained(size=96, seed=1)
    fit_stains(one, two, max_pixels=1000)
    fit_stains(one)
    fit_stains(stained(size=200))
    assert [density.shape[1] for density in used] == [1000, fit_stains(one).tissue_pixels, 10_000]
    first = -np.log(np.maximum(one[one[..., 1] < 200], 1) / 255).T  # its tissue, and a little more
    assert used[0][:, :500].mean() == pytest.approx(first.mean(), rel=0.1)


def test_a_tile_without_tissue_gets_the_fallback_and_a_flag():
    white = np.full((64, 64, 3), 250, dtype=np.uint8)
    for method in ("vahadane", "macenko"):
        fit = fit_stains(white, method=method, fallback=TRUE)
        assert (fit.flag, fit.tissue_pixels) == ("little_tissue", 0)
        assert np.allclose(fit.matrix, TRUE)


def test_the_least_amount_of_tissue_is_a_choice():
    tile = stained(size=40)
    assert fit_stains(tile).flag == "little_tissue"
    assert fit_stains(tile, min_tissue=500).flag is None


@pytest.mark.parametrize("method", ["vahadane", "macenko"])
@pytest.mark.parametrize("varied", [False, True], ids=["flat", "varied"])
def test_a_tile_of_one_stain_gets_the_fallback_and_a_flag(method, varied):
    rng = np.random.default_rng(0)
    amount = rng.uniform(0.4, 2.5, (40, 64, 1)) if varied else 1.0
    one = np.full((64, 64, 3), 255, dtype=np.uint8)
    one[:40] = (255 * np.exp(-TRUE[:, 0] * amount)).round()
    fit = fit_stains(one, method=method, fallback=TRUE, min_tissue=100)
    assert fit.flag == "one_stain"
    assert np.allclose(fit.matrix, TRUE)


def test_a_faint_tile_is_no_case_for_macenko():
    faint = np.full((64, 64, 3), 255, dtype=np.uint8)
    faint[:, :40] = (230, 200, 240)
    fit = fit_stains(faint, method="macenko", min_tissue=100, brighten=False)
    assert fit.flag == "one_stain"


def test_ruifrok_is_a_constant():
    fit = fit_stains(stained(), method="ruifrok")
    assert np.array_equal(fit.matrix, RUIFROK)
    assert (fit.tissue_pixels, fit.flag) == (None, None)
    assert np.allclose(RUIFROK[:, 0] / RUIFROK[0, 0], [1, 0.70 / 0.65, 0.29 / 0.65])


def test_a_misspelt_method_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"method must be .*'macenko'.*, got 'macenco'"):
        fit_stains(stained(), method="macenco")
