"""A weight file is enough: its network is built from what it says."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from medmae.errors import DataError
from medmae.methods.registry import create
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT
from medmae.weights.exchange import import_file
from medmae.weights.io import save_safetensors
from medmae.weights.networks import networks_header
from medmae.weights.trained import encoder_of, network_of
from medmae.weights.unseen import header


@pytest.fixture
def method():
    torch.manual_seed(0)
    return create("mae", preset="tiny", scale="half", in_channels=1)


@pytest.fixture
def saved(method, tmp_path):
    path = tmp_path / "pretraining.safetensors"
    save_safetensors(method.state_dict(), path, metadata=header(method))
    return path


def images(module):
    patches = module.patches
    return torch.rand(2, patches.channels, *patches.size, generator=torch.Generator().manual_seed(0))


def test_a_method_comes_out_of_its_file_alone_with_its_scale(method, saved):
    found = network_of(saved)
    assert type(found) is type(method)
    assert found.encoder.kinds == method.encoder.kinds
    assert all(torch.equal(value, method.state_dict()[key]) for key, value in found.state_dict().items())


def test_its_encoder_does_and_so_does_that_of_a_plain_network_and_of_an_encoder_alone(method, saved, tmp_path):
    network = FeatureMap(encoder=method.encoder)
    save_safetensors(network.state_dict(), tmp_path / "model.safetensors", metadata=header(network))
    save_safetensors(method.encoder.state_dict(), tmp_path / "encoder.safetensors", metadata=header(method.encoder))
    import_file(saved, tmp_path / "start.safetensors", method=method, source=None, encoder_only=True)
    data = images(method.encoder)
    for name in ("pretraining", "model", "encoder", "start"):
        found = encoder_of(tmp_path / f"{name}.safetensors")
        assert isinstance(found, MaskedViT)
        assert torch.equal(found(data), method.encoder(data))


def test_arguments_that_contradict_the_file_are_refused_by_name(saved):
    assert network_of(saved, expected={"in_channels": 1}).encoder.patches.channels == 1
    with pytest.raises(DataError, match=r"were trained with in_channels = 1 \[in_channels = 3\]"):
        network_of(saved, expected={"in_channels": 3})
    with pytest.raises(DataError, match=r"no argument 'tubelet_size'.*of a MAE"):
        network_of(saved, expected={"tubelet_size": 2})


def test_a_file_that_does_not_say_its_network_is_refused_with_the_way_to_one_that_does(method, tmp_path):
    path = tmp_path / "w.safetensors"
    save_safetensors(method.state_dict(), path)
    with pytest.raises(DataError, match="medmae import"):
        network_of(path)
    import_file(path, tmp_path / "new.safetensors", method=method, source=None)
    network_of(tmp_path / "new.safetensors")


@pytest.mark.parametrize(
    "said", ['{"": {"_target_": "os.system", "command": "true"}}', '{"": []}', "[]", '{"": {"_target_": 3}}', "{"]
)
def test_a_header_that_names_something_else_builds_nothing(method, tmp_path, said):
    path = tmp_path / "w.safetensors"
    save_safetensors(method.state_dict(), path, metadata={"networks": said})
    with pytest.raises(DataError):
        network_of(path)


def test_an_encoder_that_is_not_there_is_refused_with_those_that_are(saved):
    with pytest.raises(DataError, match=r"no encoder 'teacher'.*'encoder'"):
        encoder_of(saved, part="teacher")


def test_the_header_is_text_that_others_can_read(method, saved):
    with safe_open(saved, framework="pt") as file:
        said = json.loads(file.metadata()["networks"])
    assert said[""]["_target_"] == "medmae.methods.mae.MAE"
    assert said == json.loads(networks_header(method)["networks"])


@pytest.mark.parametrize("sizes", [{"embed_dim": 10**7}, {"embed_dim": 4096}, {"image_size": 10**6}, {"depth": 10**7}])
def test_a_header_that_promises_more_than_its_file_is_refused_before_it_takes_memory(saved, tmp_path, sizes):
    with safe_open(saved, framework="pt") as file:
        networks = json.loads(file.metadata()["networks"])
    networks[""] |= sizes
    path = tmp_path / "more.safetensors"
    save_safetensors({"a": torch.zeros(1)}, path, metadata={"networks": json.dumps(networks)})
    with pytest.raises(DataError, match=r"more\.safetensors: .*(larger than the file|cannot build)"):
        network_of(path)
