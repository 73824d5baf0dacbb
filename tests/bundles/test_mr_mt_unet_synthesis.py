"""Synthesis from a pre-trained encoder to NIfTI on the source's grid, and what is refused on the way."""

import csv
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from medmae.bundle.run import run_bundle
from medmae.data.manifest import Manifest
from medmae.errors import DataError, SomeFailedError
from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.heads import SynthesisNetwork
from medmae.weights.io import load_weights

NAME = "mr_mt_unet_synthesis"
TINY = {"method::_target_": "medmae.methods.mt_unet.mt_unet_tiny"}
REMAKE = {"remake": True}  # every case of the cohort has a T2 already
QUICK = {**TINY, "batch_size": 4, "epochs": 1, "base_lr": 0.0005, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def pretrained(prepared, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("pretraining")
    tiny = {"method::_target_": "medmae.methods.edge_mae.edge_mae_tiny", "batch_size": 4, "epochs": 1}
    run_bundle(
        "mr_edge_mae_pretraining", "train", overrides={**tiny, "dataset_dir": str(prepared), "output_dir": str(out)}
    )
    return out / "models" / "pretraining.safetensors"


def train(prepared: Path, out: Path, config: str = "train", **overrides: object) -> Path:
    run_bundle(NAME, config, overrides={**QUICK, "dataset_dir": str(prepared), "output_dir": str(out), **overrides})
    return out


@pytest.fixture(scope="module")
def run(prepared, pretrained, tmp_path_factory) -> Path:
    return train(prepared, tmp_path_factory.mktemp("synthesis"), pretrained=str(pretrained), uncertainty=True)


def cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_a_run_leaves_weights_intensities_figures_montages_and_a_report(run):
    record = json.loads((run / "run.json").read_text())
    assert (record["config"]["source"], record["config"]["target"]) == ("T1", "T2")
    assert set(record["hashes"]) == {"model.pt", "model.safetensors", "synthesis.safetensors"}
    assert set(json.loads((run / "models" / "target_intensity.json").read_text())["contrasts"]) == {"T2"}
    (row,) = csv.DictReader((run / "evaluation" / "metrics.csv").open())
    assert np.isfinite([float(row[name]) for name in row if name.startswith("psnr")]).all()
    assert list((run / "evaluation" / "montage").glob("*.png"))
    assert "not for diagnosis" in (run / "report.html").read_text()


def test_the_spread_is_calibrated_on_validation_subjects_for_these_weights(run, prepared):
    record, hashes = (
        json.loads((run / "models" / "calibration.json").read_text()),
        json.loads((run / "run.json").read_text()),
    )
    assert record["fitted_on"] == list(Manifest.read(prepared).subjects("val"))
    assert record["weights_sha256"] == hashes["hashes"]["synthesis.safetensors"]
    judged = json.loads((run / "evaluation" / "calibration.json").read_text())
    assert (judged["map"], judged["fitted_on"]) == (record["map"], record["fitted_on"])


def test_without_a_validation_subject_to_calibrate_on_nothing_is_trained(prepared, tmp_path, monkeypatch):
    other, trained = tmp_path / "prepared", []
    shutil.copytree(prepared, other)
    rows = [json.loads(line) for line in (other / "manifest.jsonl").read_text().splitlines()]
    text = "".join(json.dumps({**row, "split": row["split"].replace("val", "train")}) + "\n" for row in rows)
    (other / "manifest.jsonl").write_text(text)
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **options: trained.append(options))
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(other, tmp_path / "out", feature_weight=0.0, uncertainty=True)
    assert "the spread is calibrated on it" in str(cause(caught.value))
    assert not trained


def test_training_without_uncertainty_leaves_no_calibration_of_earlier_weights(prepared, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "calibration.json").write_text("{}")
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **_: None)
    train(prepared, tmp_path, feature_weight=0.0)
    assert not (tmp_path / "models" / "calibration.json").exists()


