"""A classifier on every tile of whole slides, and whose tiles it learns from."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from data_prep.tiny.wsi import picture, write_pyramid
from data_prep.wsi import prepare
from medmae.data import Samples, Tiles
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.classify.labelled import labelled
from medmae.evaluate.features.embedding_cases import rows_of
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.slides.class_maps import map_by_tiles
from medmae.files import sha256_of
from medmae.methods.mae import mae_tiny

COLOURS = {"ADI": (230, 220, 230), "TUM": (120, 60, 140)}


def write_tiles(folder, patients, *, flags=(), labels=tuple(COLOURS), seed=0):
    """Patients with six tiles of each class."""
    (folder / "shards").mkdir(parents=True)
    rows = []
    for number, patient in enumerate(patients):
        rng = np.random.default_rng([seed, number])
        names = [label for label in labels for _ in range(6)]
        pixels = np.stack([rng.normal(COLOURS[name], 12, (32, 32, 3)) for name in names]).clip(0, 255).astype(np.uint8)
        path = folder / "shards" / f"{patient}.npy"
        np.save(path, pixels)
        files = [f"{name}/{patient}_{i}.png" for i, name in enumerate(names)]
        rows.append({
            "case": patient, "subject": patient, "session": None, "split": "train", "kind": "tiles", "dtype": "uint8",
            "count": len(names), "shard": f"shards/{patient}.npy", "shard_sha256": sha256_of(path), "size": [32, 32],
            "tiles": {"name": files, "sha256": files, "label": names, "slide": [None] * len(names)}, "mpp": None,
            "flags": list(flags),
        })  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Samples(source=folder, view=Tiles(size=32), split=None)


def encoder(name="mae"):
    torch.manual_seed(0)
    return FeatureExtractor(encoder=mae_tiny().encoder, name=name)


def test_without_patients_slides_are_the_groups_and_without_slides_there_are_none(tmp_path):
    assert labelled(write_tiles(tmp_path / "a", "ab")).unit == "patient"
    by_slide = labelled(write_tiles(tmp_path / "b", "ab", flags=["no_patient", "subject_is_slide"]))
    assert by_slide.unit == "slide"
    assert by_slide.groups.tolist() == ["a"] * 12 + ["b"] * 12
    assert labelled(write_tiles(tmp_path / "c", "ab", flags=["no_patient", "split_by_image"])).groups is None


def test_tiles_without_a_label_and_other_classes_are_refused(tmp_path):
    tiles = write_tiles(tmp_path / "a", "ab")
    with pytest.raises(DataError, match="the test set has other classes"):
        labelled(tiles, write_tiles(tmp_path / "b", "c", labels=["ADI"]))
    tiles.labels[3] = -1
    with pytest.raises(DataError, match="1 tiles have no label"):
        labelled(tiles)


@pytest.mark.slow
def test_what_was_learnt_from_tiles_is_mapped_on_a_slide(tmp_path):
    write_pyramid(tmp_path / "slides" / "s1.tif", picture(400, 320), mpp=0.5)
    prepare(source=tmp_path / "slides", out=tmp_path / "prep", tile=32, mpp=0.5, workers=0, fractions=(1, 0, 0))
    slides, out = Samples(source=tmp_path / "prep", view=Tiles(size=32)), tmp_path / "run" / "evaluation"
    map_by_tiles(
        tiles=write_tiles(tmp_path / "tiles", "ab"), slides=slides, extract=encoder(), out=out, shown=["TUM"], edge=200
    )
    assert (out / "heatmaps" / "s1_TUM.png").is_file()
    assert len(json.loads((out / "heatmaps" / "s1.geojson").read_text())["features"]) == len(slides)


@pytest.mark.slow
def test_damaged_tiles_of_one_slide_and_the_loss_of_another_cost_no_other_its_map(tmp_path):
    for seed, name in enumerate(("s1", "s2", "s3")):
        write_pyramid(tmp_path / "slides" / f"{name}.tif", picture(200, 160, seed=seed), mpp=0.5)
    prepare(source=tmp_path / "slides", out=tmp_path / "prep", tile=32, mpp=0.5, workers=0, fractions=(1, 0, 0))
    slides, out = Samples(source=tmp_path / "prep", view=Tiles(size=32)), tmp_path / "run" / "evaluation"
    (tmp_path / "prep" / rows_of(slides)[0]["shard"]).write_bytes(b"damaged")
    (tmp_path / "slides" / "s2.tif").unlink()
    tiles = write_tiles(tmp_path / "tiles", "ab")
    with pytest.raises(SomeFailedError, match=r"s2\.tif.*tiles of 1 of 3 slides cannot be read"):
        map_by_tiles(tiles=tiles, slides=slides, extract=encoder(), out=out, shown=["TUM"], edge=200)
    assert [path.stem for path in (out / "heatmaps").glob("*.geojson")] == ["s3"]
    assert len(json.loads((out / "heatmaps.json").read_text())["pictures"]) == 1
