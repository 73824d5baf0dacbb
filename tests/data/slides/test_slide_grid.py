from __future__ import annotations

import json

import numpy as np
import pytest

from medmae.data.slides.slide_grid import SlideGrid


def grid(**options):
    whole = {"slide_size": (1000, 800), "mpp": (0.25, 0.25), "level": 1, "downsample": (4.0, 4.0), "tile": 50}
    return SlideGrid(**{**whole, "tile_mpp": 1.0, "stride": 50.0, **options})


def test_a_tile_has_its_size_in_microns_whatever_the_resolution_of_the_slide():
    for mpp in ((0.25, 0.25), (0.2431, 0.2431), (0.265, 0.265)):
        made = grid(mpp=mpp)
        assert made.microns == 50
        assert made.tile_size[0] * mpp[0] == pytest.approx(50)
        assert made.ratio[0] * made.downsample[0] * mpp[0] == pytest.approx(1.0)  # microns a stored pixel


def test_all_whole_tiles_and_only_these_are_listed_row_by_row():
    corners = grid().origins()  # tiles of 200 level-0 pixels in 1000 x 800
    assert corners.shape == (5 * 4, 2)
    assert corners[:6].tolist() == [[0, 0], [200, 0], [400, 0], [600, 0], [800, 0], [0, 200]]
    assert len(grid(slide_size=(999, 800)).origins()) == 4 * 4
    assert len(grid(slide_size=(199, 800)).origins()) == 0
    assert len(grid(stride=25.0).origins()) == 9 * 7


def test_steps_that_are_no_whole_pixels_do_not_add_up_their_rounding():
    corners = grid(mpp=(0.2431, 0.2431), slide_size=(100_000, 300)).origins()
    exact = np.arange(len(corners)) * 50 / 0.2431
    assert len(corners) > 400
    assert np.abs(corners[:, 0] - exact).max() <= 0.5


def test_different_resolutions_along_x_and_y_are_both_kept():
    made = grid(mpp=(0.25, 0.5), downsample=(4.0, 2.0))
    assert made.box(100, 10) == (100, 10, 300, 110)
    assert made.level_box(100, 10) == (25, 5, 75, 55)
    assert made.ratio == (1.0, 1.0)


def test_a_grid_of_old_counts_from_the_corner_of_the_slide():
    told = grid(origin=(7, 9)).to_dict()
    assert SlideGrid.from_dict(told).origin == (7, 9)
    del told["origin"]
    assert SlideGrid.from_dict(told).origin == (0, 0)


def test_a_grid_survives_json():
    made = grid(mpp=(0.2431, 0.2429))
    assert SlideGrid.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize("options", [{"mpp": (0.0, 1.0)}, {"tile": 0}, {"stride": -1.0}, {"level": -1}])
def test_sizes_that_are_not_positive_are_refused(options):
    with pytest.raises(ValueError, match="must be positive"):
        grid(**options)
