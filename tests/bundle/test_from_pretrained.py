"""A training on a pre-trained encoder takes its sizes from the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from monai.bundle import ConfigParser

from data_prep.tiny import images
from medmae.bundle.from_pretrained import from_pretrained
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import find_configs, shipped
from medmae.errors import DataError
from medmae.methods.presets import known_as
from medmae.methods.registry import create
from medmae.weights.about import about_header
from medmae.weights.io import save_safetensors
from medmae.weights.unseen import header


def weights_of(folder: Path, name: str, *, view: dict | None = None, **options) -> str:
    method = create(name, **options)
    about = {**known_as(method), "view": view or {}}
    path = folder / "pretraining.safetensors"
    save_safetensors(method.state_dict(), path, metadata={**header(method), **about_header(about)})
    return str(path)


def settings(bundle: str, config: str = "train", **options) -> dict:
    parser = ConfigParser()
    parser.read_config(list(map(str, find_configs(shipped()[bundle], config))))
    parser.update(options)
    return from_pretrained(parser, given=options.keys())


def test_options_of_an_encoder_become_those_of_the_weights(tmp_path, capsys):
    file = weights_of(tmp_path, "mae", preset="tiny", in_channels=1)
    wanted = {"image_size": 32, "patch_size": 8, "channels": 1, "embed_dim": 48, "depth": 3, "num_heads": 4}
    assert settings("image_classification", pretrained=file) == wanted
    assert "has it: --image_size 32 --patch_size 8 --channels 1" in capsys.readouterr().out


def test_what_was_typed_stays(tmp_path):
    file = weights_of(tmp_path, "mae", preset="tiny")
    assert "image_size" not in settings("image_classification", pretrained=file, image_size=48)
    found = settings("image_classification", pretrained=file, embed_dim=48)  # what they have
    assert found.keys() >= {"depth", "patch_size"}
    assert "embed_dim" not in found


@pytest.mark.parametrize(
    ("bundle", "method", "wrong"),
    [
        ("image_classification", "mae", {"embed_dim": 96}),
        ("image_classification", "mae", {"channels": 3}),
        ("mr_mt_unet_synthesis", "edge_mae", {"method::depth": 5}),
        ("video_classification", "videomae", {"channels": 3}),
    ],
)
def test_what_contradicts_the_weights_is_refused_by_name(tmp_path, bundle, method, wrong):
    file = weights_of(tmp_path, method, preset="tiny", in_channels=1)
    ((name, value),) = wrong.items()
    with pytest.raises(DataError, match=rf"trained with {name} = \d+, and {value} is wanted .*leave --{name} out"):
        settings(bundle, pretrained=file, **wrong)


@pytest.mark.parametrize("preset", ["tiny", "demo", "paper"])
def test_mt_unet_is_of_the_preset_of_its_encoder(tmp_path, preset):
    file = weights_of(tmp_path, "edge_mae", preset=preset)
    own = {} if preset == "paper" else {"method::_target_": f"medmae.methods.mt_unet.mt_unet_{preset}"}
    assert settings("mr_mt_unet_synthesis", pretrained=file) == own


def test_a_preset_that_was_changed_is_changed_alike(tmp_path):
    file = weights_of(tmp_path, "edge_mae", preset="demo", image_size=72, depth=3)
    assert settings("mr_mt_unet_synthesis", pretrained=file) == {
        "method::_target_": "medmae.methods.mt_unet.mt_unet_demo",
        "method::encoder_size": 72,  # pictures stay as large as the preset has them
        "method::depth": 3,
    }
    small = {"method::_target_": "medmae.methods.mt_unet.mt_unet_tiny"}
    assert "method::_target_" not in settings("mr_mt_unet_synthesis", pretrained=file, **small)


def test_how_clips_were_read_is_taken_too(tmp_path):
    view = {"class": "Clips", "sampling": {"class": "DenseFrames", "frames": 4, "stride": 2}}
    file = weights_of(tmp_path, "videomae", preset="tiny", in_channels=1, view=view)
    assert settings("video_classification", pretrained=file) == {
        "backbone::_target_": "medmae.methods.videomae.videomae_tiny",
        **{"frames": 4, "image_size": 32, "channels": 1, "stride": 2},
    }


def test_modalities_of_stains_are_those_of_the_weights(tmp_path):
    file = weights_of(tmp_path, "he_mmae", preset="tiny", modalities={"rgb": 3}, outputs={"rgb": "mse"}, num_visible=4)
    found = settings("pathology_he_phenotyping", pretrained=file)
    assert (found["pretraining::modalities"], found["pretraining::outputs"]) == ({"rgb": 3}, {"rgb": "mse"})


@pytest.mark.parametrize("pretrained", [None, "gone.safetensors"])
def test_a_training_from_scratch_stays_as_it_is(pretrained):
    assert settings("image_classification", pretrained=pretrained) == {}
    assert settings("image_mae_pretraining") == {}


def test_the_network_that_is_built_fits_the_weights(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = weights_of(tmp_path, "mae", preset="tiny", in_channels=1)
    data, _ = images.make(tmp_path / "images")
    options = {"dataset_dir": str(data), "pretrained": file, "classes": "[blobs, stripes]", "batch_size": "4"}
    run_bundle("image_classification", "train", options=options, dry_run=True)
    assert "Classification, 0.09 million parameters" in capsys.readouterr().out
