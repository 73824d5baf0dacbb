"""Patch values, classes and dense features."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.heads import Classifier, FeatureMap, PatchHead, pooled
from medmae.nn.vit import MaskedViT


def vit(**options):
    torch.manual_seed(0)
    sizes = {"image_size": (16, 24), "patch_size": 8, "in_channels": 1, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return MaskedViT(**{**sizes, **options})


@pytest.fixture
def data():
    return torch.randn(2, 1, 16, 24, generator=torch.Generator().manual_seed(0))


def test_a_patch_head_is_a_norm_and_a_linear_layer():
    head, tokens = PatchHead(dim=8, num_values=5, norm_eps=1e-3), 3 * torch.randn(2, 4, 8)
    assert head.norm.eps == 1e-3
    assert_close(head(tokens), head.pred(head.norm(tokens)))


def test_a_sigmoid_keeps_predictions_between_0_and_1():
    torch.manual_seed(0)
    head, plain = (PatchHead(dim=8, num_values=5, sigmoid=sigmoid) for sigmoid in (True, False))
    plain.load_state_dict(head.state_dict())
    tokens = 9 * torch.randn(2, 4, 8)
    assert 0 < head(tokens).min() < head(tokens).max() < 1
    assert plain(tokens).min() < 0
    assert_close(head(tokens), plain(tokens).sigmoid())


@pytest.mark.parametrize("place", ["first", "last", "none"])
def test_the_mean_leaves_the_class_token_out(data, place):
    encoder = vit(class_token=place)
    tokens = encoder(data, final_norm=False)
    patches = {"first": tokens[:, 1:], "last": tokens[:, :-1], "none": tokens}[place]
    model = Classifier(encoder=encoder, num_classes=4)
    assert_close(model.features(data), model.fc_norm(patches.mean(dim=1)))
    assert model(data).shape == (2, 4)


def test_the_mean_has_a_fresh_norm_instead_of_the_encoder_s():
    keys = Classifier(encoder=vit(), num_classes=4).state_dict().keys()
    assert {"fc_norm.weight", "fc_norm.bias"} < keys
    assert not {"encoder.norm.weight", "encoder.norm.bias"} & keys


def test_the_class_token_is_taken_after_the_encoder_s_norm(data):
    encoder = vit()
    model = Classifier(encoder=encoder, num_classes=4, pool="class_token")
    assert_close(model.features(data), encoder(data)[:, 0])


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_class_token_of_an_encoder_without_a_norm_gets_a_fresh_one(data, place):
    encoder = vit(class_token=place, last_norm=False)
    model = Classifier(encoder=encoder, num_classes=4, pool="class_token")
    torch.nn.init.constant_(model.fc_norm.bias, 2.0)
    token = encoder(data)[:, 0 if place == "first" else -1]
    assert_close(model.features(data), model.fc_norm(token))
    assert model.fc_norm.eps == encoder.norm_eps


def test_the_mean_of_all_tokens_takes_the_class_token_in(data):
    encoder = vit(class_token="last")
    model = Classifier(encoder=encoder, num_classes=4, pool="all")
    assert_close(model.features(data), model.fc_norm(encoder(data, final_norm=False).mean(dim=1)))


def test_a_class_token_that_is_not_there_cannot_be_pooled():
    with pytest.raises(ValueError, match="needs an encoder with a class token; this one has none"):
        Classifier(encoder=vit(class_token="none"), num_classes=4, pool="class_token")


def test_a_fresh_classifier_says_nothing_yet(data):
    model = Classifier(encoder=vit(), num_classes=4)
    assert not model.head.bias.any()
    assert model.head.weight.abs().max() < 2e-4
    assert model(data).abs().max() < 1e-2


@pytest.mark.parametrize("place", ["first", "last", "none"])
def test_a_feature_map_lays_tokens_on_their_grid(data, place):
    encoder = vit(class_token=place)
    tokens = encoder(data)
    patches = {"first": tokens[:, 1:], "last": tokens[:, :-1], "none": tokens}[place]
    features = FeatureMap(encoder=encoder)(data)
    assert features.shape == (2, 24, 2, 3)
    assert torch.equal(features[:, :, 1, 2], patches[:, 5])
    assert_close(pooled(features), patches.mean(dim=1))


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_feature_map_can_leave_the_class_token_out_of_attention(data, place):
    encoder = vit(class_token=place)
    features = FeatureMap(encoder=encoder, use_class_token=False)(data)
    tokens = encoder(data, use_class_token=False)
    assert torch.equal(features.flatten(2).transpose(1, 2), tokens)
    assert not torch.allclose(features, FeatureMap(encoder=encoder)(data), atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "use_class_token"),
    [
        ({}, True),
        ({}, False),
        ({"class_token": "last"}, True),
        ({"class_token": "none"}, True),
        ({"image_size": (8, 16, 24)}, True),
        ({"image_size": (48,)}, False),
    ],
    ids=["first", "left out", "last", "none", "volume", "signal"],
)
def test_a_scripted_feature_map_gives_what_the_eager_one_gives(sizes, use_class_token, tmp_path):
    eager = FeatureMap(encoder=vit(**sizes), use_class_token=use_class_token).eval()
    torch.jit.script(eager).save(str(tmp_path / "model.ts"))
    data = torch.randn(3, 1, *eager.encoder.patches.size)
    with torch.no_grad():
        assert_close(torch.jit.load(str(tmp_path / "model.ts"))(data), eager(data))
