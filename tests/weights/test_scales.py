"""The scale that an encoder expects travels in its file."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
from safetensors import safe_open

from medmae.errors import DataError
from medmae.kinds import SCALES, Scale
from medmae.methods.cmae import cmae_tiny
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import Classifier, FeatureMap
from medmae.weights.exchange import import_file
from medmae.weights.io import load_weights, save_safetensors
from medmae.weights.maps.mae import MAE
from medmae.weights.maps.timm import TIMM
from medmae.weights.pretrained import load_encoder
from medmae.weights.unseen import header

ODD = Scale((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.fixture
def data():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def saved(module, path):
    save_safetensors(module.state_dict(), path, metadata=header(module))
    return path


def silent(load, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load(*args, **options)


@pytest.mark.parametrize("whole", [True, False], ids=["method", "network"])
def test_what_the_file_says_is_taken_over_and_the_features_are_the_same(whole, data, tmp_path):
    method = mae_tiny(scale=ODD)
    kept = method if whole else FeatureMap(encoder=method.encoder)
    path = saved(kept, tmp_path / "weights.safetensors")
    classifier = Classifier(encoder=mae_tiny().encoder, num_classes=2)
    silent(load_encoder, classifier, path)
    fresh = mae_tiny()
    silent(load_weights, fresh if whole else FeatureMap(encoder=fresh.encoder), path)
    wanted = method.encoder(data)
    assert torch.equal(fresh.encoder(data), wanted)
    assert classifier.encoder.kinds["image"].scale == ODD
    assert not torch.equal(mae_tiny().encoder.scaling(data), fresh.encoder.scaling(data))


def test_teachers_take_it_too(data, tmp_path):
    path = saved(cmae_tiny(scale=ODD), tmp_path / "pretraining.safetensors")
    for load in (load_weights, load_encoder):
        method = cmae_tiny()
        silent(load, method, path)
        assert torch.equal(method.target_encoder.network.scaling(data), ODD.apply(data))


@pytest.mark.parametrize("load", [load_weights, load_encoder])
def test_a_network_built_for_another_scale_is_refused_and_stays_as_it_is(load, tmp_path):
    path, method = saved(mae_tiny(scale=ODD), tmp_path / "pretraining.safetensors"), mae_tiny(scale="half")
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(DataError, match=r"another scale.*0\.5"):
        load(method, path)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    silent(load, mae_tiny(scale=ODD), path)


@pytest.mark.parametrize("load", [load_weights, load_encoder])
def test_a_file_that_says_nothing_is_taken_with_a_warning_unless_somebody_names_the_scale(load, tmp_path):
    save_safetensors(mae_tiny().state_dict(), tmp_path / "weights.safetensors")
    with pytest.warns(UserWarning, match=r"weights.safetensors does not say what scale"):
        load(mae_tiny(), tmp_path / "weights.safetensors")
    silent(load, mae_tiny(scale="identity"), tmp_path / "weights.safetensors")


def test_published_weights_bring_the_scale_of_their_code_and_a_named_one_goes_before(tmp_path):
    save_safetensors(MAE.write(mae_tiny().state_dict()), tmp_path / "mae.safetensors")
    published, named = mae_tiny(), mae_tiny(scale="half")
    silent(load_weights, published, tmp_path / "mae.safetensors", key_map=MAE)
    silent(load_encoder, named, tmp_path / "mae.safetensors", key_map=MAE)
    assert published.encoder.kinds["image"].scale == SCALES["imagenet"]
    assert named.encoder.kinds["image"].scale == SCALES["half"]


def test_weights_of_timm_expect_what_their_name_says_which_no_file_does(tmp_path):
    save_safetensors(mae_tiny().encoder.state_dict(), tmp_path / "timm.safetensors")
    with pytest.warns(UserWarning, match="does not say what scale"):
        load_encoder(mae_tiny(), tmp_path / "timm.safetensors", key_map=TIMM)


def test_colours_become_grey_with_their_kernel_and_other_channels_must_be_named(tmp_path):
    path = saved(mae_tiny(scale=ODD), tmp_path / "pretraining.safetensors")
    grey, four, told = mae_tiny(in_channels=1), mae_tiny(in_channels=4), mae_tiny(in_channels=4, scale="half")
    silent(load_encoder, grey, path, adapt=["channels"])
    assert grey.encoder.kinds["image"].scale.mean == pytest.approx((0.2,))
    with pytest.raises(DataError, match="does not suit 4 channels"):
        load_encoder(four, path, adapt=["channels"])
    silent(load_encoder, told, path, adapt=["channels"])
    assert told.encoder.kinds["image"].scale == SCALES["half"]


def test_an_import_writes_it_into_the_header(tmp_path):
    save_safetensors(MAE.write(mae_tiny().state_dict()), tmp_path / "mae.safetensors")
    for only, name in ((True, "encoder"), (False, "encoder")):
        out = tmp_path / f"{only}.safetensors"
        import_file(tmp_path / "mae.safetensors", out, method=mae_tiny(), source="mae", encoder_only=only)
        with safe_open(out, framework="pt") as file:
            assert json.loads(file.metadata()["scale"]) == {name: SCALES["imagenet"].as_dict()}


def test_a_header_of_another_form_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    for said in ('{"encoder": {"mean": [0]}}', '{"encoder": 3}', "[]", "{"):
        save_safetensors(mae_tiny().state_dict(), path, metadata={"scale": said})
        with pytest.raises(DataError, match="does not say 'scale'"):
            load_weights(mae_tiny(), path)
