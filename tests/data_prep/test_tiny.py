"""Made-up data are what the real preparation makes of made-up files."""

from __future__ import annotations

from data_prep.tiny import make
from medmae.data import Pictures, Samples, Tiles
from tests.slides import work_here


def test_tiny_slides_have_all_splits_and_a_label_of_none(tmp_path, monkeypatch):
    work_here(monkeypatch)
    prepared, raw = make("wsi", tmp_path)
    assert len(list(raw.glob("*.tif"))) == 3
    for split in ("train", "val", "test"):
        data = Samples(source=prepared, view=Tiles(size=32), split=split)
        assert len(data) > 10
        assert set(data.labels.tolist()) == {-1}


def test_tiny_tiles_have_both_classes_in_every_split(tmp_path):
    prepared, _ = make("tiles", tmp_path)
    data = {split: Samples(source=prepared, view=Tiles(size=32), split=split) for split in ("train", "val", "test")}
    assert all(set(some.labels.tolist()) == {0, 1} for some in data.values())
    assert sum(len(set(some.subjects)) for some in data.values()) == 6


def test_tiny_images_have_both_classes_in_every_split(tmp_path):
    folder, _ = make("images", tmp_path)
    for split in ("train", "val", "test"):
        data = Samples(source=folder, view=Pictures(size=32, channels=1), split=split)
        assert set(data.labels.tolist()) == {0, 1}
