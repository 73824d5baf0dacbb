"""timm gives what the encoder gives, and gets back what it gave."""

import pytest
import timm
import torch
from torch.testing import assert_close

from medmae.nn.positions import LearnedPositions
from medmae.nn.vit import MaskedViT
from medmae.weights.export.timm import timm_state, to_timm
from medmae.weights.io import save_safetensors
from medmae.weights.maps.timm import TIMM
from medmae.weights.pretrained import load_encoder

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"image_size": (32, 64), "patch_size": (8, 16)},
        {"in_channels": 5},
        {"class_token": "none"},
        {"last_norm": False},
        {"norm_eps": 1e-2},
        {"qkv_bias": False},
        {"mlp_ratio": 2.5},
        {"qkv_bias": "query_value", "positions": LearnedPositions(per_axis=True)},
    ],
    ids=str,
)
def test_the_output_is_that_of_the_encoder(options, make):
    encoder = make(**options)
    image = torch.rand(2, encoder.patches.channels, *encoder.patches.size)
    assert_close(to_timm(encoder).eval().forward_features(image), encoder(image), **CLOSE)


def test_a_head_starts_anew_on_the_class_token(make):
    encoder = make()
    network, image = to_timm(encoder, num_classes=5).eval(), torch.rand(2, 1, 32, 32)
    assert network(image).shape == (2, 5)
    assert_close(network(image), network.head(encoder(image)[:, 0]), **CLOSE)


def test_what_comes_from_timm_goes_back_bit_for_bit(tmp_path):
    network = timm.models.VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4)
    save_safetensors(network.state_dict(), tmp_path / "timm.safetensors")
    encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4)
    load_encoder(encoder, tmp_path / "timm.safetensors", key_map=TIMM)
    state = timm_state(encoder)
    assert {*state, "head.weight", "head.bias"} == set(network.state_dict())
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"image_size": (16, 16, 16)}, "data with 3 axes"), ({"class_token": "last"}, "class token comes last")],
)
def test_what_timm_does_not_have_is_refused_with_the_reason(options, reason, make):
    with pytest.raises(ValueError, match=f"(?s)timm's VisionTransformer cannot hold this encoder.*- .*{reason}"):
        to_timm(make(**options))


def test_an_encoder_whose_gelu_is_the_tanh_form_is_refused():
    encoder = MaskedViT(image_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2, gelu="tanh")
    with pytest.raises(ValueError, match="GELU is the tanh form"):
        to_timm(encoder)
