from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medmae.data import Samples, Tiles
from medmae.data.images.shapes import cover
from medmae.data.slides.slide_grid import SlideGrid
from medmae.errors import DataError
from medmae.files import sha256_of


def row_of(root, case, split, *, shape=(3, 8, 8), seed=0, **extra):
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)
    path = root / "shards" / f"{case}.npy"
    np.save(path, pixels)
    common = {"case": case, "subject": f"patient of {case}", "session": None, "split": split, "dtype": "uint8"}
    return {
        **common,
        "count": shape[0],
        "shard": f"shards/{case}.npy",
        "shard_sha256": sha256_of(path),
        "flags": [],
        **extra,
    }


def slide_row(root, case, split, *, label=None, **options):
    row = row_of(root, case, split, **options)
    coords = root / "shards" / f"{case}.coords.npy"
    np.save(coords, np.arange(2 * row["count"], dtype=np.int64).reshape(-1, 2) * 100)
    grid = SlideGrid(
        slide_size=(900, 900), mpp=(0.5, 0.5), level=0, downsample=(1.0, 1.0), tile=8, tile_mpp=0.5, stride=4.0
    )
    shown = {"coords": f"shards/{case}.coords.npy", "coords_sha256": sha256_of(coords), "grid": grid.to_dict()}
    return {**row, **shown, "kind": "slide", "source_sha256": f"sha of {case}", "label": label}


def tiles_row(root, case, split, labels, *, slide=None, **options):
    row = row_of(root, case, split, shape=(len(labels), *options.pop("size", (8, 8))), **options)
    names = [f"{label}/{case}_{n}.png" for n, label in enumerate(labels)]
    columns = {"name": names, "sha256": [f"{name}#" for name in names], "label": labels, "slide": [slide] * len(labels)}
    return {**row, "kind": "tiles", "size": [8, 8], "tiles": columns, "mpp": None}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shards").mkdir()
    return tmp_path


def manifest(root, *rows):
    path = root / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_item_is_the_tile_that_its_numbers_and_describe_name(folder):
    path = manifest(folder, slide_row(folder, "b", "train", seed=1), slide_row(folder, "a", "train"))
    data = Samples(source=path, view=Tiles(size=None))
    assert len(data) == 6
    for index in (0, 4, -1):
        item, (row, place) = data[index], data.item(index).numbers
        wanted = np.load(folder / data.source.rows[row]["shard"])[place]
        np.testing.assert_array_equal(item["image"].numpy(), wanted.transpose(2, 0, 1).astype(np.float32) / 255)
        assert item["image"].dtype == torch.float32
        assert item["label"].dtype == torch.int64
        assert item["label"] == -1
        assert item["index"] == index % 6
    assert data.subjects.tolist() == ["patient of a"] * 3 + ["patient of b"] * 3
    assert data.describe(4) == {"case": "b", "subject": "patient of b", "slide": "b", "x": 200, "y": 300}


def test_uint8_is_the_same_tile_without_arithmetic(folder):
    path = manifest(folder, slide_row(folder, "a", "train"))
    raw, scaled = (
        Samples(source=path, view=Tiles(size=None, dtype="uint8")),
        Samples(source=path, view=Tiles(size=None)),
    )
    assert raw[1]["image"].dtype == torch.uint8
    assert raw[1]["image"].is_contiguous()
    torch.testing.assert_close(raw[1]["image"] / 255, scaled[1]["image"], rtol=0, atol=0)


def test_classes_have_the_same_numbers_in_every_split(folder):
    path = manifest(
        folder, tiles_row(folder, "a", "train", ["TUM", "ADI"]), tiles_row(folder, "b", "test", ["LYM", "TUM", None])
    )
    train, test = Samples(source=path, view=Tiles()), Samples(source=path, view=Tiles(), split="test")
    assert train.classes == test.classes == ("ADI", "LYM", "TUM")
    assert train.labels.tolist() == [2, 0]
    assert test.labels.tolist() == [1, 2, -1]
    assert [int(test[i]["label"]) for i in range(3)] == [1, 2, -1]
    assert test.subjects.tolist() == ["patient of b"] * 3
    assert test.describe(0) == {"case": "b", "subject": "patient of b", "tile": "LYM/b_0.png"}


