"""Pictures: one colour for hidden patches, one scale for all errors, one window for what belongs together."""

from __future__ import annotations

import numpy as np
import pytest

from medmae.report.figures import (
    HIDDEN,
    encode_png,
    error_limit,
    reduce_size,
    render_row,
    strip,
)


def pixels(picture):
    return np.asarray(picture.convert("RGB"))


def test_a_hidden_patch_has_a_colour_no_grey_has():
    image = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    image[:8] = np.nan
    shown = pixels(render_row({"visible": image}, limit=1.0)["visible"])
    assert (shown[:8] == HIDDEN).all()
    assert not (shown[8:] == HIDDEN).all(axis=-1).any()
    assert shown[-1, -1].tolist() == [255, 255, 255]


def test_a_hidden_pixel_of_a_colour_picture_is_hidden_too():
    image = np.ones((4, 4, 3), np.float32)
    image[0, 0, 1] = np.nan
    shown = pixels(render_row({"tile": image}, limit=1.0)["tile"])
    assert tuple(shown[0, 0]) == HIDDEN
    assert (shown[1:] == 255).all()


def test_the_same_error_has_the_same_colour_in_every_row():
    rows = [{"error": np.full((4, 4), 0.1)}, {"error": np.array([[0.1, 0.1], [0.4, 0.4]])}]
    limit = error_limit(rows)
    assert limit == pytest.approx(0.4)
    first, second = (pixels(render_row(row, limit=limit)["error"]) for row in rows)
    assert (first[0, 0] == second[0, 0]).all()
    assert (second[1, 1] > 200).any()


def test_no_error_at_all_still_has_a_scale():
    assert error_limit([{"error": np.zeros((4, 4))}]) == 1.0
    assert error_limit([{"input": np.ones((4, 4))}]) == 1.0


def test_a_prediction_is_shown_in_the_window_of_its_target():
    target = np.zeros((8, 8), np.float32)
    target[0] = 4.0
    shown = render_row({"edge_target": target, "edge_prediction": target / 2}, limit=1.0)
    assert pixels(shown["edge_target"]).max() == 255
    assert 120 <= pixels(shown["edge_prediction"]).max() <= 135


def test_an_image_in_the_unit_range_is_not_stretched():
    image = np.full((8, 8), 0.6, np.float32)
    image[0] = 0.8
    shown = pixels(render_row({"input": image}, limit=1.0)["input"])
    assert shown[0, 0, 0] == round(0.8 * 255)
    assert shown[4, 4, 0] == round(0.6 * 255)


def test_a_large_panel_is_reduced_by_whole_blocks():
    image = np.arange(1024 * 800, dtype=np.float32).reshape(1024, 800)
    small = reduce_size(image)
    assert small.shape == (341, 266)
    assert small[0, 0] == image[:3, :3].mean()


def test_a_small_panel_is_left_alone():
    image = np.random.default_rng(0).random((256, 256))
    assert reduce_size(image) is image


@pytest.mark.filterwarnings("error")
def test_a_constant_or_empty_picture_can_be_shown():
    for image in (np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((4, 4), 7.0)):
        assert encode_png(render_row({"input": image}, limit=1.0)["input"]).startswith(b"\x89PNG")


def test_a_strip_holds_all_pictures_side_by_side():
    row = {"input": np.ones((6, 8)), "error": np.zeros((6, 8))}
    sheet = strip(list(render_row(row, limit=1.0).values()), gap=2)
    assert sheet.size == (18, 6)
    columns = pixels(sheet).max(axis=(0, 2))
    assert (columns[:10] == 255).all()
    assert (columns[10:] < 20).all()
