"""Phenotyping: from a pre-trained encoder to an evaluated classifier, few labels, and maps of slides."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from data_prep.tiny import make
from medmae.bundle.run import run_bundle
from medmae.cli import main
from medmae.data import Samples, Tiles
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.features.embedding_files import read_embeddings
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.nn.heads import Classifier
from medmae.weights.io import load_state, save_safetensors

NAME = "pathology_he_phenotyping"
TINY = {"pretraining::_target_": "medmae.methods.he_mmae.he_mmae_tiny", "classes": ["STR", "TUM"]}
QUICK = {**TINY, "batch_size": 4, "epochs": 1, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> tuple[Path, Path]:
    """Prepared tiles and prepared slides."""
    return make("phenotyping", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    """Weights that nobody knows the patients of."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("pretrained") / "pretraining.safetensors"
    save_safetensors(he_mmae_tiny().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(data, pretrained, tmp_path_factory) -> Path:
    return train(data[0], tmp_path_factory.mktemp("run"), pretrained=str(pretrained))


def train(tiles, out, **more):
    run_bundle(NAME, "train", overrides={**QUICK, "dataset_dir": str(tiles), "output_dir": str(out), **more})
    return out


def cause(error):
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_a_run_tests_held_out_patients_beside_colour_and_leaves_a_report(run):
    record = json.loads((run / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]
    assert record["unit"] == "patient"
    assert record["folds"] == 1
    plain = {f"{name}, logistic regression" for name in ("mean colour", "colour histogram", "raw pixels")}
    assert set(record["scores"]) == {"this network, fine-tuned", "same answer to all, constant", *plain}
    assert "Confusion" in (run / "report.html").read_text()
    known = json.loads((run / "run.json").read_text())
    assert set(known["hashes"]) == {"model.pt", "model.safetensors", "classifier.safetensors"}
    task = json.loads((run / "models" / "task.json").read_text())
    assert task["classes"] == ["STR", "TUM"]


def test_the_encoder_starts_as_it_was_pretrained(data, pretrained, tmp_path, monkeypatch):
    # Nothing is trained, so that what is saved is what training would have begun with.
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **options: None)
    train(data[0], tmp_path, pretrained=str(pretrained))
    before, after = load_state(pretrained), load_state(tmp_path / "models" / "classifier.safetensors")
    for key in ("blocks.1.mlp.fc2.weight", "patch_embed.proj.weight", "cls_token"):
        assert torch.equal(after[f"network.encoder.{key}"], before[f"encoder.{key}"])


def test_an_encoder_that_has_seen_a_test_patient_is_refused(data, pretrained, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(pretrained.parent, folder)
    (folder / "run.json").write_text(json.dumps({"data": {"subjects": {"train": [f"p{n}" for n in range(6)]}}}))
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(data[0], tmp_path / "out", pretrained=str(folder / "pretraining.safetensors"))
    assert "pre-training has seen" in str(cause(caught.value))


def test_evaluation_again_gives_the_same_figures(run, data, tmp_path):
    where = {"dataset_dir": str(data[0]), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    first, second = (
        json.loads((folder / "evaluation" / "protocol.json").read_text())["tasks"] for folder in (run, tmp_path)
    )
    assert first == second


def test_slides_are_mapped_by_what_the_network_says_of_each_tile(run, data, tmp_path):
    where = {"dataset_dir": str(data[1]), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "inference", overrides={**TINY, **where, "shown": ["TUM"]})
    maps = tmp_path / "evaluation" / "heatmaps"
    assert len(list(maps.glob("*_tum.png")) or list(maps.glob("*_TUM.png"))) == 3
    said = json.loads((maps / "patient-0.geojson").read_text())["features"][0]["properties"]["measurements"]
    network = Classifier(encoder=he_mmae_tiny(scale="imagenet").encoder, num_classes=2, pool="class_token")
    network.load_state_dict(torch.load(run / "models" / "model.pt", weights_only=True), strict=True)
    tiles = Samples(source=data[1], view=Tiles(size=32), split=None)
    first = next(i for i in range(len(tiles)) if tiles.describe(i)["case"] == "patient-0")
    with torch.no_grad():
        expected = network.eval()(tiles[first]["image"][None]).softmax(dim=1)[0]
    assert said["p TUM"] == pytest.approx(float(expected[1]), abs=1e-4)
    found = read_embeddings(next((tmp_path / "embeddings").glob("*/patient-0.h5")))
    assert np.isfinite(found.features).all()
    assert "Heatmaps" in (tmp_path / "report.html").read_text()


def changed(tiles, folder, change) -> Path:
    """The same tiles with other rows."""
    shutil.copytree(tiles, folder)
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for row in rows:
        change(row)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_tiles_of_another_place_are_classified_beside_colour_that_learnt_where_the_network_did(run, data, tmp_path):
    def move(row):  # what is in them is another place's, too, as far as anybody can tell
        for key in row["tiles"].keys() & {"content_sha256", "sha256"}:
            row["tiles"][key] = [sha256[::-1] for sha256 in row["tiles"][key]]
        row.update(split="test", subject=f"o{row['subject']}")

    elsewhere = changed(data[0], tmp_path / "other", move)
    where = {"dataset_dir": str(elsewhere), "output_dir": str(tmp_path / "out"), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    assert "--train_dir" in str(cause(caught.value))
    run_bundle(NAME, "evaluate", overrides={**TINY, **where, "train_dir": str(data[0])})
    record = json.loads((tmp_path / "out" / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]
    learnt, tested = (
        len(Samples(source=m, view=Tiles(size=32), split=s)) for m, s in ((data[0], "train"), (elsewhere, "test"))
    )
    assert record["labels"] == learnt
    assert np.sum(record["scores"]["mean colour, logistic regression"]["confusion"]) == tested


def test_a_class_that_no_training_tile_shows_is_refused_before_anything_is_trained(data, tmp_path, monkeypatch):
    def without_tumour(row):
        if row["split"] == "train":
            row["tiles"]["label"] = ["STR"] * row["count"]

    tiles, trained = changed(data[0], tmp_path / "tiles", without_tumour), []
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **options: trained.append(options))
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(tiles, tmp_path / "out")
    assert "no tile of TUM to learn from" in str(cause(caught.value))
    assert not trained


@pytest.fixture
def hurt(data, tmp_path) -> Path:
    """Three prepared slides: the tiles of one are damaged, and the file of another is gone."""
    gone = {"patient-1": {"source": str(tmp_path / "gone.tif")}}
    folder = changed(data[1], tmp_path / "hurt", lambda row: row.update(gone.get(row["case"], {})))
    (folder / "shards" / "patient-0.npy").write_bytes(b"damaged")
    return folder


def refused_at_the_end(config, out, **overrides):
    """What was said; all that could be mapped is, and there are a record and a report."""
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, config, overrides={**TINY, "output_dir": str(out), **overrides})
    assert isinstance(cause(caught.value), SomeFailedError)
    assert len(list((out / "evaluation" / "heatmaps").glob("*.geojson"))) == 1
    assert "Heatmaps" in (out / "report.html").read_text()
    assert (out / "run.json").is_file()
    return str(cause(caught.value))


def test_bad_slides_cost_the_others_neither_maps_nor_report(run, hurt, tmp_path):
    where = {"dataset_dir": str(hurt), "model_dir": str(run / "models")}
    told = refused_at_the_end("inference", tmp_path / "out", **where)
    assert "gone.tif" in told
    assert "tiles of 1 of 3 slides cannot be read" in told


def test_bad_slides_cost_few_labels_neither_figures_nor_report(data, pretrained, hurt, tmp_path):
    where = {"dataset_dir": str(data[0]), "model_dir": str(pretrained.parent), "slides": str(hurt), "classes": None}
    few = {"labels": [2], "folds": 2, "validate": False, "fine_tune": False}
    refused_at_the_end("few_labels", tmp_path / "out", **where, **few)
    assert "Protocol" in (tmp_path / "out" / "report.html").read_text()


def test_tiles_that_come_from_no_slide_cannot_be_mapped(run, data, tmp_path):
    where = {"dataset_dir": str(data[0]), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "inference", overrides={**TINY, **where})
    assert "medmae prep wsi" in str(cause(caught.value))


def test_weights_are_used_for_the_classes_they_were_trained_for_only(run, data, tmp_path):
    where = {"dataset_dir": str(data[0]), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "evaluate", overrides={**TINY, **where, "classes": ["TUM", "STR"]})
    assert isinstance(cause(caught.value), DataError)
    assert '--classes ["STR", "TUM"]' in str(cause(caught.value))


def test_few_labels_show_the_encoder_frozen_fine_tuned_and_from_scratch_and_map_slides(data, pretrained, tmp_path):
    where = {"dataset_dir": str(data[0]), "model_dir": str(pretrained.parent), "output_dir": str(tmp_path)}
    few = {"labels": [2], "folds": 2, "validate": False, "epochs": 1, "slides": str(data[1]), "classes": None}
    run_bundle(NAME, "few_labels", overrides={**TINY, **where, **few})
    tasks = json.loads((tmp_path / "evaluation" / "protocol.json").read_text())["tasks"]
    scores = tasks["2 labels a class"]["scores"]
    frozen = {f"pre-trained, {kind}" for kind in ("linear probe", "logistic regression", "nearest neighbours")}
    assert frozen | {"pre-trained, fine-tuned", "from scratch, fine-tuned"} <= set(scores)
    assert len(list((tmp_path / "evaluation" / "heatmaps").glob("*.geojson"))) == 3
    page = (tmp_path / "report.html").read_text()
    assert all(title in page for title in ("Protocol", "Heatmaps", "Embedding map"))


def test_few_labels_refuse_whom_pre_training_has_seen_until_that_is_wanted(data, pretrained, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(pretrained.parent, folder)
    (folder / "run.json").write_text(json.dumps({"data": {"subjects": {"train": ["p0"]}}}))
    where = {"dataset_dir": str(data[0]), "model_dir": str(folder), "output_dir": str(tmp_path)}
    few = {**TINY, **where, "labels": [2], "folds": 2, "fine_tune": False}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "few_labels", overrides=few)
    assert "pre-training has seen 1" in str(cause(caught.value))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run_bundle(NAME, "few_labels", overrides={**few, "transductive": True})
    assert any("transductive" in str(warning.message) for warning in told)


@pytest.mark.slow
def test_the_bundle_passes_all_27_checks(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["check", NAME])
    assert stop.value.code in (None, 0), capfd.readouterr().out
