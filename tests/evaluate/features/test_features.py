"""Embeddings of images, and what else a pre-trained encoder of images leaves to look at."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from medmae.data import Pictures, Samples
from medmae.data.images.source import read_images
from medmae.data.views import About
from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.features.embedding_cases import cases_of
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.evaluate.features.embeddings import Embedder
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.features import features, tokens
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.evaluate.leakage import require_unseen
from medmae.evaluate.reconstruct.image_pictures import write_image_pictures
from medmae.methods.mae import mae_tiny


@pytest.fixture
def source(tmp_path):
    rng = np.random.default_rng(0)
    whose = np.array([f"p{number % 5}" for number in range(20)])
    arrays = {"images": rng.integers(0, 255, (20, 32, 32), dtype=np.uint8), "labels": np.arange(20) % 2}
    np.savez(tmp_path / "set.npz", **arrays, subjects=whose)
    return tmp_path / "set.npz"


def data(source, split="train"):
    return Samples(source=source, view=Pictures(size=32, channels=1), split=split)


class Mirrored(Pictures):
    """The same pictures, read in another way."""


def test_a_file_has_the_features_and_the_names_of_all_images(source, tmp_path):
    torch.manual_seed(0)
    encoder = FeatureExtractor(encoder=mae_tiny(in_channels=1).encoder)
    images = data(source, None)
    found = read_embeddings(Embedder(extract=encoder, precision="float32").write_all(cases_of(images), tmp_path)[0])
    assert list(found.names) == [f"{number:06d}" for number in range(20)]
    np.testing.assert_allclose(found.features[3], encoder(images[3]["image"][None])[0].numpy(), atol=1e-5)


def test_sets_of_one_split_do_not_take_each_other_s_features(source, tmp_path):
    encoder, images = FeatureExtractor(encoder=mae_tiny(in_channels=1).encoder), data(source, None)
    some = Samples(source=source, view=Pictures(size=32, channels=1), split=None, limit=3)
    whole, few = (features(encoder, each, cache=tmp_path / "all.h5") for each in (images, some))
    assert (len(whole), len(few)) == (20, 3)
    np.testing.assert_array_equal(whole[0], few[0])


def test_pictures_are_written_and_the_encoder_goes_on_as_it_was(source, tmp_path):
    encoder = mae_tiny(in_channels=1).encoder.train()
    write_image_pictures(encoder=encoder, dataset=data(source), out=tmp_path / "run" / "evaluation")
    assert encoder.training
    record = json.loads((tmp_path / "run" / "evaluation" / "embedding_map.json").read_text())
    assert record["of"] == len(data(source))
    assert (tmp_path / "run" / "evaluation" / "attention" / "panels.npz").is_file()


def test_an_image_that_cannot_be_read_is_left_out_of_the_pictures(source, tmp_path, monkeypatch):
    def read(self, index):
        if index == broken:
            raise DataError("this image cannot be read")
        return whole(self, index)

    whole, encoder = Samples.__getitem__, mae_tiny(in_channels=1).encoder.train()
    images = data(source)
    broken = next(
        index for index in range(len(images)) if images.describe(index).case == "000010"
    )  # one of those shown
    monkeypatch.setattr(Samples, "__getitem__", read)
    with pytest.warns(UserWarning, match=f"sample {broken} .*is left out"):
        write_image_pictures(encoder=encoder, dataset=images, out=tmp_path / "run" / "evaluation", count=3)
    assert len(json.loads((tmp_path / "run" / "evaluation" / "attention" / "panels.json").read_text())) == 2
    drawn = json.loads((tmp_path / "run" / "evaluation" / "embedding_map.json").read_text())
    assert drawn["labels"] == np.delete(images.labels, broken).tolist()
    assert encoder.training


def test_the_record_of_a_run_names_patients_by_split_and_a_later_evaluation_refuses_them(source, tmp_path):
    images = read_images(source)
    record = summarise_data(images)
    assert sorted(name for some in record["subjects"].values() for name in some) == [f"p{i}" for i in range(5)]
    assert [case["images"] for case in record["cases"]] == [4] * 5
    assert {case["subject"] for case in record["cases"]} == {f"p{i}" for i in range(5)}
    (tmp_path / "run.json").write_text(json.dumps({"data": record}))
    require_unseen(model_dir=tmp_path, manifest=images, split="test")
    with pytest.raises(DataError, match="pre-training has seen"):
        require_unseen(model_dir=tmp_path, manifest=images, split="train")


def test_without_patients_a_case_of_the_record_is_a_class_in_a_split(source, tmp_path):
    with np.load(source) as arrays:
        np.savez(tmp_path / "plain.npz", images=arrays["images"], labels=arrays["labels"])
    record = summarise_data(read_images(tmp_path / "plain.npz"))
    assert {case["case"] for case in record["cases"]} >= {"train 0", "train 1", "test 0", "test 1"}
    assert all("no_patient" in case["flags"] for case in record["cases"])


def test_features_are_computed_once_until_weights_samples_or_how_they_are_read_change(source, tmp_path):
    cache = tmp_path / "x.h5"

    def stamp(encoder, samples, **options):
        features(FeatureExtractor(encoder=encoder, **options), samples, cache=cache)
        return cache.stat().st_mtime_ns

    encoder = mae_tiny(in_channels=1).encoder
    first = stamp(encoder, data(source))
    assert stamp(encoder, data(source)) == first
    seen = {first, stamp(encoder, data(source), block=1), stamp(encoder, data(source, None))}
    seen.add(stamp(encoder, Samples(source=source, view=Mirrored(size=32, channels=1), split=None)))
    seen.add(stamp(encoder, Subset(data(source, None), [0, 1])))
    seen.add(stamp(encoder.fresh(seed=1), Subset(data(source, None), [0, 1])))
    assert len(seen) == 6


def test_the_features_of_several_views_are_their_mean(source, tmp_path):
    images, extract = data(source), FeatureExtractor(encoder=mae_tiny(in_channels=1).encoder)

    views = ViewsOfUnits(images, [[0, 3, 5], [2, 4, 1]])
    found = features(extract, views, cache=tmp_path / "x.h5")
    expected = extract(torch.stack([images[number]["image"] for number in (2, 4, 1)])).mean(dim=0)
    np.testing.assert_allclose(found[1], expected.numpy(), rtol=1e-5, atol=1e-6)
    assert tokens(extract, views).shape == (2, 3 * 16, 48)


def test_samples_that_say_which_view_of_their_unit_they_are_belong_together(source):
    class Two(Pictures):
        """Each image twice, the second one mirrored."""

        def items(self, source, places):
            return np.array([(place, view) for place in places for view in (0, 1)])

        def read(self, source, item):
            image = super().read(source, item)["image"]
            return {"image": image.flip(2) if item.numbers[1] else image}

        def describe(self, source, item):
            return About("c", "s", place={"view": item.numbers[1]})

    samples = Samples(source=source, view=Two(size=32, channels=1), split="train")
    found, images = ViewsOfUnits.of(samples), data(source)
    assert (len(found), found.views, found.first[:2]) == (len(images), 2, [0, 2])
    torch.testing.assert_close(found[1]["image"], torch.stack([images[1]["image"], images[1]["image"].flip(2)]))
    assert ViewsOfUnits.of(images) is None
    for limit in (len(images), 1):  # an arbitrary view of each, or of one
        some = Samples(source=source, view=Two(size=32, channels=1), split="train", limit=limit)
        with pytest.raises(DataError, match="some views of a unit are left out"):
            ViewsOfUnits.of(some)
    with pytest.raises(DataError, match="different numbers of views"):
        ViewsOfUnits(samples, [[0], [1, 2]])


def test_a_sample_that_cannot_be_read_is_refused_unless_it_may_be_left_out(source, tmp_path):
    class Torn(Samples):
        def __getitem__(self, index):
            if index == 1:
                raise DataError("torn")
            return super().__getitem__(index)

    torn = Torn(source=source, view=Pictures(size=32, channels=1), split="train")
    extract, lost = FeatureExtractor(encoder=mae_tiny(in_channels=1).encoder), {}
    with pytest.warns(UserWarning, match="left out"), pytest.raises(DataError, match=r"1 of .* cannot be read: torn"):
        features(extract, torn, cache=tmp_path / "x.h5")
    with pytest.warns(UserWarning, match="left out"):
        assert len(features(extract, torn, cache=tmp_path / "x.h5", left_out=lost)) == len(torn) - 1
    assert lost == {1: "torn"}
