"""The bundle under MONAI's own tools, and what its runs leave."""

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow, ckpt_export, onnx_export, verify_metadata, verify_net_in_out
from safetensors.torch import load_file

import medmae.bundle
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_config, find_configs, shipped
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.nn.heads import FeatureMap
from medmae.training.checkpoints import checkpoints

NAME = "mr_edge_mae_pretraining"
SCHEMA = Path(medmae.bundle.__file__).parent / "schema" / "meta_schema_20240725.json"
TINY = {"method::_target_": "medmae.methods.edge_mae.edge_mae_tiny"}
QUICK = {**TINY, "batch_size": 4, "epochs": 2, "base_lr": 0.001}


@pytest.fixture(scope="module")
def bundle() -> Path:
    return shipped()[NAME]


@pytest.fixture(scope="module")
def run(prepared, tmp_path_factory) -> Path:
    """One short training, from a folder that is not the bundle's."""
    out = tmp_path_factory.mktemp("with space") / "räun"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        run_bundle(NAME, "train", overrides={**QUICK, "dataset_dir": str(prepared), "output_dir": str(out)})
        assert list(Path.cwd().iterdir()) == []  # nothing is written beside output_dir
    return out


def config(bundle: Path, name: str) -> str:
    return str(bundle / "configs" / f"{name}.yaml")


def test_the_metadata_fit_monais_schema(bundle, tmp_path):
    shutil.copy(SCHEMA, tmp_path / "schema.json")  # MONAI would download what is not there
    verify_metadata(meta_file=str(bundle / "configs" / "metadata.json"), filepath=str(tmp_path / "schema.json"))


def test_the_network_takes_and_gives_what_the_metadata_say(bundle):
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=config(bundle, "inference"),
    )


@pytest.mark.parametrize(("name", "kind"), [("train", "train"), ("evaluate", "infer"), ("inference", "infer")])
def test_no_property_that_monai_requires_is_missing(bundle, run, prepared, cohort, name, kind):
    where = {"dataset_dir": str(cohort if name == "inference" else prepared), "bundle_root": str(bundle)}
    files = [str(path) for path in find_configs(bundle, name)]
    workflow = ConfigWorkflow(files, workflow_type=kind, **TINY, **where, model_dir=str(run / "models"))
    workflow.initialize()
    assert workflow.check_properties() == []


def test_the_encoder_exports_to_torchscript_and_gives_the_same_features(bundle, run, tmp_path):
    ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(run / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=config(bundle, "inference"),
        **TINY,
    )
    image = torch.rand(2, 1, 64, 64)
    assert torch.allclose(torch.jit.load(tmp_path / "model.ts")(image), trained(run)(image), atol=1e-5)


def test_the_encoder_exports_to_onnx_and_gives_the_same_features(bundle, run, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the onnx extra")
    onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(run / "models" / "model.pt"),
        meta_file=str(bundle / "configs" / "metadata.json"),
        config_file=config(bundle, "inference"),
        input_shape=[1, 1, 64, 64],
        **TINY,
    )
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    image = torch.rand(1, 1, 64, 64)
    found = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    assert np.allclose(found, trained(run)(image).detach().numpy(), atol=1e-4)


def trained(run: Path) -> FeatureMap:
    network = FeatureMap(encoder=edge_mae_tiny().encoder, use_class_token=False)
    network.load_state_dict(torch.load(run / "models" / "model.pt", weights_only=True), strict=True)
    return network.eval()


def test_model_pt_and_its_safetensors_twin_hold_the_same_tensors(run):
    first = torch.load(run / "models" / "model.pt", weights_only=True)
    second = load_file(run / "models" / "model.safetensors")
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_run_leaves_a_report_a_record_figures_and_checkpoints(run):
    record = json.loads((run / "run.json").read_text())
    assert record["config"]["epochs"] == 2
    assert record["config"]["patch_size"] == [8, 8]
    assert set(record["hashes"]) == {"model.pt", "model.safetensors", "pretraining.safetensors"}
    assert record["seconds"] > 0
    assert "</html>" in (run / "report.html").read_text()
    rows = list(csv.DictReader((run / "evaluation" / "reconstruction.csv").open()))
    assert {row["contrast"] for row in rows} == {"T1", "T2"}
    assert checkpoints(run / "checkpoints")
    assert list((run / "tensorboard").iterdir())


