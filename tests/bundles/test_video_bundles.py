"""The bundles of clips: pre-training, its evaluations, and classification of videos by several views."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from data_prep.tiny.clips import make
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_bundle, find_config
from medmae.errors import DataError
from medmae.kinds import SCALES
from medmae.weights.scales import read_scales

pytest.importorskip("av", reason="videos are read by PyAV")

TINY = {"image_size": 32, "frames": 4, "stride": 2, "channels": 1}
METHOD = {"method::_target_": "medmae.methods.videomae.videomae_tiny"}
BACKBONE = {"backbone::_target_": "medmae.methods.videomae.videomae_tiny"}
QUICK = {"epochs": 2, "batch_size": 4, "warmup_epochs": 0, "base_lr": 0.02}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("videos"))[0]


@pytest.fixture(scope="module")
def pretrained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pretrained")
    run("video_mae_pretraining", "train", prepared, out, **METHOD, **QUICK)
    return out


@pytest.fixture(scope="module")
def classifier(prepared, pretrained, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("classifier")
    weights = str(pretrained / "models" / "pretraining.safetensors")
    run("video_classification", "train", prepared, out, **BACKBONE, **QUICK, pretrained=weights, views=[2, 1])
    return out


def run(bundle, config, data, out, **more):
    run_bundle(bundle, config, overrides={**TINY, "dataset_dir": str(data), "output_dir": str(out), **more})


def models(folder):
    return {"model_dir": str(folder / "models")}


def test_pretraining_leaves_film_strips_and_the_scale_that_its_encoder_expects(pretrained):
    abouts = json.loads((pretrained / "evaluation" / "panels.json").read_text())
    with np.load(pretrained / "evaluation" / "panels.npz") as panels:
        pictures = {name: panels[f"0/{name}"] for name in ("input", "visible", "reconstruction", "error")}
    assert abouts
    assert {picture.shape[:2] for picture in pictures.values()} == {(32, 4 * 32)}  # frames side by side
    assert "Reconstructions" in (pretrained / "report.html").read_text()
    scales = read_scales(pretrained / "models" / "pretraining.safetensors")
    assert set(scales.values()) == {SCALES["imagenet"].grey()}


def test_weights_are_evaluated_on_held_out_clips_as_they_were_at_the_end_of_training(prepared, pretrained, tmp_path):
    run("video_mae_pretraining", "evaluate", prepared, tmp_path, **METHOD, **models(pretrained))
    mine, then = (json.loads((path / "evaluation" / "summary.json").read_text()) for path in (tmp_path, pretrained))
    assert mine["psnr_model"]["mean"] == pytest.approx(then["psnr_model"]["mean"], rel=1e-4)


def test_every_video_has_one_embedding(prepared, pretrained, tmp_path):
    run("video_mae_pretraining", "inference", prepared, tmp_path, **METHOD, **models(pretrained))
    rows = (prepared / "manifest.jsonl").read_text().splitlines()
    with h5py.File(tmp_path / "embeddings" / "all.h5") as file:
        assert len(file["features"]) == len(rows)


def test_the_protocol_tests_the_encoder_by_views_of_each_video_beside_baselines(prepared, pretrained, tmp_path):
    run(
        "video_mae_pretraining", "downstream", prepared, tmp_path, **METHOD, **models(pretrained),
        few=None, seeds=[0], fine_tune=False, views=[2, 1],
    )  # fmt: skip
    record = json.loads((tmp_path / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]
    assert record["views"] == 2
    assert {"pretrained, attentive probe", "untrained, linear probe", "mean frame, logistic regression"} <= set(
        record["scores"]
    )


def test_a_classifier_is_fine_tuned_and_gives_each_video_the_mean_of_its_views(prepared, classifier, tmp_path):
    run("video_classification", "inference", prepared, tmp_path, **BACKBONE, **models(classifier), views=[2, 1])
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert len(rows) == len((prepared / "manifest.jsonl").read_text().splitlines())
    assert all(float(row["p_left"]) + float(row["p_right"]) == pytest.approx(1, rel=1e-5) for row in rows)
    one = tmp_path / "one"
    run("video_classification", "inference", prepared, one, **BACKBONE, **models(classifier), views=[1, 1])
    single = list(csv.DictReader((one / "predictions.csv").open()))
    assert [row["p_left"] for row in single] != [row["p_left"] for row in rows]


def test_a_classifier_without_a_pre_trained_encoder_begins_as_the_paper_s(prepared, tmp_path):
    root = find_bundle("video_classification")
    config = ConfigParser(ConfigParser.load_config_file(find_config(root, "train")))
    config.update({**TINY, **BACKBONE, "dataset_dir": str(prepared), "output_dir": str(tmp_path)})
    training = config.get_parsed_content("training")
    encoder, head = training.method.encoder, training.network.head.weight.detach().clone()
    cubes = encoder.patch_embed.proj.weight.detach().clone()
    with pytest.warns(UserWarning, match="training from scratch"):
        training.initialize()
    linears = [part.weight.detach().flatten() for part in encoder.modules() if isinstance(part, torch.nn.Linear)]
    assert float(torch.cat(linears).std()) == pytest.approx(0.02, rel=0.03)
    assert torch.equal(encoder.patch_embed.proj.weight, cubes)  # a convolution there, and drawn as one
    assert torch.equal(training.network.head.weight, head)
    assert float(head.std()) == pytest.approx(2e-5, rel=0.3)  # 0.02 times 0.001


def test_weights_that_have_seen_the_test_patients_are_refused(prepared, classifier, tmp_path):
    with pytest.raises((DataError, RuntimeError)) as caught:
        run("video_classification", "evaluate", prepared, tmp_path, **BACKBONE, **models(classifier), split="train")
    assert "seen" in str(caught.value.__cause__ or caught.value)


def test_the_least_rate_of_pretraining_is_a_fifteenth_of_the_highest_at_every_batch(prepared):
    for batch, accumulate in ((32, 1), (8, 16)):
        config = ConfigParser(ConfigParser.load_config_file(find_config(find_bundle("video_mae_pretraining"), "train")))
        config.update({"batch_size": batch, "accumulate": accumulate, "dataset_dir": str(prepared)})
        peak = config["base_lr"] * batch * accumulate / 256
        assert config.get_parsed_content("module::schedule").min_lr == pytest.approx(peak / 15)


def test_clips_of_fine_tuning_are_augmented_as_the_paper_s_unless_the_demo_says_otherwise(prepared):
    for files, wanted in ((["train"], (4, 0.25)), (["train", "demo"], (0, 0.0))):
        root = find_bundle("video_classification")
        config = ConfigParser(ConfigParser.load_config_files([str(find_config(root, name)) for name in files]))
        config.update({"dataset_dir": str(prepared)})
        augment = config.get_parsed_content("augment")
        assert (augment.operations, augment.erase, augment.flip) == (*wanted, 0.0)
