from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from data_prep.glass import glass_colours
from data_prep.tiny.wsi import picture
from data_prep.tissue import overlay, tissue_mask, tissue_share
from medmae.data.slides.slide_grid import SlideGrid


def image(pixels):
    return Image.fromarray(np.asarray(pixels, dtype=np.uint8))


def on_glass(height=200, width=300, colour=(226, 150, 186)):
    pixels = np.full((height, width, 3), (243, 242, 245), np.uint8)
    pixels[50:150, 100:200] = colour
    return pixels


def test_stained_tissue_is_found_and_glass_is_not():
    mask = tissue_mask(image(on_glass()))
    assert mask[55:145, 105:195].all()
    assert mask.mean() == pytest.approx(100 * 100 / (200 * 300), abs=0.01)


def test_pale_tissue_is_found_beside_strong_tissue():
    pixels = on_glass(colour=(130, 10, 130))
    pixels[160:190, 20:80] = (240, 205, 226)
    assert tissue_mask(image(pixels))[165:185, 25:75].all()


@pytest.mark.parametrize("noise", [0, 3])
def test_a_blank_slide_has_no_tissue(noise):
    rng = np.random.default_rng(0)
    blank = 240 + rng.normal(0, noise, (200, 300, 3))
    assert not tissue_mask(image(blank)).any()
    assert not tissue_mask(image(picture(300, 200, tissue=False))).any()


def test_a_slide_full_of_tissue_is_not_halved():
    rng = np.random.default_rng(0)
    full = np.array((200, 130, 170)) + rng.normal(0, 4, (200, 300, 1)) + np.linspace(-25, 25, 300)[None, :, None]
    full[..., 1] -= np.linspace(0, 30, 300)[None, :]
    assert tissue_mask(image(full.clip(0, 255))).mean() > 0.99


def test_grey_dust_and_black_ink_are_no_tissue():
    pixels = on_glass()
    pixels[10:40, 20:60] = 20
    pixels[170:190, 250:290] = 128
    mask = tissue_mask(image(pixels))
    assert not mask[12:38, 25:55].any()
    assert not mask[172:188, 255:285].any()


def test_specks_are_dropped_and_small_holes_filled():
    pixels = on_glass(800, 1000)
    pixels[10:16, 10:16] = (226, 150, 186)
    pixels[90:96, 150:156] = (243, 242, 245)
    pixels[100:140, 150:190] = (243, 242, 245)
    mask = tissue_mask(image(pixels))
    assert not mask[:40].any()
    assert mask[90:96, 150:156].all()
    assert not mask[105:135, 155:185].any()


def test_the_share_of_tissue_counts_borders_within_a_pixel():
    mask = np.zeros((10, 10), bool)
    mask[:, :5] = True
    grid = SlideGrid(
        slide_size=(100, 100), mpp=(1.0, 1.0), level=0, downsample=(1.0, 1.0), tile=20, tile_mpp=1.0, stride=20.0
    )
    corners = np.array([[0, 0], [40, 0], [45, 30], [60, 80], [80, 80], [30, 7]])
    np.testing.assert_allclose(tissue_share(mask, grid, corners), [1, 0.5, 0.25, 0, 0, 1], atol=1e-6)


def test_the_outline_is_drawn_on_the_border_and_nowhere_else():
    pixels = on_glass()
    mask = tissue_mask(image(pixels))
    drawn = np.asarray(overlay(image(pixels), mask))
    changed = (drawn != pixels).any(axis=2)
    assert 0 < changed.mean() < 0.03
    assert not changed[60:140, 110:190].any()
    assert not changed[~mask].any()


# ----------------------------------------------------------------------------------------------------- tinted glass
def through(pixels, tint):
    """What a slide looks like whose glass is tinted: everything is seen through it."""
    return (pixels * (np.array(tint) / (243, 242, 245))).clip(0, 255).astype(np.uint8)


def overlap(mask, true):
    return (mask & true).sum() / (mask | true).sum()


@pytest.mark.parametrize(
    "tint",
    [
        (235, 230, 205),
        (240, 230, 180),
        (225, 215, 170),
        (200, 195, 170),
        (205, 235, 215),
        (200, 222, 250),
        (250, 215, 230),
    ],
)
def test_tinted_glass_is_no_tissue_and_the_tissue_is_that_of_white_glass(tint):
    white = picture(600, 500, seed=3)
    true, tinted = tissue_mask(image(white)), through(white, tint)
    glass = glass_colours(tinted)
    assert np.abs(np.subtract(glass, [tint])).max() <= 3
    assert overlap(tissue_mask(image(tinted), glass=glass), true) > 0.99


def test_a_blank_slide_of_tinted_glass_has_no_tissue():
    blank = through(picture(600, 500, tissue=False), (240, 230, 180))
    assert tissue_mask(image(blank)).all()
    assert not tissue_mask(image(blank), glass=glass_colours(blank)).any()


def test_white_glass_beside_tinted_glass_is_no_tissue_either():
    white = picture(600, 500, seed=3)
    tinted = through(white, (240, 230, 180))
    tinted[:, :60] = white[:, :60]  # outside of the cover slip
    glass = glass_colours(tinted)
    assert len(glass) == 2
    assert overlap(tissue_mask(image(tinted), glass=glass), tissue_mask(image(white))) > 0.99


@pytest.mark.parametrize("colour", [(226, 150, 186), (240, 205, 226), (229, 203, 187)])
def test_pale_tissue_on_white_glass_is_never_taken_for_glass(colour):
    pixels = on_glass(colour=colour)
    pixels[20:180, 40:260] = colour  # more than half, and flat as no tissue is
    assert glass_colours(pixels) == []


def test_a_picture_full_of_tissue_shows_no_glass():
    inside = picture(1800, 1400, seed=3)[500:900, 650:1150]
    assert tissue_mask(image(inside)).mean() > 0.9
    assert glass_colours(inside) == []
    assert glass_colours(picture(600, 500)) == []  # nor is white glass tinted