def test_classes_that_are_named_are_kept_in_that_order_and_the_rest_is_left_out(folder):
    path = manifest(folder, tiles_row(folder, "a", "train", ["BACK", "TUM", None, "ADI", "TUM"], slide="s1"))
    data = Samples(source=path, view=Tiles(), classes=["TUM", "ADI"])
    assert data.labels.tolist() == [0, 1, 0]
    assert [data.item(i).numbers[1] for i in range(3)] == [1, 3, 4]
    assert data.describe(0)["slide"] == "s1"
    with pytest.raises(DataError, match="no class MUC") as caught:
        Samples(source=path, view=Tiles(), classes=["MUC"])
    assert caught.value.value == ["ADI", "BACK", "TUM"]


def test_all_tiles_of_a_slide_have_its_label(folder):
    path = manifest(
        folder, slide_row(folder, "a", "train", label="tumour"), slide_row(folder, "b", "train", label="normal")
    )
    assert Samples(source=path, view=Tiles()).labels.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_tile_becomes_the_largest_centred_square_resized():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[:, :, 10:50] = 200
    assert (cover(image, size=(40, 40)) == 200).all()
    assert (cover(image, size=(20, 20)) == 200).all()
    smaller = cover(torch.arange(256, dtype=torch.uint8).expand(3, 256, 256), size=(64, 64))
    assert smaller.dtype == torch.uint8
    np.testing.assert_allclose(smaller[0, 5, 1:-1].numpy(), np.arange(1, 63) * 4 + 1.5, atol=1)


def test_no_column_of_a_tile_is_skipped_when_it_is_reduced():
    lines = torch.zeros(3, 64, 64, dtype=torch.uint8)
    lines[:, :, ::4] = 240
    assert (cover(lines, size=(16, 16)).float() - 60).abs().max() < 25


def test_tiles_of_different_sizes_make_one_batch(folder):
    path = manifest(
        folder,
        tiles_row(folder, "a", "train", ["x"], size=(30, 20)),
        tiles_row(folder, "b", "train", ["y"], size=(16, 16)),
    )
    batch = next(iter(DataLoader(Samples(source=path, view=Tiles(size=16)), batch_size=2)))
    assert batch["image"].shape == (2, 3, 16, 16)
    assert batch["label"].tolist() == [0, 1]


def test_workers_open_their_own_files(folder):
    data = Samples(source=manifest(folder, slide_row(folder, "a", "train")), view=Tiles(size=8))
    first = data[0]["image"]
    copy = pickle.loads(pickle.dumps(data))
    assert torch.equal(copy[0]["image"], first)


def test_nothing_left_is_refused_unless_it_may_be(folder):
    path = manifest(folder, slide_row(folder, "a", "train"))
    with pytest.raises(DataError, match="no tile is left"):
        Samples(source=path, view=Tiles(), split="test")
    assert len(Samples(source=path, view=Tiles(), split="test", may_be_empty=True)) == 0


def test_a_manifest_of_volumes_is_refused(prepared):
    with pytest.raises(DataError, match="other things than tiles") as caught:
        Samples(source=prepared({"a": "train"}), view=Tiles())
    assert caught.value.value == ["volume"]


def test_misspelt_options_are_refused(folder):
    path = manifest(folder, slide_row(folder, "a", "train"))
    with pytest.raises(ValueError, match="got 'float16'"):
        Samples(source=path, view=Tiles(dtype="float16"))
    with pytest.raises(ValueError, match="got 0"):
        Samples(source=path, view=Tiles(size=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "photos"}, "kind 'photos' is not one of"),
        ({"coords": None}, "'coords' is None"),
        ({"coords": "shards/none.npy"}, "shard 'shards/none.npy' does not exist"),
        ({"coords": "../a.npy"}, "lies outside the folder"),
        ({"count": "3"}, "'count' is '3'"),
    ],
)
def test_rows_of_slides_are_checked_key_by_key(folder, change, message):
    path = manifest(folder, {**slide_row(folder, "a", "train"), **change})
    with pytest.raises(DataError, match=rf"line 1: .*{message}"):
        Samples(source=path, view=Tiles())


def test_columns_of_tiles_must_have_an_entry_each(folder):
    row = tiles_row(folder, "a", "train", ["x", "y"])
    row["tiles"]["label"].pop()
    with pytest.raises(DataError, match="line 1: 'tiles' must have 2 entries of 'label'"):
        Samples(source=manifest(folder, row), view=Tiles())
