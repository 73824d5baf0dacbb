"""Patch values, classes and dense features."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.methods.mt_unet import mt_unet_tiny
from medmae.nn.heads import Classifier, FeatureMap, PatchHead, SynthesisNetwork, only_given, paste_given, pooled
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


def test_under_autocast_a_sigmoid_keeps_more_than_eight_bits():
    torch.manual_seed(0)
    head, tokens = PatchHead(dim=8, num_values=5, sigmoid=True), torch.randn(2, 4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = head(tokens)
    assert values.dtype == torch.float32
    assert not torch.equal(values, values.bfloat16().float())


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


SMALLEST = {
    "image_size": 32,
    "embed_dim": 16,
    "depth": 1,
    "unet_depths": (1, 2),
    "unet_heads": (2, 2),
    "window_size": 2,
}
FORMS = {"neighbours": {"neighbours": 1}, "any to any": {"num_contrasts": 3}}
FORMS |= {f"practical, {name}": {**form, "decoder": "conv_unet"} for name, form in FORMS.items()}
OWN = {"image_size": 42, "encoder_size": 32}
FORMS |= {f"{name}, own pixels": {**form, **OWN} for name, form in FORMS.items() if "practical" in name}


def synthesis(form, *, batch_size):
    """A network, and a picture for it; of several contrasts some are missing, in each sample others."""
    torch.manual_seed(0)
    method = mt_unet_tiny(**{**SMALLEST, **FORMS[form]})
    image = method.example_batch(batch_size, generator=torch.Generator().manual_seed(1))["image"]
    if method.num_contrasts:
        image[0, 0] = image[-1, 1:] = 0
    return SynthesisNetwork(method).eval(), image


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("form", FORMS)
def test_scripted_and_traced_a_synthesis_network_gives_what_the_eager_one_gives(form):
    network, image = synthesis(form, batch_size=3)
    with torch.no_grad():
        expected = network(image)
        assert expected.shape == (3, 3 if "any to any" in form else 1, *image.shape[2:])
        assert_close(torch.jit.script(network)(image), expected)
        assert_close(torch.jit.trace(network, image[-1:])(image), expected)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["neighbours", "practical, neighbours", "practical, neighbours, own pixels"])
def test_a_synthesis_network_gives_as_onnx_what_the_eager_one_gives(form, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is in the onnx extra")
    network, image = synthesis(form, batch_size=1)
    torch.onnx.export(network, (image,), str(tmp_path / "model.onnx"), verbose=False)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    assert_close(torch.from_numpy(found), network(image).detach(), atol=1e-5, rtol=1e-4)


def test_a_synthesis_network_holds_encoder_and_u_net_and_no_feature_extractor():
    parts = {key.split(".")[0] for key in SynthesisNetwork(mt_unet_tiny()).state_dict()}
    assert parts == {"encoder", "unet"}


def test_only_what_is_given_is_seen_beside_which_contrasts_those_are():
    data, given = torch.rand(2, 3, 4, 4) + 1, torch.tensor([[True, False, True], [False, True, False]])
    there = given[..., None, None].float().expand_as(data)
    assert torch.equal(only_given(data, given), torch.cat([data * there, there], dim=1))


def test_what_is_given_is_pasted_channel_by_channel():
    picture, data = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    given = torch.tensor([[True, False, True], [False, True, False]])
    pasted = paste_given(picture, data, given)
    assert torch.equal(pasted, given.float()[..., None, None].expand_as(picture))
