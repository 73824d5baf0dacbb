"""Encoders of MONAI come in and give what they gave there."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.errors import DataError
from medmae.methods.mae import mae_tiny
from medmae.weights.exchange import import_file
from medmae.weights.maps.monai import MONAI
from medmae.weights.pretrained import load_encoder

pytest.importorskip("einops", reason="MONAI's ViT needs it")

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
SIZES = {
    "img_size": (32, 32),
    "patch_size": (8, 8),
    "hidden_size": 48,
    "mlp_dim": 192,
    "num_heads": 4,
    "spatial_dims": 2,
}


def perturbed(network):
    torch.manual_seed(3)
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def theirs(name, **options):
    from monai.networks import nets

    return perturbed(getattr(nets, name)(in_channels=1, **{**SIZES, "num_layers": 3, **options}))


def ours(**options):
    return mae_tiny(**{"in_channels": 1, "norm_eps": 1e-5, **options}).eval()


def saved(network, path, prefix=""):
    torch.save({prefix + key: value for key, value in network.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("prefix", ["", "vit.", "module."])
@pytest.mark.parametrize("qkv_bias", [False, True])
def test_a_vit_with_a_class_token_gives_the_same_tokens(tmp_path, prefix, qkv_bias):
    network, method = theirs("ViT", classification=True, qkv_bias=qkv_bias), ours()
    report = load_encoder(method, saved(network, tmp_path / "vit.pt", prefix), into=["encoder"], key_map=MONAI)
    assert {key.removeprefix(prefix) for key in report.dead} >= {"blocks.0.norm_cross_attn.weight"}
    image = torch.rand(2, 1, 32, 32)
    found = network.norm(network(image)[1][-1])
    assert_close(method.encoder(image), found, **CLOSE)


def test_a_vit_without_a_class_token_fills_an_encoder_without_one(tmp_path):
    network, method = theirs("ViTAutoEnc", patch_size=(16, 16)), ours(patch_size=16, class_token="none")
    path = saved(network, tmp_path / "vitautoenc.pt")
    report = import_file(path, tmp_path / "start.safetensors", method=method, source="monai", encoder_only=True)
    assert "conv3d_transpose.weight" in report.dead
    image = torch.rand(2, 1, 32, 32)
    tokens = network.norm(network.blocks[2](network.blocks[1](network.blocks[0](network.patch_embedding(image)))))
    assert_close(method.encoder(image), tokens, **CLOSE)
    with pytest.raises(DataError, match=r"missing +1  encoder\.cls_token[\s\S]*--set class_token=none") as refused:
        load_encoder(ours(patch_size=16), path, into=["encoder"], key_map=MONAI)
    assert "positions" not in str(refused.value)  # the table differs by the row of the class token alone


def test_a_class_token_that_has_no_place_is_named(tmp_path):
    path = saved(theirs("ViT", classification=True), tmp_path / "vit.pt")
    with pytest.raises(DataError, match=r"the file has a class token: build the network with one"):
        load_encoder(ours(class_token="none"), path, into=["encoder"], key_map=MONAI)


def test_a_masked_auto_encoder_keeps_its_last_norm(tmp_path):
    network = theirs("MaskedAutoEncoderViT", decoder_hidden_size=48, decoder_num_heads=4, decoder_num_layers=1)
    method = ours()
    load_encoder(method, saved(network, tmp_path / "mae.pt"), into=["encoder"], key_map=MONAI)
    image = torch.rand(2, 1, 32, 32)
    tokens = torch.cat([network.cls_token.expand(2, -1, -1), network.patch_embedding(image)], dim=1)
    assert_close(method.encoder(image), network.blocks(tokens), **CLOSE)


def test_another_epsilon_is_refused_with_the_argument_to_set(tmp_path):
    path = saved(theirs("ViT", classification=True), tmp_path / "vit.pt")
    with pytest.raises(DataError, match=r"trained with eps=1e-05 .* this network has 1e-06.*--set norm_eps=1e-05"):
        load_encoder(ours(norm_eps=1e-6), path, into=["encoder"], key_map=MONAI)


def test_a_patch_embedding_of_another_kind_is_refused(tmp_path):
    path = saved(theirs("ViT", classification=True, proj_type="perceptron"), tmp_path / "vit.pt")
    with pytest.raises(DataError, match=r"unexpected +2  encoder\.patch_embed\.proj\.1"):
        load_encoder(ours(), path, into=["encoder"], key_map=MONAI)
