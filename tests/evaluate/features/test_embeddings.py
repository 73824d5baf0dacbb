"""Embeddings: the features of the tiles at their places, in files that other tools read."""

from __future__ import annotations

import dataclasses
import json
from functools import partial

import h5py
import numpy as np
import pytest
import torch

from data_prep.tiny.wsi import picture, write_pyramid
from medmae.data import Samples, Tiles
from medmae.data.slides.slide_grid import SlideGrid
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.features.coords import case_of_slide
from medmae.evaluate.features.embedding_cases import cases_of
from medmae.evaluate.features.embedding_files import open_hdf5, read_embeddings, write_embeddings
from medmae.evaluate.features.embeddings import Embedder
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.files import sha256_of
from medmae.kinds import Scale
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.methods.mae import mae_tiny

GRID = SlideGrid(
    slide_size=(900, 700), mpp=(0.5, 0.51), level=1, downsample=(2.0, 2.0), tile=32, tile_mpp=1.0, stride=24.0
)


def row_of(root, case, count, *, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    (root / "shards").mkdir(exist_ok=True)
    np.save(root / "shards" / f"{case}.npy", pixels)
    return {
        "case": case, "subject": f"patient {case}", "session": None, "split": "train", "dtype": "uint8", "flags": [],
        "count": count, "shard": f"shards/{case}.npy", "shard_sha256": sha256_of(root / "shards" / f"{case}.npy"),
    }  # fmt: skip


@pytest.fixture
def slides(tmp_path):
    rows = []
    for case, count in (("a", 5), ("b", 3)):
        row = row_of(tmp_path, case, count, seed=count)
        coords = tmp_path / "shards" / f"{case}.coords.npy"
        np.save(coords, np.arange(2 * count, dtype=np.int64).reshape(-1, 2) * 50)
        row |= {"kind": "slide", "coords": f"shards/{case}.coords.npy", "coords_sha256": sha256_of(coords)}
        rows.append({**row, "grid": GRID.to_dict(), "source_sha256": case, "label": None})
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Samples(source=path, view=Tiles(size=None))


def encoder_of(method=mae_tiny, *, scale=None, **options):
    torch.manual_seed(0)
    return FeatureExtractor(encoder=method(scale=scale).encoder, **options)


def embed_cases(cases, *, extract, out, **options):
    return Embedder(extract=extract, **options).write_all(cases, out)


def test_a_file_holds_the_features_of_its_tiles_at_their_places(slides, tmp_path):
    encoder = encoder_of(name="mae")
    first, second = embed_cases(cases_of(slides), extract=encoder, out=tmp_path / "out", batch_size=2)
    found = read_embeddings(second)
    expected = encoder(torch.stack([slides[i]["image"] for i in (5, 6, 7)]))
    np.testing.assert_allclose(found.features, expected.numpy(), atol=2e-3)
    assert found.coords.tolist() == np.load(tmp_path / "shards" / "b.coords.npy").tolist()
    assert found.grid == GRID
    assert found.about["subject"] == "patient b"
    assert found.about["encoder"] == "mae"
    assert found.about["encoder_sha256"] == encoder.sha256
    assert len(read_embeddings(first)) == 5


def test_other_tools_find_what_they_look_for(slides, tmp_path):
    path = embed_cases(cases_of(slides), extract=encoder_of(), out=tmp_path / "out", patch_tokens=True)[0]
    with h5py.File(path) as file:
        assert file["features"].dtype == np.float16
        assert file["features"].shape == (5, 48)
        assert file["coords"].dtype == np.int64
        assert file["patch_tokens"].shape == (5, 16, 48)
        attributes = dict(file["coords"].attrs)
    assert attributes["patch_size"] == 32
    assert attributes["patch_size_level0"] == 63  # 32 microns are 64 by 62.7 pixels
    assert attributes["patch_level"] == 1
    assert attributes["overlap"] == 8
    # CLAM reads patch_size pixels of patch_level, TRIDENT patch_size at the target magnification.
    area = attributes["patch_size_level0"]
    assert attributes["patch_size"] * attributes["downsample"].mean() == pytest.approx(area, abs=1)
    ratio = attributes["level0_magnification"] / attributes["target_magnification"]
    assert attributes["level0_magnification"] == 20
    assert attributes["patch_size"] * ratio == pytest.approx(area, abs=1)
    assert (attributes["level0_width"], attributes["level0_height"]) == (900, 700)
    assert attributes["name"] == "a"
    assert attributes["mpp"].tolist() == [0.5, 0.51]


def test_what_is_there_is_kept_and_other_weights_or_options_make_it_anew(slides, tmp_path):
    encoder, cases = encoder_of(), cases_of(slides)
    path = embed_cases(cases, extract=encoder, out=tmp_path / "out")[0]
    stamp = path.stat().st_mtime_ns
    assert embed_cases(cases, extract=encoder_of(), out=tmp_path / "out")[0].stat().st_mtime_ns == stamp
    embed_cases(cases, extract=encoder, out=tmp_path / "out", precision="float32")
    assert path.stat().st_mtime_ns > stamp
    other = encoder_of()
    with torch.no_grad():
        other.encoder.cls_token += 1
    before = read_embeddings(path).features
    embed_cases(cases, extract=other, out=tmp_path / "out", precision="float32")
    assert not np.array_equal(before, read_embeddings(path).features)


def test_another_scaling_of_the_same_weights_makes_it_anew(slides, tmp_path):
    shifted, doubled = (encoder_of(scale=scale) for scale in (Scale((0.5,)), Scale(std=(0.5,))))
    path = embed_cases(cases_of(slides), extract=shifted, out=tmp_path / "out")[0]
    first, stamp = read_embeddings(path).features, path.stat().st_mtime_ns
    embed_cases(cases_of(slides), extract=encoder_of(scale=Scale((0.5,))), out=tmp_path / "out")
    assert path.stat().st_mtime_ns == stamp
    embed_cases(cases_of(slides), extract=doubled, out=tmp_path / "out")
    assert not np.allclose(first, read_embeddings(path).features, atol=0.05)


def test_a_damaged_file_is_made_anew_and_says_what_it_is_when_it_is_read(slides, tmp_path):
    cases, out = cases_of(slides), tmp_path / "out"
    path = embed_cases(cases, extract=encoder_of(), out=out)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot be read.*embed the slide again"):
        read_embeddings(path)
    embed_cases(cases, extract=encoder_of(), out=out)
    assert len(read_embeddings(path)) == 5
    with pytest.raises(DataError, match="cannot be read"):
        read_embeddings(tmp_path / "none.h5")


class Torn:
    """Tiles of which the second cannot be read."""

    def __init__(self, tiles):
        self.tiles, self.bad = tiles, {1}

    def __len__(self):
        return len(self.tiles)

    def __getitem__(self, index):
        if index in self.bad:
            raise DataError("torn")
        return self.tiles[index]


def test_a_tile_that_cannot_be_read_is_left_out_of_its_file_told_and_read_again_the_next_time(slides, tmp_path):
    case = cases_of(slides)[0]
    torn = dataclasses.replace(case, samples=Torn(case.samples))
    with pytest.warns(UserWarning, match="left out"), pytest.raises(SomeFailedError, match="a without 1 samples: torn"):
        embed_cases([torn], extract=encoder_of(), out=tmp_path / "out")
    found, tokens = read_embeddings(tmp_path / "out" / "a.h5"), encoder_of()
    assert found.coords.tolist() == case.coords[[0, 2, 3, 4]].tolist()
    np.testing.assert_allclose(found.features[1], tokens(slides[2]["image"][None])[0].numpy(), atol=2e-3)
    torn.samples.bad.clear()
    embed_cases([torn], extract=encoder_of(), out=tmp_path / "out")
    assert len(read_embeddings(tmp_path / "out" / "a.h5")) == 5


def test_a_feature_that_is_not_finite_stops_its_case_and_leaves_no_file(slides, tmp_path):
    encoder = encoder_of()
    with torch.no_grad():
        encoder.encoder.norm.weight.fill_(1e8)  # more than float16 holds
    with pytest.raises(SomeFailedError, match=r"2 of 2 cases are not whole: .*features are not finite in float16"):
        embed_cases(cases_of(slides), extract=encoder, out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_tiles_without_a_slide_are_named(tmp_path):
    row = row_of(tmp_path, "p1", 3)
    names = ["x/1.png", "x/2.png", "y/3.png"]
    columns = {"name": names, "sha256": names, "label": ["x", "x", "y"], "slide": [None] * 3}
    row |= {"kind": "tiles", "size": [32, 32], "tiles": columns, "mpp": None}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(row))
    dataset = Samples(source=tmp_path, view=Tiles(size=None), classes=["x"])
    (path,) = embed_cases(cases_of(dataset), extract=encoder_of(), out=tmp_path / "out")
    found = read_embeddings(path)
    assert found.names == names[:2]
    assert found.coords is None
    assert len(found) == 2


def test_the_last_token_of_mmae_is_normalised_as_its_classifier_does():
    encoder = encoder_of(he_mmae_tiny, pool="class_token", scale=Scale((0.5,)))
    images = torch.rand(2, 3, 32, 32)
    features, tokens = encoder.with_tokens(images)
    raw = encoder.encoder(images)
    torch.testing.assert_close(features, torch.nn.functional.layer_norm(raw[:, -1], (32,), eps=1e-6))
    torch.testing.assert_close(tokens, raw[:, :-1])
    assert not features.requires_grad


def test_a_class_token_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="this one has none"):
        encoder_of(partial(mae_tiny, class_token="none"), pool="class_token")


