"""The bundles of images: pre-training, what follows it, and that they hold together."""

import csv
import json
import re
import shutil
from pathlib import Path
from unittest.mock import Mock

import h5py
import numpy as np
import pytest
from monai.bundle import ConfigParser, ConfigWorkflow
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from data_prep.tiny.images import make
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_config, shipped
from medmae.errors import DataError
from medmae.kinds import Scale
from medmae.weights.about import read_about, run_of
from medmae.weights.io import save_safetensors
from medmae.weights.scales import read_scales

SIZE = {"image_size": [32, 24], "patch_size": 8, "channels": 1}
NAMES = {"subject_from": "^(p[0-9])_"}
TINY = {**SIZE, "method::_target_": "medmae.methods.mae.mae_tiny"}
QUICK = {"epochs": 2, "batch_size": 8, "warmup_epochs": 0, "read_size": [36, 28]}
CLASSES = {"classes": ["blobs", "stripes"], "embed_dim": 48, "depth": 3, "num_heads": 4}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("images"))[0]


@pytest.fixture(scope="module")
def pretrained(images, tmp_path_factory) -> Path:
    """One short pre-training on one channel that is not square, in a folder whose name MONAI would rewrite."""
    out = tmp_path_factory.mktemp("run") / "run #1, $x @y %z"
    run_bundle(
        "image_mae_pretraining",
        "train",
        overrides={**TINY, **QUICK, **NAMES, "probe_every": 1, "dataset_dir": str(images), "output_dir": str(out)},
    )
    return out


def evaluated(config, run, images, out, **more):
    where = {"dataset_dir": str(images), "model_dir": str(run / "models"), "output_dir": str(out)}
    run_bundle("image_mae_pretraining", config, overrides={**TINY, **where, **more})


def test_pretraining_leaves_probes_pictures_and_a_record_of_its_patients(pretrained, images):
    rows = list(csv.DictReader((pretrained / "logs" / "metrics.csv").open()))
    assert sum(bool(row["probe/neighbours"]) for row in rows) == 2
    record = json.loads((pretrained / "run.json").read_text())
    assert record["paths"] == {
        "dataset_dir": str(images),
        "output_dir": str(pretrained),
        "model_dir": str(pretrained / "models"),
        "weights": str(pretrained / "models" / "pretraining.safetensors"),
    }
    assert {split: len(some) for split, some in record["data"]["subjects"].items()} == {"train": 7, "val": 1, "test": 2}
    assert (pretrained / "evaluation" / "reconstruction.csv").is_file()
    html = (pretrained / "report.html").read_text()
    for title in ("Reconstructions", "Attention maps", "Embedding map", "Accuracy of frozen features"):
        assert title in html


def test_an_encoder_is_evaluated_by_the_protocol_on_patients_it_has_not_seen(pretrained, images, tmp_path):
    evaluated("downstream", pretrained, images, tmp_path, **NAMES, few=2, seeds=[0], epochs=1)
    tasks = json.loads((tmp_path / "evaluation" / "protocol.json").read_text())["tasks"]
    assert tasks["2 labels a class"]["unit"] == "patient"
    assert "from scratch, fine-tuned" in tasks["all labels"]["scores"]
    assert "Protocol" in (tmp_path / "report.html").read_text()


def test_patients_that_pretraining_saw_are_refused(pretrained, images, tmp_path):
    other = {"fractions": [0.1, 0.1, 0.8], **NAMES}
    with pytest.raises((DataError, RuntimeError)) as caught:
        evaluated("evaluate", pretrained, images, tmp_path, **other)
    assert "pre-training has seen" in f"{caught.value} {caught.value.__cause__}"


