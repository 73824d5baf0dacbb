"""MONAI's UNETR sees what the encoder sees; what it cannot hold is refused with the remedy."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.positions import resize_positions
from medmae.weights.export.monai import monai_state
from medmae.weights.export.unetr import load_unetr
from medmae.weights.kernels import inflate

pytest.importorskip("einops", reason="MONAI's UNETR needs it")
from monai.networks.nets import UNETR

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
DEEP = {"image_size": (32, 48), "patch_size": 16, "depth": 12}


def data_of(encoder):
    return torch.rand(2, encoder.patches.channels, *encoder.patches.size)


def unetr(**options):
    torch.manual_seed(2)
    sizes = {"in_channels": 1, "out_channels": 2, "img_size": (32, 48), "spatial_dims": 2, "feature_size": 4}
    return UNETR(**{**sizes, "hidden_size": 48, "mlp_dim": 192, "num_heads": 4, "qkv_bias": True, **options}).eval()


def bits(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def outputs_of_blocks(encoder, data, **options):
    return encoder.forward_intermediates(encoder.patches.patchify(data), **options)[1:-1]


def test_a_state_for_monai_fills_its_network_strictly(make):
    encoder = make(class_token="none", **DEEP)
    network = unetr()
    network.vit.load_state_dict(monai_state(encoder), strict=True)
    assert torch.equal(network.vit.patch_embedding.position_embeddings, encoder.pos_embed)


def test_a_unetr_sees_what_the_encoder_sees_and_the_rest_of_it_stays(make):
    encoder, network = make(**DEEP), unetr()
    before, data = bits(network), data_of(encoder)
    report = load_unetr(network, encoder, drop_class_token=True, norm_eps="copy")
    assert report.fits
    assert len(report.matched) == len(network.vit.state_dict())
    output, hidden = network.vit(data)
    assert_close(output, encoder(data, use_class_token=False), **CLOSE)
    for ours, theirs in zip(outputs_of_blocks(encoder, data, use_class_token=False), hidden, strict=True):
        assert_close(theirs, ours, **CLOSE)
    assert all(torch.equal(value, before[key]) for key, value in bits(network).items() if not key.startswith("vit."))
    assert network(data).shape == (2, 2, 32, 48)


def test_an_epsilon_that_is_kept_changes_outputs_and_one_that_is_copied_does_not(make):
    encoder = make(class_token="none", norm_eps=1e-2, **DEEP)
    data = data_of(encoder)
    for choice in ("copy", "keep"):
        network = unetr()
        load_unetr(network, encoder, norm_eps=choice)
        difference = (network.vit(data)[0] - encoder(data)).abs().max()
        assert (difference < 1e-4) == (choice == "copy")


@pytest.mark.parametrize(
    ("encoder", "network", "reason"),
    [
        ({"depth": 3}, {}, "it has 3 blocks, a UNETR 12"),
        ({"embed_dim": 32}, {}, r"its width is 32, theirs 48: build UNETR\(hidden_size=32\)"),
        ({"mlp_ratio": 2.0}, {}, r"its MLP is 96 wide: build UNETR\(mlp_dim=96\)"),
        ({"num_heads": 6}, {}, r"6 heads, theirs 4: build UNETR\(num_heads=6\)"),
        ({}, {"qkv_bias": False}, r"its qkv_bias is True: build UNETR\(qkv_bias=True\)"),
        ({"last_norm": False}, {}, "no norm after its last block"),
        ({"class_token": "first"}, {}, "drop_class_token=True"),
        ({"norm_eps": 1e-6}, {}, "epsilon of 1e-06, theirs 1e-05: norm_eps='copy' sets ours"),
        ({"in_channels": 3}, {}, r"would fit with adapt=\['channels'\]"),
        ({"patch_size": 8, "image_size": (16, 24)}, {}, r"would fit with adapt=\['patches'\]"),
        ({"image_size": (48, 48)}, {}, r"would fit with adapt=\['positions'\]"),
        ({"image_size": (48, 32)}, {}, r"as many rows as ours, but of another grid; adapt=\['positions'\]"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_a_unetr_is_refused_with_the_remedy_and_changes_nothing(encoder, network, reason, make):
    encoder = make(**{**DEEP, "class_token": "none", "norm_eps": 1e-5, **encoder})
    network = unetr(**network)
    before = bits(network)
    with pytest.raises(ValueError, match=reason):
        load_unetr(network, encoder)
    assert all(torch.equal(value, before[key]) for key, value in bits(network).items())
    assert network.vit.norm.eps == 1e-5


def test_other_sizes_and_channels_fit_a_unetr_by_named_rules(make):
    encoder, network = make(**{**DEEP, "image_size": (48, 64), "in_channels": 3}), unetr()
    report = load_unetr(network, encoder, drop_class_token=True, norm_eps="copy", adapt=["positions", "channels_mean"])
    assert report.adapted == [
        "patch_embedding.patch_embeddings.weight",
        "patch_embedding.position_embeddings",
    ]
    table = resize_positions(encoder.pos_embed, old_grid=(3, 4), new_grid=(2, 3))
    assert torch.equal(network.vit.patch_embedding.position_embeddings, table[:, 1:])
    kernel = encoder.patch_embed.proj.weight.mean(dim=1, keepdim=True)
    assert torch.equal(network.vit.patch_embedding.patch_embeddings.weight, kernel)


def test_an_encoder_of_pictures_fits_a_unetr_of_volumes_by_named_rules(make):
    encoder = make(**DEEP)
    network = unetr(img_size=(16, 32, 48), spatial_dims=3)
    load_unetr(network, encoder, drop_class_token=True, norm_eps="copy", adapt=["positions", "inflate"])
    wanted = inflate(encoder.patch_embed.proj.weight, depth=16)
    assert torch.equal(network.vit.patch_embedding.patch_embeddings.weight, wanted)
    picture = data_of(encoder)
    output, _ = network.vit(picture.unsqueeze(2).expand(-1, -1, 16, -1, -1))
    assert_close(output, encoder(picture, use_class_token=False), **CLOSE)  # one patch deep: the slices' own tokens


def test_a_misspelt_choice_of_epsilon_is_refused(make):
    with pytest.raises(ValueError, match="norm_eps must be 'copy' or 'keep', got 'ours'"):
        load_unetr(unetr(), make(**DEEP), drop_class_token=True, norm_eps="ours")
