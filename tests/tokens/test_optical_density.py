"""Tables of 256 entries: density, brightness, tissue."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import rgb2lab

from medmae.tokens.optical_density import (
    brightened_table,
    brightness,
    checked_tile,
    density_table,
    tissue_mask,
)


@pytest.fixture
def tile():
    return np.random.default_rng(0).integers(0, 256, (31, 17, 3), dtype=np.uint8)


def test_density_is_the_natural_logarithm_and_black_counts_as_one():
    table = density_table()
    assert table[255] == 0
    assert table[100] == pytest.approx(np.log(2.55))
    assert table[0] == table[1] == pytest.approx(np.log(255))


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 5, 3), (64, 64, 3)])
def test_brightness_is_numpy_s_90th_percentile(shape):
    for seed in range(5):
        tile = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        assert brightness(tile) == pytest.approx(np.percentile(tile, 90), abs=1e-9)


def test_brightening_scales_clips_and_cuts_off(tile):
    white = brightness(tile)
    expected = np.clip(255.0 * tile / white, 0, 255).astype(np.uint8)
    assert np.array_equal(brightened_table(white)[tile], expected)
    assert np.allclose(density_table(white)[tile], np.log(255 / np.maximum(expected, 1)))


def test_a_black_tile_is_no_division_by_zero():
    with np.errstate(all="raise"):
        table = density_table(brightness(np.zeros((4, 4, 3), dtype=np.uint8)))
    assert table[0] == pytest.approx(np.log(255))


@pytest.mark.parametrize("bright", [False, True])
def test_tissue_is_what_scikit_image_s_lightness_says(tile, bright):
    white = 180.0 if bright else None
    shown = brightened_table(180.0)[tile] if bright else tile
    lightness = rgb2lab(shown)[..., 0]
    mask = tissue_mask(tile, white=white)
    clear = np.abs(lightness - 90) > 0.1
    assert np.array_equal(mask[clear], (lightness < 90)[clear])
    assert 0.5 < mask.mean() < 1


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["float", "grey", "channels first", "empty"],
)
def test_what_is_no_tile_is_refused(bad):
    with pytest.raises(ValueError, match=r"must be \(H, W, 3\) uint8, got"):
        checked_tile(bad)
