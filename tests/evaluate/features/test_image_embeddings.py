"""Embeddings of images, and what else a pre-trained encoder of images leaves to look at."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from medmae.data import Pictures, Samples
from medmae.data.images.source import read_images
from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.features.image_embeddings import embed_images, embedded
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


def test_a_file_has_the_features_and_the_names_of_all_images(source, tmp_path):
    torch.manual_seed(0)
    encoder = TileEncoder(encoder=mae_tiny(in_channels=1).encoder)
    images = data(source, None)
    found = read_embeddings(embed_images(images=images, encoder=encoder, out=tmp_path, precision="float32"))
    assert list(found.names) == [f"{number:06d}" for number in range(20)]
    np.testing.assert_allclose(found.features[3], encoder(images[3]["image"][None])[0].numpy(), atol=1e-5)


def test_sets_of_one_split_do_not_take_each_other_s_features(source, tmp_path):
    encoder, images = TileEncoder(encoder=mae_tiny(in_channels=1).encoder), data(source, None)
    some = Samples(source=source, view=Pictures(size=32, channels=1), split=None, limit=3)
    found = embedded(encoder, [images, some], folder=tmp_path)
    assert len(found) == 23
    np.testing.assert_array_equal(found[20], found[0])


def test_pictures_are_written_and_the_encoder_goes_on_as_it_was(source, tmp_path):
    encoder = mae_tiny(in_channels=1).encoder.train()
    write_image_pictures(encoder=encoder, dataset=data(source), out=tmp_path / "run" / "evaluation")
    assert encoder.training
    record = json.loads((tmp_path / "run" / "evaluation" / "embedding_map.json").read_text())
    assert record["of"] == len(data(source))
    assert (tmp_path / "run" / "evaluation" / "attention" / "panels.npz").is_file()


def test_an_image_that_cannot_be_read_costs_the_embedding_map_and_no_more(source, tmp_path, monkeypatch):
    def read(self, index):
        if index == 0:
            raise DataError("this image cannot be read")
        return whole(self, index)

    whole, encoder = Samples.__getitem__, mae_tiny(in_channels=1).encoder.train()
    monkeypatch.setattr(Samples, "__getitem__", read)
    write_image_pictures(encoder=encoder, dataset=data(source), out=tmp_path / "run" / "evaluation", count=3)
    assert len(json.loads((tmp_path / "run" / "evaluation" / "attention" / "panels.json").read_text())) == 2
    assert not (tmp_path / "run" / "evaluation" / "embedding_map.json").exists()
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
