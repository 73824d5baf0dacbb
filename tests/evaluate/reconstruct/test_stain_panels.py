"""Tiles beside their stains."""

from __future__ import annotations

import json

import numpy as np

from medmae.data import Samples
from medmae.data.slides.stain_tiles import StainTiles
from medmae.evaluate.reconstruct.stain_panels import rebuilt, write_stain_panels
from medmae.files import sha256_of
from medmae.tokens.stain_fit import RUIFROK, StainFit
from medmae.tokens.stains import Stains, StainSeparator


def test_a_tile_of_two_stains_is_made_again_from_them(tmp_path):
    rng = np.random.default_rng(0)
    codes = rng.uniform(0.2, 1.2, (64 * 64, 2))
    tile = (255 * np.exp(-codes @ RUIFROK.T)).round().astype(np.uint8).reshape(64, 64, 3)
    (tmp_path / "shards").mkdir()
    np.save(tmp_path / "shards" / "p.npy", np.stack([tile, np.full_like(tile, 250)]))
    columns = {"name": ["a.png", "b.png"], "sha256": ["1", "2"], "label": [None, None], "slide": [None, None]}
    row = {
        "case": "p", "subject": "p", "session": None, "split": "train", "kind": "tiles", "dtype": "uint8", "count": 2,
        "shard": "shards/p.npy", "shard_sha256": sha256_of(tmp_path / "shards" / "p.npy"), "size": [64, 64],
        "tiles": columns, "mpp": None, "flags": [],
    }  # fmt: skip
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    view = StainTiles(size=None, separator=StainSeparator(brighten=False))
    tiles = Samples(source=tmp_path, view=view)
    write_stain_panels(tiles=tiles, indices=[0, 1], out=tmp_path / "evaluation")
    folder = tmp_path / "evaluation" / "stains"
    about = json.loads((folder / "panels.json").read_text())
    assert [(row["contrast"], row["flag"]) for row in about] == [("a.png", None), ("b.png", "little_tissue")]
    with np.load(folder / "panels.npz") as arrays:
        np.testing.assert_allclose(arrays["0/tile"], tile / 255, atol=1e-6)
        assert np.abs(arrays["0/both"] - arrays["0/tile"]).mean() < 0.02
        assert arrays["1/hematoxylin"].min() > 0.95

    (tmp_path / "shards" / "p.npy").write_bytes(b"damaged")
    again = Samples(source=tmp_path, view=StainTiles(size=None))
    write_stain_panels(tiles=again, out=tmp_path / "damaged")  # logged, and no reason to stop
    assert json.loads((tmp_path / "damaged" / "stains" / "panels.json").read_text()) == []


def test_no_stain_makes_white_and_hematoxylin_alone_its_own_colour():
    matrix = np.asarray(RUIFROK)
    white = np.full((1, 2), 255, dtype=np.uint8)
    dark = np.array([[255, 94]], dtype=np.uint8)  # a code of 0 and of about 1
    found = rebuilt(Stains(dark, white, StainFit(matrix)))
    np.testing.assert_allclose(found[0, 0], 1)
    np.testing.assert_allclose(found[0, 1], np.exp(-matrix[:, 0] * np.log(255 / 94)), rtol=1e-5)