def test_intensities_are_those_of_the_pairs_that_are_trained_on(prepared, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr("medmae.recipes.synthesis.evaluate_synthesis", lambda **options: seen.update(options))
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **_: None)
    other = tmp_path / "prepared"
    shutil.copytree(prepared, other)
    path = other / "manifest.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    splits = dict(zip(("sub-01", "sub-02", "sub-03"), ("train", "train", "test"), strict=True))
    path.write_text("".join(json.dumps({**row, "split": splits[row["subject"]]}) + "\n" for row in rows))
    train(other, tmp_path / "out", feature_weight=0.0, fraction=0.5)
    known = json.loads((tmp_path / "out" / "models" / "target_intensity.json").read_text())["contrasts"]["T2"]
    (row,) = (row for row in rows if row["subject"] == "sub-01")
    (t2,) = (contrast for contrast in row["contrasts"] if contrast["name"] == "T2")
    assert (known["subjects"], known["maximum"]) == (1, t2["normalisation"]["maximum"])
    assert seen["paired"] == ("sub-01",)


def test_encoder_and_feature_extractor_start_as_they_were_pretrained(prepared, pretrained, tmp_path, monkeypatch):
    from medmae.weights.io import load_state

    seen = []
    # Nothing is trained, so that what is saved is what training would have begun with.
    monkeypatch.setattr("medmae.recipes.training.fit", lambda **options: seen.append(options["module"].method))
    train(prepared, tmp_path, pretrained=str(pretrained))
    before, after = load_state(pretrained), load_state(tmp_path / "models" / "synthesis.safetensors")
    for part in ("encoder", "feature_extractor"):
        for key in ("blocks.1.mlp.fc2.weight", "patch_embed.proj.weight", "norm.bias"):
            assert torch.equal(after[f"{part}.{key}"], before[f"encoder.{key}"])


def test_without_a_pretrained_encoder_it_says_what_to_do(prepared, tmp_path):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(prepared, tmp_path)
    assert "--feature_weight 0" in str(cause(caught.value))
    assert not (tmp_path / "models").exists()


def test_an_encoder_that_has_seen_a_test_subject_is_refused(prepared, pretrained, tmp_path):
    other = tmp_path / "prepared"
    shutil.copytree(prepared, other)
    rows = [json.loads(line) for line in (other / "manifest.jsonl").read_text().splitlines()]
    turned = {"train": "test", "test": "train", "val": "val"}
    text = "".join(json.dumps({**row, "split": turned[row["split"]]}) + "\n" for row in rows)
    (other / "manifest.jsonl").write_text(text)
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(other, tmp_path / "out", pretrained=str(pretrained))
    assert "pre-training has seen" in str(cause(caught.value))


def test_the_plain_network_is_the_trained_method(run):
    method = mt_unet_tiny()
    load_weights(method, run / "models" / "synthesis.safetensors")
    network = SynthesisNetwork(mt_unet_tiny())  # of a method of its own, which shares nothing
    network.load_state_dict(torch.load(run / "models" / "model.pt", weights_only=True), strict=True)
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(network.eval()(image), method.eval().synthesise(image))


