"""Hematoxylin and eosin pictures of tiles."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.tokens.optical_density import brightened_table, brightness
from medmae.tokens.stain_fit import fit_stains
from medmae.tokens.stain_matrices import RUIFROK, checked_matrix, sparse_codes
from medmae.tokens.stains import StainSeparator

TRUE = checked_matrix([[0.60, 0.20], [0.68, 0.90], [0.42, 0.38]])


def amounts(size=96, seed=0):
    """Stain of each pixel, ``(2, H, W)``: smooth, some pixels with none."""
    rng = np.random.default_rng(seed)
    field = rng.gamma(2.0, 0.5, (2, size, size)) * (rng.random((2, size, size)) < 0.7)
    field[:, : size // 6] = 0
    return field


def tile_of(field, matrix=TRUE):
    light = 255 * np.exp(-np.einsum("cs,shw->hwc", matrix, field))
    return light.round().astype(np.uint8)


def test_pictures_show_transmittance_dark_where_there_is_much_stain():
    field = amounts()
    stains = StainSeparator(matrix=TRUE, brighten=False)(tile_of(field))
    for picture, amount in ((stains.hematoxylin, field[0]), (stains.eosin, field[1])):
        assert picture.dtype == np.uint8
        assert picture.shape == (96, 96)
        held = np.einsum("cs,shw->hwc", TRUE, field).max(axis=2) < 4  # 8 bits hold no more than 5.5
        assert np.abs(picture - 255 * np.exp(-amount))[held].max() < 25
        assert np.abs(picture - 255 * np.exp(-amount))[held].mean() < 2


def test_a_white_tile_has_no_stain():
    stains = StainSeparator(matrix=TRUE)(np.full((32, 32, 3), 255, dtype=np.uint8))
    assert stains.hematoxylin.min() == stains.eosin.min() == 255


@pytest.mark.parametrize("brighten", [False, True])
def test_pictures_are_the_codes_in_double_precision_to_a_level(brighten):
    tile = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    shown = brightened_table(brightness(tile))[tile] if brighten else tile
    density = np.log(255 / np.maximum(shown.reshape(-1, 3).T, 1.0))
    expected = (255 * np.exp(-sparse_codes(density, TRUE))).astype(np.uint8).reshape(2, 64, 64)
    stains = StainSeparator(matrix=TRUE, brighten=brighten)(tile)
    difference = np.abs(np.stack([stains.hematoxylin, stains.eosin]).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3


@pytest.mark.parametrize("brighten", [False, True])
def test_a_colour_table_gives_the_codes_in_double_precision_exactly(brighten):
    tile = np.random.default_rng(4).integers(0, 256, (60, 70, 3), dtype=np.uint8)
    shown = brightened_table(brightness(tile))[tile] if brighten else tile
    density = np.log(255 / np.maximum(shown.reshape(-1, 3).T, 1.0))
    expected = (255 * np.exp(-sparse_codes(density, TRUE))).astype(np.uint8).reshape(2, 60, 70)
    stains = StainSeparator(matrix=TRUE, brighten=brighten, colour_table=True)(tile)
    assert np.array_equal(np.stack([stains.hematoxylin, stains.eosin]), expected)


def test_a_colour_table_without_a_matrix_is_refused():
    with pytest.raises(ValueError, match="a colour table needs one matrix for all tiles"):
        StainSeparator(colour_table=True)


def test_stains_put_together_again_are_the_tile():
    field = amounts()
    tile = tile_of(field)
    stains = StainSeparator(matrix=TRUE, brighten=False)(tile)
    codes = -np.log(np.maximum(np.stack([stains.hematoxylin, stains.eosin]), 1) / 255)
    pure = (stains.hematoxylin > 20) & (stains.eosin > 20)  # 8 bits hold little of what is darker
    rebuilt = 255 * np.exp(-np.einsum("cs,shw->hwc", TRUE, codes))
    assert np.abs(rebuilt - tile)[pure].max() < 8
    assert np.abs(rebuilt - tile)[pure].mean() < 2


def test_a_crop_separated_is_the_crop_of_the_separated():
    tile = tile_of(amounts())
    separate = StainSeparator(matrix=TRUE, brighten=False)
    whole, part = separate(tile), separate(np.ascontiguousarray(tile[20:60, 30:90, :]))
    assert np.array_equal(part.hematoxylin, whole.hematoxylin[20:60, 30:90])
    assert np.array_equal(part.eosin, whole.eosin[20:60, 30:90])
    view = separate(tile[20:60, 30:90, :])  # a view that is not contiguous
    assert np.array_equal(view.eosin, part.eosin)


def test_each_tile_is_fitted_by_itself_unless_there_is_a_matrix():
    tile = tile_of(amounts())
    own, fixed = StainSeparator()(tile), StainSeparator(matrix=RUIFROK)(tile)
    assert np.array_equal(own.fit.matrix, fit_stains(tile).matrix)
    assert (own.fit.flag, fixed.fit.tissue_pixels) == (None, None)
    assert np.array_equal(fixed.fit.matrix, checked_matrix(RUIFROK))
    assert not np.array_equal(own.eosin, fixed.eosin)


def test_a_tile_poor_in_stain_gets_its_slide_s_matrix_and_says_so():
    slide = StainSeparator().fit(tile_of(amounts(seed=1)), tile_of(amounts(seed=2)))
    separate = StainSeparator(fallback=slide.matrix)
    poor = np.full((96, 96, 3), 250, dtype=np.uint8)
    poor[:10, :10] = tile_of(amounts(seed=1))[-10:, -10:]
    stains = separate(poor)
    assert stains.fit.flag == "little_tissue"
    assert np.allclose(stains.fit.matrix, slide.matrix)
    assert stains.hematoxylin[:10, :10].min() < 255
    assert stains.hematoxylin[20:].min() == 255


def test_options_reach_the_fit():
    tile = tile_of(amounts())
    assert np.array_equal(StainSeparator(method="macenko").fit(tile).matrix, fit_stains(tile, method="macenko").matrix)
    assert StainSeparator(min_tissue=10**6).fit(tile).flag == "little_tissue"
    sparse, plain = (StainSeparator(sparsity=s).fit(tile).matrix for s in (0.2, 0.01))
    assert not np.allclose(sparse, plain, atol=1e-3)
    dim = (tile * 0.7).astype(np.uint8)
    assert StainSeparator(brighten=False).fit(dim).tissue_pixels > StainSeparator().fit(dim).tissue_pixels


def test_brightening_leaves_the_stains_of_a_dimmed_tile_as_they_were():
    tile = tile_of(amounts())
    bright, dim = (StainSeparator(matrix=TRUE)(t) for t in (tile, (tile * 0.8).astype(np.uint8)))
    assert np.abs(bright.hematoxylin.astype(int) - dim.hematoxylin).mean() < 3


def test_what_is_no_tile_and_no_matrix_is_refused():
    with pytest.raises(ValueError, match="a tile must be"):
        StainSeparator()(np.zeros((8, 8, 3)))
    with pytest.raises(ValueError, match="a stain matrix must be"):
        StainSeparator(matrix=np.zeros((3, 2)))
    with pytest.raises(ValueError, match="a stain matrix must be"):
        StainSeparator(fallback=[[1.0, 2.0]])
