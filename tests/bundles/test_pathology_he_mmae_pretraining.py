"""Pre-training on tiles: what its runs leave, and what the recipes that are merged over it change."""

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from data_prep.tiny import make
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_configs, shipped
from medmae.cli import main
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.nn.heads import FeatureMap
from medmae.tokens.stain_matrices import RUIFROK

NAME = "pathology_he_mmae_pretraining"
TINY = {"method::_target_": "medmae.methods.he_mmae.he_mmae_tiny"}
QUICK = {**TINY, "num_visible": 14, "batch_size": 4, "epochs": 1, "warmup_epochs": 0}
OUTPUTS = {"rgb": "mse", "norm_rgb": "mse", "h": "l1"}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> Path:
    return make("tiles", tmp_path_factory.mktemp("tiles"))[0]


@pytest.fixture(scope="module")
def run(tiles, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run_bundle(
        NAME, "train", overrides={**QUICK, "outputs": OUTPUTS, "dataset_dir": str(tiles), "output_dir": str(out)}
    )
    return out


def test_a_run_leaves_figures_of_each_rebuilt_modality_stains_and_a_report(run):
    rows = list(csv.DictReader((run / "evaluation" / "reconstruction.csv").open()))
    assert {row["contrast"] for row in rows} == {"rgb", "h"}
    shown = json.loads((run / "evaluation" / "panels.json").read_text())
    assert {row["contrast"] for row in shown} == {"rgb", "h", "e"}
    assert (run / "evaluation" / "stains" / "panels.npz").is_file()
    page = (run / "report.html").read_text()
    assert "Reconstructions" in page
    assert "tiles of" in page
    record = json.loads((run / "run.json").read_text())
    assert record["config"]["num_visible"] == 14
    assert set(record["hashes"]) == {"model.pt", "model.safetensors", "pretraining.safetensors"}


@pytest.mark.parametrize("damaged", ["one case", "all cases"])
def test_held_out_tiles_that_cannot_be_read_cost_neither_weights_nor_report(tiles, tmp_path, damaged):
    shutil.copytree(tiles, tmp_path / "tiles")
    rows = [json.loads(line) for line in (tmp_path / "tiles" / "manifest.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["split"] = "train" if number < 4 else "test"
        if number > 4 or (number == 4 and damaged == "all cases"):
            (tmp_path / "tiles" / row["shard"]).write_bytes(b"damaged")
    (tmp_path / "tiles" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out, where = tmp_path / "run", {"dataset_dir": str(tmp_path / "tiles"), "output_dir": str(tmp_path / "run")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "train", overrides={**QUICK, **where})
    left = "4 of 8" if damaged == "one case" else "8 of 8"
    assert f"{left} samples were left out" in f"{caught.value} {caught.value.__cause__}"
    assert (out / "models" / "pretraining.safetensors").is_file()
    assert (out / "report.html").is_file()
    assert (out / "evaluation" / "reconstruction.csv").is_file() == (damaged == "one case")


def test_the_plain_network_takes_rgb_between_0_and_1(run):
    network = FeatureMap(encoder=he_mmae_tiny().encoder)
    network.load_state_dict(torch.load(run / "models" / "model.pt", weights_only=True), strict=True)
    assert network.eval()(torch.rand(2, 3, 32, 32)).shape == (2, 32, 4, 4)


def test_held_out_patients_are_evaluated_again_with_the_same_figures(run, tiles, tmp_path):
    where = {"dataset_dir": str(tiles), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "evaluate", overrides={**TINY, "num_visible": 14, "outputs": OUTPUTS, **where})
    first, second = (
        json.loads((folder / "evaluation" / "summary.json").read_text())["psnr_model"]["mean"]
        for folder in (run, tmp_path)
    )
    assert first == pytest.approx(second, abs=1e-4)


def test_embeddings_come_from_the_encoder_alone_whatever_was_rebuilt(run, tiles, tmp_path):
    where = {"dataset_dir": str(tiles), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "inference", overrides={**TINY, **where, "patch_tokens": True})
    files = sorted((tmp_path / "embeddings").glob("*.h5"))
    assert len(files) == 6
    with h5py.File(files[0]) as found:
        assert found["features"].shape == (4, 32)
        assert found["patch_tokens"].shape == (4, 16, 32)
        assert np.isfinite(found["features"][()]).all()


@pytest.mark.parametrize(
    ("merged", "key", "value"),
    [
        ("train,demo", "method::_target_", "medmae.methods.he_mmae.he_mmae_demo"),
        ("evaluate,demo", "num_visible", 32),
        ("inference,demo", "method::_target_", "medmae.methods.he_mmae.he_mmae_demo"),
        ("train,rgb", "method::_target_", "medmae.methods.he_mmae.he_mmae_rgb"),
        ("train,multi_gpu_train", "train::trainer::strategy", "ddp"),
    ],
)
def test_recipes_that_are_merged_change_what_they_name(tiles, merged, key, value):
    files = [str(path) for path in find_configs(shipped()[NAME], merged)]
    workflow = ConfigWorkflow(config_file=files, workflow_type=None, dataset_dir=str(tiles))
    assert workflow.parser.get(key) == value


@pytest.mark.parametrize("config", ["train", "evaluate"])
def test_the_fastest_separation_can_be_asked_for(tiles, config):
    fast = {"stain_matrix": RUIFROK.tolist(), "stain_brighten": False, "colour_table": True}
    files, small = [str(path) for path in find_configs(shipped()[NAME], config)], {**TINY, "num_visible": 14}
    workflow = ConfigWorkflow(config_file=files, workflow_type=None, dataset_dir=str(tiles), **small, **fast)
    data = workflow.parser.get_parsed_content("train::dataset" if config == "train" else "dataset")
    separator = data.view.separator
    assert (separator.brighten, separator.colour_table) == (False, True)
    np.testing.assert_allclose(separator.matrix, RUIFROK)


def test_rgb_alone_trains_as_the_baseline_does(tiles, tmp_path):
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 4}
    small = {f"method::{name}": value for name, value in sizes.items()}
    small |= {"method::decoder_dim": 16, "method::decoder_heads": 2, "num_visible": 8}
    quick = {"batch_size": 4, "epochs": 1, "dataset_dir": str(tiles), "output_dir": str(tmp_path)}
    run_bundle(NAME, "train,rgb", overrides={**small, **quick})
    rows = list(csv.DictReader((tmp_path / "evaluation" / "reconstruction.csv").open()))
    assert {row["contrast"] for row in rows} == {"rgb"}


@pytest.mark.slow
def test_the_bundle_passes_all_27_checks(capfd):
    with pytest.raises(SystemExit) as stop:
        main(["check", NAME])
    assert stop.value.code in (None, 0), capfd.readouterr().out
