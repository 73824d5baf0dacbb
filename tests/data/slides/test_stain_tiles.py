"""Tiles with their stains, read from a prepared data set."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from medmae.data import Samples, Tiles
from medmae.data.augment.stain import standardised
from medmae.data.slides.stain_tiles import StainTiles
from medmae.files import sha256_of
from medmae.tokens.stain_fit import fit_stains
from medmae.tokens.stain_matrices import RUIFROK, checked_matrix
from medmae.tokens.stains import StainSeparator

OTHER = checked_matrix([[0.80, 0.10], [0.50, 0.95], [0.30, 0.25]])


@pytest.fixture
def tiles(tmp_path):
    """Two cases of four tiles each, stained by two matrices; the last tile of each is blank."""
    (tmp_path / "shards").mkdir()
    rng, rows = np.random.default_rng(0), []
    for case, matrix in (("a", RUIFROK), ("b", OTHER)):
        amounts = rng.gamma(2.0, 0.5, (4, 2, 64, 64)) * (rng.random((4, 2, 64, 64)) < 0.7)
        amounts[3] = 0
        pixels = (255 * np.exp(-np.einsum("cs,nshw->nhwc", matrix, amounts))).round().astype(np.uint8)
        np.save(tmp_path / "shards" / f"{case}.npy", pixels)
        names = [f"{case}{n}" for n in range(4)]
        columns = {"name": names, "sha256": names, "label": ["TUM"] * 4, "slide": [None] * 4}
        shard = {"shard": f"shards/{case}.npy", "shard_sha256": sha256_of(tmp_path / "shards" / f"{case}.npy")}
        common = {"case": case, "subject": case, "session": None, "split": "train", "dtype": "uint8", "count": 4}
        rows.append({**common, **shard, "flags": [], "kind": "tiles", "size": [64, 64], "tiles": columns, "mpp": None})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Samples(source=tmp_path / "manifest.jsonl", view=Tiles(size=None, dtype="uint8"))


def stained(tiles, **options):
    return Samples(source=tiles.source, view=StainTiles(size=None, **options))


def stains(dataset, index):
    return dataset.view.stains(dataset.source, dataset.item(index))[1]


def array(tiles, index):
    return tiles[index]["image"].permute(1, 2, 0).contiguous().numpy()


def test_an_item_is_the_tile_and_its_two_stains_between_0_and_1(tiles):
    dataset = stained(tiles)
    item, wanted = dataset[1], StainSeparator()(array(tiles, 1))
    assert {name: tuple(item[name].shape) for name in ("rgb", "h", "e")} == {
        **{"rgb": (3, 64, 64)},
        **dict.fromkeys("he", (1, 64, 64)),
    }
    assert torch.equal(item["rgb"], tiles[1]["image"].float() / 255)
    assert torch.equal(item["h"][0], torch.from_numpy(wanted.hematoxylin).float() / 255)
    assert torch.equal(item["e"][0], torch.from_numpy(wanted.eosin).float() / 255)
    assert (item["label"], item["index"]) == (0, 1)
    assert len(dataset) == 8
    assert dataset.describe(1) == tiles.describe(1)
    batch = default_collate([dataset[0], dataset[5]])
    assert batch["h"].shape == (2, 1, 64, 64)


def test_each_tile_has_its_own_matrix_and_a_blank_one_says_so(tiles):
    dataset = stained(tiles)
    fits = [stains(dataset, index).fit for index in (0, 4, 3)]
    assert [fit.flag for fit in fits] == [None, None, "little_tissue"]
    assert not np.allclose(fits[0].matrix, fits[1].matrix, atol=0.05)


def test_one_matrix_for_a_case_is_fitted_on_some_of_its_tiles_and_serves_its_blank_one_too(tiles):
    dataset = stained(tiles, tiles_per_case=2)
    first = fit_stains(array(tiles, 0), array(tiles, 3))
    matrices = [stains(dataset, index).fit.matrix for index in range(8)]
    assert all(np.array_equal(matrix, first.matrix) for matrix in matrices[:4])
    assert all(np.array_equal(matrix, matrices[4]) for matrix in matrices[4:])
    assert not np.allclose(matrices[0], matrices[4], atol=0.05)
    angles = np.degrees(np.arccos((matrices[4] * OTHER).sum(axis=0)))
    assert angles.max() < 6


def test_a_fixed_matrix_and_standardised_stains_are_choices(tiles):
    dataset = stained(tiles, separator=StainSeparator(matrix=OTHER), standardise=True)
    assert np.allclose(stains(dataset, 0).fit.matrix, OTHER)
    plain = stained(tiles, separator=StainSeparator(matrix=OTHER))
    assert torch.equal(dataset[0]["h"], standardised(plain[0]["h"][None])[0])
    assert torch.equal(dataset[0]["rgb"], plain[0]["rgb"])
    assert [dataset.kinds[name].peak for name in ("rgb", "h")] == [1.0, None]


def test_no_tile_a_case_is_refused(tiles):
    with pytest.raises(ValueError, match="tiles_per_case must be positive or None, got 0"):
        stained(tiles, tiles_per_case=0)


def test_stains_are_not_kept_in_memory(tiles):
    with pytest.raises(ValueError, match="in_memory has nothing to keep"):
        Samples(source=tiles.source, view=StainTiles(), in_memory=True)
