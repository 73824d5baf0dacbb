"""Key maps: published layouts come in whole, and go out as they came, bit for bit."""

from __future__ import annotations

import pytest
import timm
import torch
from torch.testing import assert_close

from medmae.errors import DataError
from medmae.kinds import SCALES
from medmae.methods.mae import mae_tiny
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state, load_weights, save_safetensors
from medmae.weights.maps.base import QKV, QV_BIAS, Join, KeyMap
from medmae.weights.maps.mae import MAE
from medmae.weights.maps.timm import TIMM
from medmae.weights.maps.vit_mae import VIT_MAE
from medmae.weights.pretrained import load_encoder
from medmae.weights.sources import source, sources

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
SIZES = {"embed_dim": 48, "depth": 3, "num_heads": 4, "patch_size": 8}


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[key]) for key, value in one.items())


def perturbed(module):
    """With biases and norms that are not trivial; position tables stay."""
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    return module


@pytest.fixture
def method():
    torch.manual_seed(1)
    return perturbed(mae_tiny())


@pytest.fixture
def transformers():
    return pytest.importorskip("transformers", reason="the bench extra is not installed")


@pytest.fixture
def theirs(transformers):
    torch.manual_seed(2)
    config = transformers.ViTMAEConfig(
        image_size=32,
        patch_size=8,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=192,
        decoder_hidden_size=32,
        decoder_num_hidden_layers=2,
        decoder_num_attention_heads=4,
        decoder_intermediate_size=128,
        layer_norm_eps=1e-6,
        norm_pix_loss=True,
    )
    return perturbed(transformers.ViTMAEForPreTraining(config).eval())


# ----------------------------------------------------------------------------------------------------- the map itself
def test_queries_keys_and_values_become_one_tensor_in_this_order():
    parts = {f"blocks.0.attn.{name}.weight": torch.full((2, 2), value) for value, name in enumerate("qkv")}
    joined, _ = KeyMap(source="", prefixes=(), joins=QKV).apply(parts)
    assert list(joined) == ["blocks.0.attn.qkv.weight"]
    assert joined["blocks.0.attn.qkv.weight"][:, 0].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_bias_that_keys_do_not_have_is_zero_and_changes_nothing():
    encoder = MaskedViT(image_size=32, **SIZES)
    state = {}
    for key, value in encoder.state_dict().items():
        if not key.endswith("attn.qkv.bias"):
            state[key] = value
            continue
        query, stem = torch.randn(48), key.removesuffix("qkv.bias")
        state |= {f"{stem}q_bias": query, f"{stem}v_bias": query + 1}
        encoder.get_parameter(key).data.copy_(torch.cat([query, torch.randn(48), query + 1]))
    loaded = MaskedViT(image_size=32, **SIZES)
    import_state(loaded, state, key_map=KeyMap(source="", prefixes=(), joins=(QV_BIAS,)))
    assert loaded.blocks[0].attn.qkv.bias[48:96].tolist() == [0] * 48
    image = torch.rand(2, 3, 32, 32)
    assert_close(loaded(image), encoder(image), **CLOSE)


def test_an_incomplete_group_is_not_joined_but_unexpected(method):
    state = VIT_MAE.write(method.state_dict())
    del state["vit.encoder.layer.1.attention.attention.key.bias"]
    with pytest.raises(ValueError, match=r"(?s)missing +1  encoder.blocks.1.attn.qkv.bias\nunexpected +2  .*attn.q.bi"):
        import_state(mae_tiny(), state, key_map=VIT_MAE)


def test_what_a_layout_has_no_place_for_is_not_written_unless_it_is_zero():
    bias = torch.cat([torch.ones(4), torch.zeros(4), torch.ones(4)])
    assert list(QV_BIAS.split({"attn.qkv.bias": bias})) == ["attn.q_bias", "attn.v_bias"]
    with pytest.raises(ValueError, match=r"attn\.qkv\.bias has a part that their layout has no place for"):
        QV_BIAS.split({"attn.qkv.bias": bias + 1})


def test_splitting_undoes_joining():
    join = Join("ab", ("a", "b"))
    state = {"x.a": torch.rand(2, 3), "x.b": torch.rand(2, 3), "y": torch.rand(1)}
    assert equal(join.split(join.apply(state)), state)


# ------------------------------------------------------------------------------------------------------- all layouts
def test_every_map_is_found_by_its_name():
    assert {"mae", "timm", "vit_mae", "edge_mae", "he_mmae", "mt_unet"} <= set(sources())
    assert source("timm") is TIMM
    with pytest.raises(ValueError, match=r"no layout 'tim' is known; there are .*timm"):
        source("tim")


