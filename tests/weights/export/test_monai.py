"""MONAI's ViT gives what the encoder gives; what it cannot hold is refused with the reason."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.positions import FlatSinusoid, LearnedPositions
from medmae.weights.export.monai import to_monai

pytest.importorskip("einops", reason="MONAI's ViT needs it")

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def data_of(encoder):
    return torch.rand(2, encoder.patches.channels, *encoder.patches.size)


def outputs_of_blocks(encoder, data, **options):
    return encoder.forward_intermediates(encoder.patches.patchify(data), **options)[1:-1]


@pytest.mark.parametrize(
    "options",
    [
        {"class_token": "none"},
        {"class_token": "none", "image_size": (32, 64), "in_channels": 3},
        {"class_token": "none", "image_size": (16, 24, 32)},
        {"class_token": "none", "qkv_bias": False},
        {"class_token": "none", "norm_eps": 1e-2},
        {"class_token": "none", "qkv_bias": "query_value", "positions": LearnedPositions(per_axis=True)},
        {"class_token": "first", "positions": FlatSinusoid()},
        {"class_token": "first"},
        {"class_token": "last"},
    ],
    ids=str,
)
def test_its_vit_gives_the_output_of_the_encoder_without_its_class_token(options, make):
    encoder = make(**options)
    data = data_of(encoder)
    output, _ = to_monai(encoder, drop_class_token=True).eval()(data)
    assert_close(output, encoder(data, use_class_token=False), **CLOSE)


@pytest.mark.parametrize("place", ["first", "last"])
def test_its_classifier_keeps_the_class_token_and_the_outputs_of_blocks(place, make):
    encoder = make(class_token=place)
    network, data = to_monai(encoder, num_classes=5).eval(), data_of(encoder)
    logits, hidden = network(data)
    for ours, theirs in zip(outputs_of_blocks(encoder, data), hidden, strict=True):
        assert_close(theirs, ours if place == "first" else ours.roll(1, dims=1), **CLOSE)
    token = encoder(data)[:, 0 if place == "first" else -1]
    assert_close(logits, network.classification_head(token), **CLOSE)


def test_a_class_token_is_never_dropped_unasked(make):
    with pytest.raises(ValueError, match=r"it has a class token, and theirs has not: drop_class_token=True"):
        to_monai(make())


@pytest.mark.parametrize(
    ("options", "wanted", "reason"),
    [
        ({"last_norm": False}, {"drop_class_token": True}, "no norm after its last block"),
        ({"image_size": 64, "patch_size": (8,)}, {"drop_class_token": True}, "data with 1 axes"),
        ({"class_token": "none"}, {"num_classes": 2}, "no class token, and theirs classifies by one"),
        ({}, {"num_classes": 2, "drop_class_token": True}, "drop the class token and classify"),
    ],
    ids=["norm", "axes", "classifier", "contradiction"],
)
def test_what_its_vit_does_not_have_is_refused_with_the_reason(options, wanted, reason, make):
    with pytest.raises(ValueError, match=f"(?s)MONAI's ViT cannot hold this encoder.*- .*{reason}"):
        to_monai(make(**options), **wanted)
