"""What whoever takes features asks of an encoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from medmae.kinds import Kind
from medmae.nn.encoder import Encoder
from medmae.nn.heads import FeatureMap
from medmae.nn.vit import MaskedViT

SIZES = {"image_size": 16, "patch_size": 8, "in_channels": 3, "embed_dim": 24, "depth": 3, "num_heads": 2}


def vit(**options) -> MaskedViT:
    torch.manual_seed(0)
    return MaskedViT(**{**SIZES, **options}).eval()


@pytest.fixture
def data():
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_masked_vit_is_an_encoder():
    assert isinstance(vit(), Encoder)
    assert vit().dim == 24


def test_features_are_the_mean_of_patch_tokens_the_class_token_or_the_mean_of_all(data):
    encoder = vit()
    tokens = encoder(data)  # (B, 1 + N, D)
    assert torch.equal(encoder.features(data), tokens[:, 1:].mean(dim=1))
    assert torch.equal(encoder.features(data, pool="class_token"), tokens[:, 0])
    assert torch.equal(encoder.features({"image": data}, pool="all"), tokens.mean(dim=1))


def test_a_class_token_that_is_last_stays_out_of_the_mean(data):
    encoder = vit(class_token="last")
    assert torch.equal(encoder.features(data), encoder(data)[:, :-1].mean(dim=1))
    assert torch.equal(encoder.features(data, pool="class_token"), encoder(data)[:, -1])


def test_features_after_a_block_before_the_last_get_a_plain_norm_and_compute_no_other(data):
    encoder = vit()
    stage = encoder.forward_intermediates(encoder.patches.patchify(data))[2][:, 1:].mean(dim=1)
    encoder.blocks[2] = nn.Module()  # has no forward
    torch.testing.assert_close(encoder.features(data, block=2), F.layer_norm(stage, (24,), eps=1e-6))
    with pytest.raises(ValueError, match="1 to 3"):
        encoder.features(data, block=4)


def test_without_a_last_norm_features_get_a_plain_one(data):
    encoder = vit(last_norm=False)
    wanted = F.layer_norm(encoder(data)[:, 1:].mean(dim=1), (24,), eps=1e-6)
    torch.testing.assert_close(encoder.features(data), wanted)


def test_what_an_encoder_does_not_have_is_refused(data):
    with pytest.raises(ValueError, match="class token"):
        vit(class_token="none").features(data, pool="class_token")
    with pytest.raises(ValueError, match="pool"):
        vit().features(data, pool="max")
    with pytest.raises(ValueError, match=r"'image'.*'sound'"):
        vit().features({"sound": data})


@pytest.mark.parametrize(
    ("size", "roles"),
    [
        ((16,), ["time"]),
        ((16, 16), ["row", "column"]),
        ((16, 16, 16), ["depth", "row", "column"]),
        ((16,) * 4, ["time", "depth", "row", "column"]),
    ],
)
def test_the_kind_is_that_of_its_number_of_axes_unless_it_is_said(size, roles):
    patches = {"image_size": size, "patch_size": (8,) * len(size)}
    assert list(vit(**patches).kinds["image"].roles) == roles
    if len(size) == 3:
        assert vit(**patches, kind=Kind.clip("film")).kinds["film"].roles == ("time", "row", "column")


def test_a_kind_of_other_axes_or_channels_is_refused():
    for kind in (Kind.clip(), Kind.image(channels=1)):
        with pytest.raises(ValueError, match="3 channels of 2 axes"):
            vit(kind=kind)


def test_layers_hold_every_parameter_but_the_last_norm_once():
    encoder = vit()
    layers = encoder.layers()
    held = [id(parameter) for layer in layers for parameter in layer]
    others = {name for name, parameter in encoder.named_parameters() if id(parameter) not in held}
    assert len(layers) == 4
    assert len(held) == len(set(held))
    assert others == {"norm.weight", "norm.bias"}


def test_it_is_compiled_by_torchscript_with_all_its_kinds(data):
    for encoder in (vit(), vit(class_token="last"), vit(class_token="none")):
        network = FeatureMap(encoder=encoder)
        torch.testing.assert_close(torch.jit.script(network)(data), network(data))