def test_inference_writes_a_marked_volume_on_the_source_s_grid_with_its_spread_and_origin(run, cohort, tmp_path):
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "inference", overrides={**TINY, **where, **REMAKE, "uncertainty": True})
    made = sorted(path.name.split("_desc-")[1] for path in tmp_path.glob("*.nii.gz"))
    assert made == ["syntheticT2.nii.gz"] * 3 + ["uncertaintyT2.nii.gz"] * 3
    seen = json.loads((run / "run.json").read_text())["data"]["subjects"]["train"]
    notes = {path.name.split("_")[0]: json.loads(path.read_text()) for path in tmp_path.glob("*_desc-synthetic*.json")}
    assert {name for name, note in notes.items() if note["subject_in_training"]} == set(seen)
    source = nib.load(cohort / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    result = nib.load(next(tmp_path.glob("*sub-01*_desc-syntheticT2.nii.gz")))
    assert result.shape == source.shape
    assert np.array_equal(result.affine, source.affine)
    assert b"synthetic" in bytes(result.header["descrip"])
    told = json.loads(next(tmp_path.glob("*sub-01*_desc-syntheticT2.json")).read_text())
    assert told["weights"]["sha256"] == json.loads((run / "run.json").read_text())["hashes"]["synthesis.safetensors"]
    values, given = np.asarray(result.dataobj), np.asarray(source.dataobj)
    assert np.all(values[given == 0] == 0)  # background stays background
    assert 200 < values[given != 0].mean() < 800  # intensities of T2, not of [0, 1]


def test_a_case_without_the_source_is_left_out_and_the_others_are_made(run, cohort, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(cohort, raw)
    (raw / "sub-02" / "anat" / "sub-02_T1w.nii.gz").unlink()
    where = {"dataset_dir": str(raw), "output_dir": str(tmp_path / "out"), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "inference", overrides={**TINY, **where, **REMAKE})
    assert isinstance(cause(caught.value), SomeFailedError)
    assert "sub-02 has no T1" in str(cause(caught.value))
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 2


def test_held_out_subjects_are_evaluated_again_with_the_same_figures(run, prepared, tmp_path):
    where = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "evaluate", overrides={**TINY, **where, "uncertainty": True})
    maps = [json.loads((f / "evaluation" / "calibration.json").read_text())["map"] for f in (run, tmp_path)]
    assert maps[0] == maps[1]  # the one that inference applies
    first, second = (json.loads((folder / "evaluation" / "summary.json").read_text()) for folder in (run, tmp_path))
    assert first.keys() == second.keys()
    assert all(first[key]["mean"] == pytest.approx(second[key]["mean"], rel=1e-4) for key in first)


@pytest.mark.slow
def test_any_to_any_trains_evaluates_each_contrast_and_makes_what_a_case_lacks(prepared, pretrained, cohort, tmp_path):
    names = ["T1", "T2"]
    out = train(prepared, tmp_path / "run", "train,any_to_any", pretrained=str(pretrained), contrasts=names)
    rows = list(csv.DictReader((out / "evaluation" / "metrics.csv").open()))
    assert sorted(row["target"] for row in rows) == names
    raw = tmp_path / "raw"
    shutil.copytree(cohort, raw)
    (raw / "sub-02" / "anat" / "sub-02_T1w.nii.gz").unlink()
    where = {"dataset_dir": str(raw), "output_dir": str(tmp_path / "out"), "model_dir": str(out / "models")}
    channels = {"contrasts": names}
    run_bundle(NAME, "inference", overrides={**TINY, **where, **channels})
    assert [path.name for path in (tmp_path / "out").glob("*.nii.gz")] == ["sub-02_desc-syntheticT1.nii.gz"]


@pytest.mark.slow
def test_slices_may_bring_their_neighbours_and_convolutions_look_at_them(prepared, pretrained, cohort, tmp_path):
    form = {"neighbours": 1, "method::decoder": "conv_unet", "method::encoder_size": 64}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        train(prepared, tmp_path / "run", pretrained=str(pretrained), **form, **{"method::image_size": 8})
    (needed,) = re.findall(r"--method::image_size (\d+)", str(cause(caught.value)))
    form["method::image_size"] = int(needed)
    out = train(prepared, tmp_path / "run", pretrained=str(pretrained), **form)
    assert (out / "evaluation" / "contestants.csv").is_file()
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path / "out"), "model_dir": str(out / "models")}
    for other in ({"neighbours": 0}, {"method::decoder": "swin_unet"}, {"method::image_size": 99}):
        with pytest.raises(DataError, match=r"these weights were trained with .* is wanted"):
            run_bundle(NAME, "inference", overrides={**where, **REMAKE, **other})
    run_bundle(NAME, "inference", overrides={**where, **REMAKE})
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 3


