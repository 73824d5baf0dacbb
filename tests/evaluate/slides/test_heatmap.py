"""Heatmaps: what is drawn, what QuPath gets and what tables say lie on the same level-0 pixels."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_prep.tiny.wsi import picture, write_pyramid
from medmae.data.slides.slide_grid import SlideGrid
from medmae.data.slides.wsi import Slide
from medmae.errors import SomeFailedError
from medmae.evaluate.features.embedding_files import read_embeddings, write_embeddings
from medmae.evaluate.slides.heatmap import map_slides
from medmae.evaluate.slides.slide_tables import SlideProbabilities, write_slide_tables
from medmae.evaluate.slides.tile_map import TileMap, class_colours, draw_map
from tests.slides import write_scn

GRID = SlideGrid(
    slide_size=(400, 300), mpp=(0.5, 0.5), level=1, downsample=(2.0, 2.0), tile=25, tile_mpp=1.0, stride=25.0
)  # tiles of 50 level-0 pixels
CLASSES = ("stroma", "tumour")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tile_map(coords, values, grid=GRID):
    return TileMap(grid=grid, coords=np.array(coords), values=np.array(values, dtype=float), name="x")


def test_a_tile_is_painted_where_it_lies_and_nowhere_else():
    painted = tile_map([[100, 50]], [0.7]).paint((200, 150))
    assert (painted[25:50, 50:75] == 0.7).all()
    assert np.isnan(painted).sum() == painted.size - 25 * 25


def test_the_whole_grid_leaves_no_seam_at_any_size():
    # Tiles of 64.13 level-0 pixels that begin on whole ones.
    grid = replace(GRID, slide_size=(2220, 2967), mpp=(0.499, 0.499), tile=64, tile_mpp=0.5, stride=32.0)
    corners = grid.origins()
    for size in ((524, 700), (740, 989), (7, 5)):
        painted = tile_map(corners, np.ones(len(corners)), grid).paint(size)
        rows, columns = (np.flatnonzero((painted == 1).any(axis=axis)) for axis in (1, 0))
        assert (painted[: rows[-1] + 1, : columns[-1] + 1] == 1).all()


def test_where_tiles_overlap_their_mean_is_shown():
    painted = tile_map([[0, 0], [25, 0]], [0.2, 0.6]).paint((400, 300))
    assert painted[10, 10] == 0.2
    assert painted[10, 30] == pytest.approx(0.4)
    assert painted[10, 60] == 0.6


def test_a_tile_smaller_than_a_pixel_is_still_seen():
    assert (tile_map([[200, 100]], [0.9]).paint((4, 3)) == 0.9).sum() == 1


def test_the_picture_shows_the_slide_and_the_map_beside_it(tmp_path):
    slide = Image.fromarray(picture(400, 300)).resize((200, 150))
    draw_map(tile_map([[100, 50]], [1.0]), slide=slide, title="s1", path=tmp_path / "x.png")
    page = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    left, right = page[76 : 76 + 150, 24:224], page[76 : 76 + 150, 240:440]
    np.testing.assert_allclose(left, np.asarray(slide).astype(int), atol=2)
    coloured = np.ptp(right, axis=2) > 20
    assert coloured[27:48, 52:73].all()
    assert coloured.sum() == pytest.approx(25 * 25, abs=60)


@pytest.fixture
def slides(tmp_path):
    """Two slides of one patient, one of another; the feature of a tile is its probability of tumour."""
    found = {}
    for case, patient, values in (("a", "p", [0.9, 0.8]), ("b", "p", [0.1]), ("c", "q", [0.3, 0.4, 0.9])):
        coords = np.array([[50 * n, 100] for n in range(len(values))])
        features = np.array(values, dtype=np.float32)[:, None]
        write_embeddings(
            tmp_path / f"{case}.h5",
            [(list(range(len(values))), features, None)],
            about={"case": case, "subject": patient},
            coords=coords,
            grid=GRID,
            precision="float32",
        )
        found[case] = write_pyramid(tmp_path / f"{case}.tif", picture(400, 300), mpp=0.5, levels=2)
    return tmp_path, found


def classify(features):
    return np.concatenate([1 - features, features], axis=1)


def mapped(made, **options):
    folder, files = made
    names = [folder / f"{case}.h5" for case in ("a", "b", "c")]
    return map_slides(
        names, **{"classify": classify, "classes": CLASSES, "slides": files, "out": folder / "out", **options}
    )


def test_every_slide_gets_a_picture_a_class_and_a_file_for_qupath(slides):
    mapped(slides, edge=200)
    out = slides[0] / "out" / "heatmaps"
    assert {path.name for path in out.glob("*.png")} == {f"{s}_{c}.png" for s in "abc" for c in CLASSES}
    listed = json.loads((slides[0] / "out" / "heatmaps.json").read_text())
    assert len(listed["pictures"]) == 6
    content = json.loads((out / "c.geojson").read_text())
    assert content["type"] == "FeatureCollection"
    assert len(content["features"]) == 3
    tile = content["features"][2]
    assert tile["geometry"]["coordinates"] == [[[100, 100], [150, 100], [150, 150], [100, 150], [100, 100]]]
    assert tile["properties"]["classification"] == {"name": "tumour", "color": class_colours(CLASSES)["tumour"]}
    assert tile["properties"]["measurements"] == {"p stroma": pytest.approx(0.1), "p tumour": pytest.approx(0.9)}


def test_qupath_counts_from_the_bounds_of_a_slide_that_says_them(slides, monkeypatch):
    files = {"a": write_scn(slides[0] / "a.scn", GRID.slide_size, offset=(30, 20))}
    with Slide(files["a"]) as slide:
        assert (slide.bounds[:2], slide.size) == ((30, 20), GRID.slide_size)
    kept = slides[0] / "a.h5"
    map_slides([kept], classify=classify, classes=CLASSES, slides=files, out=slides[0] / "out", edge=200)
    content = json.loads((slides[0] / "out" / "heatmaps" / "a.geojson").read_text())
    corners = [feature["geometry"]["coordinates"][0][0] for feature in content["features"]]
    assert corners == [[50 * n - 30, 80] for n in range(2)]
    assert read_embeddings(kept).coords.tolist() == [[0, 100], [50, 100]]  # other tools count from the slide's corner


def test_tables_have_a_row_a_tile_a_slide_and_a_patient(slides):
    mapped(slides, shown=["tumour"], edge=200)
    out = slides[0] / "out" / "heatmaps"
    assert len(list(out.glob("*.png"))) == 3
    tiles, by_slide, by_patient = (rows(out / f"{name}.csv") for name in ("tiles", "slides", "patients"))
    assert [(row["slide"], row["x"], row["y"]) for row in tiles][-1] == ("c", "100", "100")
    assert [row["predicted"] for row in by_slide] == ["tumour", "stroma", "tumour"]
    assert float(by_slide[2]["p_tumour"]) == pytest.approx(1.6 / 3)
    assert float(by_slide[2]["share_tumour"]) == pytest.approx(1 / 3)
    assert [row["patient"] for row in by_patient] == ["p", "q"]
    assert by_patient[0]["slides"] == "2"
    assert float(by_patient[0]["p_tumour"]) == pytest.approx((0.85 + 0.1) / 2)  # slides alike, not tiles


def test_a_slide_that_cannot_be_read_is_told_at_the_end_and_the_others_are_mapped(slides):
    files = dict(slides[1]) | {"b": slides[0] / "none.tif"}
    with pytest.raises(SomeFailedError, match=r"1 of 3 slides were left out: .*none\.tif"):
        mapped(slides, slides=files, edge=200)
    out = slides[0] / "out" / "heatmaps"
    assert [row["slide"] for row in rows(out / "slides.csv")] == ["a", "c"]


def test_a_record_of_earlier_maps_does_not_outlive_slides_that_all_fail(slides):
    mapped(slides, edge=200)
    with pytest.raises(SomeFailedError, match="3 of 3 slides were left out"):
        mapped(slides, slides={}, edge=200)
    assert not (slides[0] / "out" / "heatmaps.json").exists()


def test_another_slide_under_the_same_name_is_refused(slides, tmp_path):
    other = write_pyramid(tmp_path / "other.tif", picture(410, 300), mpp=0.5, levels=2)
    with pytest.raises(SomeFailedError, match=r"the slide has \(410, 300\) pixels"):
        mapped(slides, slides=dict(slides[1]) | {"a": other}, edge=200)


def test_classes_that_a_file_name_cannot_tell_apart_have_pictures_of_their_own(slides):
    mapped(slides, classes=("a/b", "a b"), edge=200)
    pictures = json.loads((slides[0] / "out" / "heatmaps.json").read_text())["pictures"]
    assert {line["class"] for line in pictures} == {"a/b", "a b"}
    found = {path.name for path in (slides[0] / "out" / "heatmaps").glob("*.png")}
    assert found >= {line["file"] for line in pictures}
    assert len({line["file"] for line in pictures}) == len(pictures) == 6


def test_embeddings_without_places_are_refused(tmp_path):
    write_embeddings(tmp_path / "t.h5", [([0], np.ones((1, 1)), None)], about={}, names=["x.png"])
    with pytest.raises(SomeFailedError, match="do not say where tiles lie"):
        map_slides([tmp_path / "t.h5"], classify=classify, classes=CLASSES, slides={}, out=tmp_path)


def test_a_class_that_is_none_is_refused(slides):
    with pytest.raises(ValueError, match="no class blood among stroma, tumour"):
        mapped(slides, shown=["blood"])


def test_predictions_can_be_tabled_without_slides(tmp_path):
    slide = SlideProbabilities(
        case="a", patient="p", coords=np.zeros((2, 2), int), probabilities=np.array([[0.6, 0.4], [0.2, 0.8]])
    )
    write_slide_tables(tmp_path, [slide], CLASSES)
    assert rows(tmp_path / "slides.csv")[0]["predicted"] == "tumour"