@pytest.mark.parametrize("key_map", [MAE, VIT_MAE], ids=["mae", "vit_mae"])
def test_a_layout_that_is_written_and_read_again_is_the_same_bit_for_bit(key_map, method, tmp_path):
    save_safetensors(key_map.write(method.state_dict()), tmp_path / "model.safetensors")
    twin = mae_tiny()
    assert load_weights(twin, tmp_path / "model.safetensors", key_map=key_map).fits
    assert equal(twin.state_dict(), method.state_dict())


# ---------------------------------------------------------------------------------------------------------------- timm
def timm_model(**options):
    torch.manual_seed(3)
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "class_token": True}
    return timm.models.VisionTransformer(**{**sizes, **options}).eval()


def saved(model, folder):
    save_safetensors(model.state_dict(), folder / "timm.safetensors")
    return folder / "timm.safetensors"


@pytest.mark.parametrize("classes", [0, 7], ids=["no head", "a head"])
def test_an_encoder_of_timm_gives_timm_s_output_and_its_head_is_reported(classes, tmp_path):
    model, encoder = timm_model(num_classes=classes), MaskedViT(image_size=32, **SIZES)
    report = load_encoder(encoder, saved(model, tmp_path), key_map=TIMM)
    assert report.dead == (["head.bias", "head.weight"] if classes else [])
    assert sorted(TIMM.apply(model.state_dict())[1]) == report.dead
    image = torch.rand(2, 3, 32, 32)
    assert_close(encoder(image), model.forward_features(image), **CLOSE)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"reg_tokens": 4}, "reg_token"),
        ({"pre_norm": True}, r"norm_pre\.bias"),
        ({"global_pool": "avg", "class_token": False}, "cls_token"),
        ({"init_values": 1e-5}, r"blocks\.0\.ls1\.gamma"),
        ({"qk_norm": True}, r"q_norm"),
    ],
    ids=["registers", "a norm before the blocks", "no class token", "layer scale", "norms of queries"],
)
def test_a_timm_model_of_another_kind_is_refused_and_says_why(options, told, tmp_path):
    with pytest.raises(DataError, match=rf"(?s)(missing|unexpected) +\d+  [^\n]*{told}"):
        load_encoder(MaskedViT(image_size=32, **SIZES), saved(timm_model(**options), tmp_path), key_map=TIMM)


# ------------------------------------------------------------------------------------------------------- Hugging Face
@pytest.mark.parametrize("kind", ["file", "in memory"])
def test_a_model_of_hugging_face_gives_its_loss_and_predictions(kind, theirs, tmp_path):
    method = mae_tiny()
    if kind == "file":
        theirs.save_pretrained(tmp_path)
        assert load_weights(method, tmp_path / "model.safetensors", key_map=VIT_MAE).fits
    else:
        assert import_state(method, theirs.state_dict(), key_map=VIT_MAE).fits
    image, noise = torch.rand(2, 3, 32, 32), torch.rand(2, 16)
    given = method.encoder.scaling(image)  # files bring the scale of images with them
    assert (given is image) == (kind == "in memory")
    expected, mask = theirs(given, noise=noise), method.masking.sample(2, noise=noise)
    assert_close(method({"image": image}, masks={"image": mask}).loss, expected.loss, **CLOSE)
    assert_close(method.predict({"image": image}, mask), expected.logits, **CLOSE)


def test_an_encoder_alone_of_hugging_face_fills_an_encoder(theirs, tmp_path):
    theirs.vit.save_pretrained(tmp_path)
    encoder = MaskedViT(image_size=32, **SIZES)
    load_encoder(encoder, tmp_path / "model.safetensors", key_map=VIT_MAE)
    theirs.vit.config.mask_ratio = 0.0
    image, order = torch.rand(2, 3, 32, 32), torch.arange(16.0).expand(2, -1)
    assert_close(encoder(image), theirs.vit(SCALES["imagenet"].apply(image), noise=order).last_hidden_state, **CLOSE)


def test_the_published_names_of_hugging_face_are_those_written(method):
    """Without their package: the names of facebook/vit-mae-base's file."""
    state = VIT_MAE.write(method.state_dict())
    assert len(state) == len(method.state_dict()) + 4 * 5  # of each block two tensors more, twice
    for name in (
        "vit.embeddings.patch_embeddings.projection.weight",
        "vit.encoder.layer.2.attention.attention.query.weight",
        "vit.encoder.layer.2.attention.output.dense.bias",
        "vit.encoder.layer.2.intermediate.dense.weight",
        "vit.encoder.layer.2.output.dense.weight",
        "vit.encoder.layer.2.layernorm_before.weight",
        "vit.layernorm.weight",
        "decoder.mask_token",
        "decoder.decoder_pos_embed",
        "decoder.decoder_layers.1.attention.attention.value.bias",
        "decoder.decoder_norm.weight",
        "decoder.decoder_pred.weight",
    ):
        assert name in state