@pytest.mark.slow
def test_volumes_train_on_crops_and_give_whole_volumes(prepared, cohort, tmp_path):
    small = {"method::image_size": [8, 32, 32], "method::depth": 1, "method::unet_depths": [1, 1]}
    small |= {"method::unet_heads": [2, 2], "method::patch_size": 4, "method::embed_dim": 16, "method::num_heads": 2}
    small |= {"method::_target_": "medmae.methods.mt_unet.mt_unet_volume", "feature_weight": 0.0}
    crops = {"train::dataset::view::cut::crops_per_volume": 4, "batch_size": 2}
    out = train(prepared, tmp_path / "run", "train,volumes", **small, **crops)
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path / "out"), "model_dir": str(out / "models")}
    run_bundle(NAME, "inference", overrides={**small, **where, **REMAKE})
    source = nib.load(cohort / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    assert nib.load(tmp_path / "out" / "sub-01_desc-syntheticT2.nii.gz").shape == source.shape


def test_a_share_of_the_pairs_is_whole_subjects(prepared, tmp_path):
    from monai.bundle import ConfigWorkflow

    from medmae.bundle.shipped import shipped

    config = str(shipped()[NAME] / "configs" / "train.yaml")
    more = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "feature_weight": 0.0, "fraction": 0.5}
    workflow = ConfigWorkflow(config_file=config, workflow_type="train", **TINY, **more)
    dataset = workflow.parser.get_parsed_content("train::dataset")
    subjects = {dataset.describe(index)["subject"] for index in range(len(dataset))}
    everyone = Manifest.read(prepared).subjects("train")
    assert len(subjects) == max(round(0.5 * len(everyone)), 1)


@pytest.mark.parametrize("pretrained", [None, "models/pretraining.safetensors"])
def test_the_demo_recipe_keeps_an_encoder_that_was_pre_trained_and_trains_a_fresh_one(prepared, tmp_path, pretrained):
    from monai.bundle import ConfigWorkflow

    from medmae.bundle.shipped import shipped

    files = [str(shipped()[NAME] / "configs" / name) for name in ("train.yaml", "demo.yaml")]
    more = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "pretrained": pretrained, "feature_weight": 0.0}
    method = ConfigWorkflow(config_file=files, workflow_type="train", **more).parser.get_parsed_content("method")
    trains = {p.requires_grad for p in [*method.encoder.blocks.parameters(), *method.encoder.patch_embed.parameters()]}
    assert trains == {pretrained is None}
    assert all(p.requires_grad for p in method.unet.parameters())


def test_weights_are_used_for_the_task_they_were_trained_for_only(run, prepared, cohort, tmp_path):
    where = {"output_dir": str(tmp_path), "model_dir": str(run / "models"), "source": "T2", "target": "T1"}
    for config, data in (("evaluate", prepared), ("inference", cohort)):
        with pytest.raises((RuntimeError, ValueError)) as caught:
            run_bundle(NAME, config, overrides={**TINY, **where, "dataset_dir": str(data)})
        assert "trained for another task" in str(cause(caught.value))
    assert not list(tmp_path.glob("*.nii.gz"))


def test_whom_the_pretraining_saw_is_remembered(run, prepared):
    record = json.loads((run / "run.json").read_text())
    assert record["pretrained_on"] == list(Manifest.read(prepared).subjects("train"))
    assert record["data"]["subjects"]["test"] == list(Manifest.read(prepared).subjects("test"))


def test_a_held_out_case_that_cannot_be_read_leaves_a_report_and_its_name(run, prepared, tmp_path, monkeypatch):
    def broken(**options):
        options["out"].mkdir(parents=True)
        raise SomeFailedError("case sub-09 was left out")

    monkeypatch.setattr("medmae.recipes.synthesis.evaluate_synthesis", broken)
    where = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    assert isinstance(cause(caught.value), SomeFailedError)
    assert (tmp_path / "report.html").is_file()


def test_without_known_intensities_a_volume_lies_between_0_and_1(run, cohort, tmp_path):
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "inference", overrides={**TINY, **where, **REMAKE, "target_intensity": None})
    assert np.asarray(nib.load(next(tmp_path.glob("*.nii.gz"))).dataobj).max() <= 1