# ------------------------------------------------------------------------------------- coordinates of other tools
@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return write_pyramid(tmp_path_factory.mktemp("slide") / "s1.tif", picture(400, 300), mpp=0.5)


def write_coords(path, coords, **attributes):
    with h5py.File(path, "w") as file:
        file["coords"] = coords
        file["coords"].attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    "attributes",
    [
        {"patch_size": 32, "patch_level": 1, "downsample": (2.0, 2.0)},  # CLAM
        {"patch_size": 32, "patch_size_level0": 64, "target_magnification": 10, "overlap": 0},  # TRIDENT
    ],
)
def test_tiles_are_read_where_another_tool_says(slide, tmp_path, attributes):
    coords = write_coords(tmp_path / "c.h5", [[0, 0], [64, 128], [300, 10]], **attributes)
    case = case_of_slide(slide, coords, size=32)
    assert case.grid.tile_size == (64, 64)
    assert case.grid.tile_mpp == 1.0
    pixels = picture(400, 300)[128:192, 64:128].astype(float)
    expected = pixels.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(case.samples[1]["image"].numpy(), expected, atol=0.03)
    (path,) = embed_cases([case], extract=encoder_of(), out=tmp_path / "out")
    assert read_embeddings(path).coords.tolist() == [[0, 0], [64, 128], [300, 10]]
    assert path.name == "s1.h5"


