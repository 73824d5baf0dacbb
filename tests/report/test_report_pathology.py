"""What slides and tiles put on the page."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from medmae.errors import DataError
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.report import write_report
from medmae.report.confusion import confusion_chart
from medmae.report.scatter import scatter_chart

CLASSES = ["ADI", "LYM", "TUM"]


def write_rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def evaluated(make_run):
    """A run whose evaluation folder is empty yet."""
    run = make_run(evaluation=False)
    (run / "evaluation").mkdir()
    return run


def text_of(run):
    html = write_report(run).read_text()
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)).replace("\xa0", " ")


def test_a_matrix_shows_shares_of_the_true_class():
    drawn = confusion_chart([[8, 2], [1, 3]], classes=["a", "b" * 40], title="", remark="")
    assert re.findall(r'class="(?:over|under)">(\d+)<', drawn) == ["80", "20", "25", "75"]
    assert "a called " + "b" * 40 + ": 2.0 of 10.0" in drawn
    assert "b" * 13 not in re.sub(r"<title>.*?</title>", "", drawn)


def test_a_class_without_samples_divides_nothing_by_nothing():
    drawn = confusion_chart([[0, 0], [0, 2]], classes=["a", "b"], title="", remark="")
    assert re.findall(r'class="(?:over|under)">(\d+)<', drawn) == ["0", "0", "0", "100"]


def test_more_classes_than_colours_are_told_apart_by_their_shape():
    labels = [*range(8), -1]
    points = [[float(n), 0.0] for n in labels]
    drawn = scatter_chart(points, labels=labels, classes=[f"c{n}" for n in range(8)], title="")
    looks = re.findall(r'r=3.1 class="([^"]+)"', drawn)
    assert len(set(looks)) == 9
    assert looks[6] == "s0 hollow"
    assert "no class" in drawn


def test_a_map_keeps_proportions():
    drawn = scatter_chart([[0, 0], [2, 0], [0, 1]], labels=[0, 0, 0], classes=["a"], title="")
    points = [(float(x), float(y)) for x, y in re.findall(r"<circle cx=([\d.]+) cy=([\d.]+) r=3.1", drawn)]
    across, up = points[1][0] - points[0][0], points[0][1] - points[2][1]
    assert across == pytest.approx(2 * up, rel=0.01)
    assert up > 0


def test_the_embedding_map_says_what_it_is(evaluated):
    run = evaluated
    found = {"layout": "pca", "encoder": "mmae", "classes": CLASSES, "shown": 3, "of": 9, "explained": [0.41, 0.2],
             "points": [[0, 1], [2, 3], [1, 0]], "labels": [0, 1, 1]}  # fmt: skip
    (run / "evaluation" / "embedding_map.json").write_text(json.dumps(found))
    text = text_of(run)
    assert "across: 41 % of the variance, up: 20 %" in text
    assert "3 tiles of 9" in text
    assert "LYM (2)" in text
    assert "TUM (" not in text.split("Embedding map")[-1].split("Training")[0]


def test_heatmaps_are_shown_with_their_tables(evaluated):
    run = evaluated
    folder = run / "evaluation" / "heatmaps"
    folder.mkdir()
    Image.new("RGB", (1600, 300), "purple").save(folder / "s1_TUM.png")
    pictures = [{"case": "s1", "patient": "p", "class": "TUM", "file": "s1_TUM.png", "tiles": 619, "mean": 0.25}]
    (run / "evaluation" / "heatmaps.json").write_text(json.dumps({"classes": CLASSES, "pictures": pictures}))
    row = {"slide": "s1", "patient": "p", "tiles": 619, "predicted": "ADI", "p_TUM": 0.25}
    write_rows(folder / "slides.csv", [row])
    html = write_report(run).read_text()
    assert 'alt="Heatmap of s1, TUM"' in html
    assert "width=1000" in html  # made smaller
    assert "619\xa0tiles, mean 0.25" in html
    assert "Slides (1)" in html
    (folder / "s1_TUM.png").unlink()
    with pytest.raises(DataError, match="picture cannot be read"):
        write_report(run)


def test_stains_stand_beside_their_tile_and_fallbacks_are_told(evaluated):
    run = evaluated
    pictures = {"tile": np.full((8, 8, 3), 0.7), "hematoxylin": np.full((8, 8), 0.9), "eosin": np.full((8, 8), 0.6)}
    about = {"case": "s1", "contrast": "100, 200", "flag": None}
    write_panels(run / "evaluation" / "stains", [(about, pictures), ({**about, "flag": "little_tissue"}, pictures)])
    text = text_of(run)
    assert "hematoxylin" in text
    assert "100, 200" in text
    assert "1 tile of 2 got the fallback matrix, because none of its own could be fitted: little tissue" in text
    assert len(list((run / "figures").glob("stain_*.png"))) == 2


def test_tiles_are_counted_where_there_are_no_slices(evaluated):
    run = evaluated
    info = json.loads((run / "run.json").read_text())
    case = {"case": "a", "subject": "a", "split": "train", "tiles": "1200", "classes": "2", "flags": ""}
    info["data"] = {"cases": [case], "contrasts": [], "quarantine": []}
    (run / "run.json").write_text(json.dumps(info))
    text = text_of(run).split("No subject is in two splits")[1]
    assert "Tiles" in text
    assert "1,200" in text
    assert "Slices" not in text
    assert "Spacing" not in text


def test_a_pre_training_on_tiles_counts_them_and_names_what_each_picture_shows(make_run):
    run = make_run()
    info = json.loads((run / "run.json").read_text())
    info["data"]["cases"] = [
        {"case": "s1", "subject": "s1", "split": "train", "tiles": "53"},
        {"case": "s2", "subject": "s2", "split": "test", "tiles": "5"},
    ]
    info["data"]["contrasts"] = []
    (run / "run.json").write_text(json.dumps(info))
    picture = {"input": np.full((8, 8, 3), 0.5)}
    places = [{"x": 224, "y": 448}, {"tile": "TUM/a.png"}]
    rows = [({"case": "s2", "subject": "s2", "contrast": "rgb", **place}, picture) for place in places]
    write_panels(run / "evaluation", rows)
    page = write_report(run).read_text()
    assert "on 53\u00a0tiles of 1\u00a0subject" in page
    assert '<span class="tag">rgb</span><span class="tag">224, 448</span>' in page
    assert '<span class="tag">TUM/a.png</span>' in page


def test_a_run_that_only_maps_slides_says_so_and_misses_nothing_else(make_run):
    run = make_run(evaluation=False)
    folder = run / "evaluation" / "heatmaps"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "s1_tum.png")
    drawn = {"case": "s1", "patient": "p1", "class": "TUM", "file": "s1_tum.png", "tiles": 3, "mean": 0.5}
    (run / "evaluation" / "heatmaps.json").write_text(json.dumps({"classes": CLASSES, "pictures": [drawn]}))
    page = write_report(run).read_text()
    assert "was asked what each tile of 1\u00a0slide shows" in page
    assert "No panels" not in page
    assert "No scores" not in page
    assert "Held-out subjects" not in page