def test_embeddings_of_a_flat_folder_without_classes_name_its_images(pretrained, images, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in list((images / "blobs").iterdir())[:3]:
        (flat / path.name).write_bytes(path.read_bytes())
    evaluated("inference", pretrained, flat, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "embeddings" / "all.h5") as file:
        assert [name.decode() for name in file["names"]] == sorted(path.name for path in flat.iterdir())
        assert file["features"].shape == (3, 48)


@pytest.fixture(scope="module")
def classified(pretrained, images, tmp_path_factory) -> Path:
    """A classifier that was trained on the pre-trained encoder."""
    out = tmp_path_factory.mktemp("classifier")
    overrides = {**SIZE, **QUICK, **NAMES, **CLASSES, "base_lr": 0.05, "output_dir": str(out)}
    overrides |= {"dataset_dir": str(images), "pretrained": str(pretrained / "models" / "pretraining.safetensors")}
    run_bundle("image_classification", "train", overrides=overrides)
    return out


def test_a_classifier_begins_with_the_encoder_and_remembers_whom_that_has_seen(classified, pretrained):
    seen = json.loads((pretrained / "run.json").read_text())["data"]["subjects"]["train"]
    assert json.loads((classified / "run.json").read_text())["pretrained_on"] == sorted(seen)
    scores = json.loads((classified / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]["scores"]
    plain = {f"{name}, logistic regression" for name in ("mean intensity", "raw pixels")}
    assert set(scores) == {"this network, fine-tuned", "same answer to all, constant", *plain}


def test_a_classifier_is_evaluated_again_with_the_same_figures(classified, images, tmp_path):
    where = {"dataset_dir": str(images), "model_dir": str(classified / "models"), "output_dir": str(tmp_path)}
    run_bundle("image_classification", "evaluate", overrides={**SIZE, **NAMES, **CLASSES, **where})
    first, again = (
        json.loads((folder / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]["scores"]
        for folder in (classified, tmp_path)
    )
    assert first == again


def test_images_of_another_place_are_classified_beside_baselines_that_learnt_where_the_network_did(
    classified, images, tmp_path
):
    for path in images.glob("*/p[01]_*"):
        other = tmp_path / "other" / "test" / path.parent.name / path.name.replace("p", "q", 1)
        other.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.array(Image.open(path))
        pixels[0, 0] ^= 1  # a copy under another name would be refused
        Image.fromarray(pixels).save(other)
    where = {"dataset_dir": str(tmp_path / "other"), "train_dir": str(images), "output_dir": str(tmp_path / "out")}
    where |= {"model_dir": str(classified / "models"), "subject_from": "^([pq][0-9])_"}
    run_bundle("image_classification", "evaluate", overrides={**SIZE, **CLASSES, **where})
    record = json.loads((tmp_path / "out" / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]
    subjects = json.loads((classified / "run.json").read_text())["data"]["subjects"]["train"]
    assert record["labels"] == len([path for path in images.glob("*/*") if path.name[:2] in subjects])
    assert record["scores"]["mean intensity, logistic regression"]["metrics"]["accuracy"]["n_units"] == 2


def test_predictions_are_a_row_an_image(classified, images, tmp_path):
    where = {"dataset_dir": str(images), "model_dir": str(classified / "models"), "output_dir": str(tmp_path)}
    run_bundle("image_classification", "inference", overrides={**SIZE, **CLASSES, **where})
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert len(rows) == 40
    assert all(float(row["p_blobs"]) + float(row["p_stripes"]) == pytest.approx(1, abs=1e-5) for row in rows)
    assert all((row["predicted"] == "blobs") == (float(row["p_blobs"]) >= 0.5) for row in rows)


def test_a_classifier_expects_the_scale_of_its_pre_training_and_refuses_another(classified, images, tmp_path):
    where = {"dataset_dir": str(images), "model_dir": str(classified / "models"), "output_dir": str(tmp_path)}
    overrides = {**SIZE, **CLASSES, **where, "encoder::scale": "half"}
    with pytest.raises((DataError, RuntimeError)) as caught:
        run_bundle("image_classification", "inference", overrides=overrides)
    assert "data of another scale" in f"{caught.value} {caught.value.__cause__}"
    said = read_scales(classified / "models" / "classifier.safetensors")
    assert said == {"network.encoder": Scale.of("imagenet", channels=1)}


def tried(bundle, config, run, images, out, **typed):
    """What a user types beside folders."""
    where = {"dataset_dir": str(images), "model_dir": str(run / "models"), "output_dir": str(out)}
    try:
        run_bundle(bundle, config, overrides=where, options=typed)
    except RuntimeError as error:  # MONAI's, around ours
        raise error.__cause__ or error from None


def test_the_folder_of_the_weights_is_enough(pretrained, classified, images, tmp_path):
    tried("image_mae_pretraining", "inference", pretrained, images, tmp_path / "embedded")
    evaluated("inference", pretrained, images, tmp_path / "as typed")
    found, typed = (h5py.File(tmp_path / name / "embeddings" / "all.h5") for name in ("embedded", "as typed"))
    assert np.array_equal(found["features"], typed["features"])
    assert found.attrs["weights_run"] == run_of(pretrained / "models" / "pretraining.safetensors")
    assert re.search("PSNR|balanced accuracy", found.attrs["weights_quality"])  # whatever judged them last
    tried("image_classification", "inference", classified, images, tmp_path / "classified")
    header = (tmp_path / "classified" / "predictions.csv").read_text().splitlines()[0]
    assert header == "image,predicted,p_blobs,p_stripes"
    made = json.loads((tmp_path / "classified" / "made_by.json").read_text())["made_by"]
    assert made["quality"].startswith("balanced accuracy, all labels, this network, fine-tuned ")
    assert "test split of" in made["quality"]
    assert re.search("; .*(same answer to all|raw pixels)", made["quality"])  # the best that needs no network


@pytest.mark.parametrize(
    ("config", "typed", "both"),
    [
        ("inference", {"image_size": "64"}, "image_size = [32, 24], and 64 is wanted"),
        ("inference", {"channels": "3"}, "channels = 1, and 3 is wanted"),
        ("inference", {"method::embed_dim": "96"}, "method::embed_dim = 48, and 96 is wanted"),
        ("inference", {"method::_target_": "medmae.methods.mae.mae_large"}, "embed_dim is 48, and there 1024"),
        ("inference", {"method::_target_": "medmae.methods.cmae.cmae_tiny"}, "MAE, and there medmae.methods.cmae.CMAE"),
        ("inference,demo", {}, "image_size = [32, 24], and 32 is wanted"),
    ],
)
def test_what_contradicts_the_weights_is_refused_with_both_values(pretrained, images, tmp_path, config, typed, both):
    with pytest.raises(DataError, match=re.escape(both)) as caught:
        tried("image_mae_pretraining", config, pretrained, images, tmp_path, **typed)
    assert "leave --" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_fits_the_weights_may_be_asked_otherwise(pretrained, images, tmp_path):
    settings = dict(NAMES, mask_ratio="0.5")
    tried("image_mae_pretraining", "evaluate", pretrained, images, tmp_path / "out", **settings)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["mask_ratio"] == 0.5
    quality = json.loads((pretrained / "models" / "quality.json").read_text())
    (entry,) = quality.values()
    titles = {one["how"] for one in entry["quality"]}
    assert titles >= {"MAE pre-training on images", "MAE on held-out images"}  # another test judges the encoder


def test_a_training_that_never_ended_gives_its_names_to_no_weights(classified, images, tmp_path, monkeypatch):
    shutil.copytree(classified, tmp_path / "run")
    swapped = ["stripes", "blobs"]
    with monkeypatch.context() as patch:
        patch.setattr("medmae.recipes.training.fit", Mock(side_effect=RuntimeError("killed")))
        overrides = {**SIZE, **QUICK, **NAMES, "dataset_dir": str(images), "output_dir": str(tmp_path / "run")}
        with pytest.raises(RuntimeError, match=r"training.*run"):
            run_bundle("image_classification", "train", overrides={**overrides, "classes": swapped})
    run = tmp_path / "run"
    with pytest.raises(DataError, match=r"classes = \['blobs', 'stripes'\], and \['stripes', 'blobs'\] is wanted"):
        tried("image_classification", "inference", run, images, tmp_path / "out", classes="[stripes, blobs]")
    tried("image_classification", "inference", run, images, tmp_path / "out", classes="[blobs, stripes]")
    task = json.loads((run / "models" / "task.json").read_text())
    (run / "models" / "task.json").write_text(json.dumps({**task, "classes": swapped, "run": "another"}))
    tried("image_classification", "inference", run, images, tmp_path / "again")
    first, again = ((tmp_path / name / "predictions.csv").read_text() for name in ("out", "again"))
    assert first == again


def test_weights_of_an_earlier_version_are_used_with_what_is_typed(classified, images, tmp_path):
    models = tmp_path / "run" / "models"
    models.mkdir(parents=True)
    weights = classified / "models" / "classifier.safetensors"
    with safe_open(weights, framework="pt") as file:
        said = {name: text for name, text in file.metadata().items() if name not in ("about", "networks")}
    save_safetensors(load_file(weights), models / "classifier.safetensors", metadata=said)
    typed = {"image_size": "[32, 24]", "patch_size": "8", "channels": "1", "embed_dim": "48", "depth": "3"}
    typed |= {"num_heads": "4", "classes": "[blobs, stripes]"}
    with pytest.warns(UserWarning, match=r"does not say of which network .* say them as then: --method::_target_"):
        tried("image_classification", "inference", tmp_path / "run", images, tmp_path / "out", **typed)
    made = json.loads((tmp_path / "out" / "made_by.json").read_text())["made_by"]
    assert (made["run"], made["quality"][:10]) == (None, "not judged")
    with pytest.raises(DataError, match=r"the weights were trained with num_heads=4 .* and this network has 12"):
        tried(
            "image_classification", "inference", tmp_path / "run", images, tmp_path / "out", classes="[blobs, stripes]"
        )


def test_weights_alone_tell_whom_they_have_seen(pretrained, images, tmp_path):
    models = tmp_path / "alone" / "models"
    models.mkdir(parents=True)
    shutil.copy(pretrained / "models" / "pretraining.safetensors", models)
    with pytest.raises(DataError, match="pre-training has seen"):
        tried("image_mae_pretraining", "evaluate", tmp_path / "alone", images, tmp_path / "out", split="train", **NAMES)
    about = read_about(models / "pretraining.safetensors")
    names = json.loads((pretrained / "run.json").read_text())["data"]["subjects"]["train"]
    assert len(about["seen"][0]["hashed"]) == len(names)
    assert not any(name in json.dumps(about["seen"]) for name in names)
    assert (about["method"], about["preset"]) == ("mae", "tiny")
    assert about["changed"] == {"image_size": [32, 24], "in_channels": 1, "scale": "imagenet"}


@pytest.mark.parametrize("name", ["image_mae_pretraining", "image_classification"])
@pytest.mark.parametrize("overlay", ["demo", "multi_gpu_train"])
def test_overlays_change_what_they_name(name, overlay, images):
    files = [str(find_config(shipped()[name], config)) for config in ("train", overlay)]
    workflow = ConfigWorkflow(config_file=files, workflow_type="train", dataset_dir=str(images))
    if overlay == "demo":
        assert workflow.parser.get("image_size") == 32
        assert workflow.parser.get("in_memory") is True
    else:
        assert workflow.parser.get("train::trainer")["devices"] == -1


def test_the_demos_of_both_bundles_build_the_same_encoder(images):
    encoders = []
    for name in ("image_mae_pretraining", "image_classification"):
        files = [str(find_config(shipped()[name], config)) for config in ("train", "demo")]
        more = {} if name == "image_mae_pretraining" else {"classes": ["blobs", "stripes"]}
        workflow = ConfigWorkflow(config_file=files, workflow_type="train", dataset_dir=str(images), **more)
        encoders.append(workflow.parser.get_parsed_content("method").encoder.state_dict())
    shapes = [{key: value.shape for key, value in state.items() if not key.startswith("norm.")} for state in encoders]
    assert shapes[0] == shapes[1]


VARIANTS = {  # bundle -> ids whose values are not those of image_mae_pretraining
    "image_bootmae_pretraining": {"scale", "min_lr", "method::epochs", "module::schedule::min_lr", "method::momentum"},
    "image_cmae_pretraining": {
        "mask_ratio", "epochs", "max_shift", "saturation", "hue", "grey", "module::augment", "record::largest_shift",
        "method::projector_dim", "method::projection_dim", "train::trainer::sync_batchnorm",
    },
    "image_saim_pretraining": {"mask_ratio", "base_lr", "warmup_epochs", "method::query_depth"},
}  # fmt: skip
NAMED = {f"{part}::{what}" for part in ("training", "evaluator") for what in ("title", "bundle")}
OWN = {"method::_target_", "+method", *NAMED, *(f"method::decoder_{what}" for what in ("dim", "depth", "heads"))}


def flat(value, prefix=""):
    """Ids and their values."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {
        key: leaf for name, part in value.items() for key, leaf in flat(part, f"{prefix}::{name}".lstrip(":")).items()
    }


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("config", ["train", "demo", "evaluate", "downstream", "inference"])
def test_recipes_of_one_family_differ_only_in_what_their_method_needs(name, config):
    mine, base = (
        flat(ConfigParser.load_config_file(find_config(shipped()[each], config)))
        for each in (name, "image_mae_pretraining")
    )
    differ = {key for key in {*mine, *base} if mine.get(key) != base.get(key)}
    assert {key for key in differ if not any(key.startswith(some) for some in VARIANTS[name] | OWN)} == set()


def test_batch_norms_of_a_contrast_are_those_of_all_gpus(images):
    files = [str(find_config(shipped()["image_cmae_pretraining"], config)) for config in ("train", "multi_gpu_train")]
    workflow = ConfigWorkflow(config_file=files, workflow_type="train", dataset_dir=str(images))
    assert workflow.parser.get("train::trainer")["sync_batchnorm"] is True


def test_the_encoder_of_a_method_with_a_teacher_is_evaluated_like_any_other(images, tmp_path):
    sizes = {"image_size": 32, "patch_size": 8, "channels": 1, "method::_target_": "medmae.methods.cmae.cmae_tiny"}
    plain = {"max_shift": 2, "saturation": 0, "hue": 0, "grey": 0, "read_size": 36}
    quick = {"epochs": 1, "batch_size": 8, "warmup_epochs": 0, "dataset_dir": str(images), "output_dir": str(tmp_path)}
    run_bundle("image_cmae_pretraining", "train", overrides={**sizes, **plain, **quick, **NAMES})
    where = {"dataset_dir": str(images), "model_dir": str(tmp_path / "models"), "output_dir": str(tmp_path / "out")}
    more = {"fine_tune": False, "few": 2, "seeds": [0]}
    run_bundle("image_cmae_pretraining", "downstream", overrides={**sizes, **NAMES, **where, **more})
    tasks = json.loads((tmp_path / "out" / "evaluation" / "protocol.json").read_text())["tasks"]
    assert "pretrained, linear probe" in tasks["all labels"]["scores"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bootmae", "saim"])
def test_the_other_methods_of_images_train_and_report(name, images, tmp_path):
    tiny = {**SIZE, "method::_target_": f"medmae.methods.{name}.{name}_tiny"}
    where = {"dataset_dir": str(images), "output_dir": str(tmp_path)}
    run_bundle(f"image_{name}_pretraining", "train", overrides={**tiny, **QUICK, **NAMES, **where, "epochs": 1})
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["bundle"], record["method"].lower()) == (f"image_{name}_pretraining", name)
    assert "Reconstructions" in (tmp_path / "report.html").read_text()
    where = {"dataset_dir": str(images), "model_dir": str(tmp_path / "models"), "output_dir": str(tmp_path / "out")}
    run_bundle(f"image_{name}_pretraining", "inference", overrides={**tiny, **where})
    with h5py.File(tmp_path / "out" / "embeddings" / "all.h5") as file:
        assert len(file["features"]) == 40