def test_coordinates_that_do_not_fit_the_slide_are_refused(slide, tmp_path):
    with pytest.raises(DataError, match="places lie outside"):
        case_of_slide(slide, write_coords(tmp_path / "a.h5", [[400, 0]], patch_size=32, patch_level=0))
    with pytest.raises(DataError, match="how large a tile is"):
        case_of_slide(slide, write_coords(tmp_path / "b.h5", [[0, 0]], name="x"))
    with pytest.raises(DataError, match="the slide has 3 levels"):
        case_of_slide(slide, write_coords(tmp_path / "c.h5", [[0, 0]], patch_size=32, patch_level=7))
    with open_hdf5(write_coords(tmp_path / "d.h5", [[0, 0]])) as file:
        assert "features" not in file
    with pytest.raises(DataError, match="it holds coords, and no features"):
        read_embeddings(tmp_path / "d.h5")


def test_features_of_another_tool_are_read(tmp_path):
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["features"] = np.ones((1, 4, 8), dtype=np.float32)
        file["coords"] = np.zeros((4, 2), dtype=np.int32)
    found = read_embeddings(tmp_path / "theirs.h5")
    assert found.features.shape == (4, 8)
    assert found.coords.dtype == np.int64
    assert found.grid is None


def test_an_interrupted_write_leaves_no_file(tmp_path):
    def parts():
        yield [0, 1], np.ones((2, 4), dtype=np.float32), None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_embeddings(tmp_path / "x.h5", parts(), about={}, coords=np.zeros((4, 2)), grid=GRID)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("tile_mpp", "level"), [(1.0, 0), (0.75, 0), (1.5, 1)])
def test_other_tools_read_the_area_of_a_tile_that_was_resampled(tmp_path, tile_mpp, level):
    grid = dataclasses.replace(GRID, mpp=(0.5, 0.5), level=level, downsample=(2.0**level,) * 2, tile_mpp=tile_mpp)
    part = ([0, 1], np.ones((2, 4), np.float32), None)
    coords = np.array([[0, 0], [100, 0]])
    path = write_embeddings(tmp_path / "a.h5", [part], about={"case": "a"}, coords=coords, grid=grid)
    with h5py.File(path) as file:
        said = dict(file["coords"].attrs)
    area = grid.tile * tile_mpp / 0.5  # in level-0 pixels
    assert said["patch_size_level0"] == area
    assert said["patch_size"] * 2 ** said["patch_level"] == area  # as CLAM reads it
    assert said["patch_size"] * said["level0_magnification"] / said["target_magnification"] == area  # as TRIDENT does