def test_a_run_goes_on_from_a_checkpoint(run, prepared, tmp_path):
    more = {**QUICK, "epochs": 3, "checkpoint": str(checkpoints(run / "checkpoints")[0])}
    run_bundle(NAME, "train", overrides={**more, "dataset_dir": str(prepared), "output_dir": str(tmp_path)})
    head, *rows = (tmp_path / "logs" / "metrics.csv").read_text().splitlines()
    epochs = {row.split(",")[head.split(",").index("epoch")] for row in rows}
    assert epochs == {"2"}


def test_held_out_subjects_are_evaluated_again_with_the_same_figures(run, prepared, tmp_path):
    where = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    first, second = (
        json.loads((folder / "evaluation" / "summary.json").read_text())["psnr_model"]["mean"]
        for folder in (run, tmp_path)
    )
    assert first == pytest.approx(second, abs=1e-4)
    assert (tmp_path / "report.html").is_file()


def test_an_evaluation_leaves_the_record_of_the_training_alone(run, prepared):
    files = [run / "run.json", run / "evaluation" / "summary.json"]
    before = [path.read_text() for path in files]
    where = {"dataset_dir": str(prepared), "output_dir": str(run), "model_dir": str(run / "models")}
    with pytest.raises((RuntimeError, ValueError)) as caught:
        run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    assert "record of a training" in str(caught.getrepr(chain=True))
    assert [path.read_text() for path in files] == before


def test_the_report_of_an_evaluation_shows_nothing_of_an_earlier_one(run, prepared, tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "protocol.json").write_text("{")  # the report would stumble over it
    where = {"dataset_dir": str(prepared), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "evaluate", overrides={**TINY, **where})
    assert not (tmp_path / "evaluation" / "protocol.json").exists()


@pytest.mark.parametrize(
    ("output", "suffix"), [("features", "desc-features.npz"), ("reconstruction", "desc-reconstruction.nii.gz")]
)
def test_inference_takes_nifti_and_writes_one_result_a_volume(run, cohort, tmp_path, output, suffix):
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    run_bundle(NAME, "inference", overrides={**TINY, **where, "output": output})
    made = sorted(path.name for path in tmp_path.glob(f"*{suffix}"))
    assert made[:2] == [f"sub-01_T1w_{suffix}", f"sub-01_T2w_{suffix}"]
    assert len(made) == 6
    if output == "reconstruction":
        source = nib.load(cohort / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
        assert np.array_equal(nib.load(tmp_path / made[0]).affine, source.affine)


def test_weights_of_another_size_are_refused_with_the_remedy(run, cohort, tmp_path):
    where = {"dataset_dir": str(cohort), "output_dir": str(tmp_path), "model_dir": str(run / "models")}
    paper = "medmae.methods.edge_mae.edge_mae_paper"  # not the tiny one
    with pytest.raises((ValueError, RuntimeError)) as caught:
        run_bundle(NAME, "inference", overrides={**where, "method::_target_": paper})
    text = str(caught.value) + str(caught.value.__cause__)
    assert "pretraining.safetensors" in text
    assert "method::_target_" in text


@pytest.mark.parametrize("merged", ["train,volumes", "train,demo", "train,multi_gpu_train"])
def test_recipes_that_are_merged_over_train_change_what_they_name(bundle, prepared, merged):
    files = [str(find_config(bundle, name)) for name in merged.split(",")]
    workflow = ConfigWorkflow(config_file=files, workflow_type="train", dataset_dir=str(prepared))
    trainer = workflow.parser.get("train::trainer")
    if merged.endswith("multi_gpu_train"):
        assert (trainer["devices"], trainer["strategy"]) == (-1, "ddp")
    elif merged.endswith("demo"):
        assert workflow.parser.get("method::_target_").endswith("edge_mae_demo")
        assert len(workflow.parser.get_parsed_content("train::dataloader")) == 100
    else:
        item = workflow.parser.get_parsed_content("train::dataset")[0]
        assert item["image"].shape == (1, 32, 96, 96)


def test_a_volume_recipe_trains(prepared, tmp_path):
    sizes = {"method::image_size": [8, 32, 32], "method::depth": 1, "method::decoder_depth": 1}
    quick = {**QUICK, "epochs": 1, "train::dataset::view::crops_per_volume": 4, **sizes}
    quick["method::_target_"] = "medmae.methods.edge_mae.edge_mae_volume"
    run_bundle(NAME, "train,volumes", overrides={**quick, "dataset_dir": str(prepared), "output_dir": str(tmp_path)})
    assert (tmp_path / "report.html").is_file()
