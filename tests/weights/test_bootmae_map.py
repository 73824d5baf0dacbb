"""Files of LightDXY/BootMAE: no biases of keys, fused queries, keys and values, and a teacher beside the model."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.bootmae import bootmae_base, bootmae_large, bootmae_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state, save_safetensors
from medmae.weights.maps.bootmae import BOOTMAE, BOOTMAE_CLASSIFIER
from medmae.weights.pretrained import load_encoder


def norm(name, dim):
    return {f"{name}.weight": (dim,), f"{name}.bias": (dim,)}


def attention(dim, inner):
    biases = {"q_bias": (inner,), "v_bias": (inner,)}
    return {**biases, "qkv.weight": (3 * inner, dim), "proj.weight": (dim, inner), "proj.bias": (dim,)}


def cross_attention(dim, inner, source):
    whole = attention(dim, inner)
    del whole["qkv.weight"]
    return {**whole, "q.weight": (inner, dim), "kv.weight": (2 * inner, source)}


def mlp(dim):
    first = {"mlp.fc1.weight": (4 * dim, dim), "mlp.fc1.bias": (4 * dim,)}
    return {**first, "mlp.fc2.weight": (dim, 4 * dim), "mlp.fc2.bias": (dim,)}


def below(prefix, shapes):
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}


def encoder_layout(*, dim, depth, patch, tokens):
    block = {**norm("norm1", dim), **norm("norm2", dim), **below("attn", attention(dim, dim)), **mlp(dim)}
    shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, tokens + 1, dim), **norm("norm", dim)}
    shapes |= {"patch_embed.proj.weight": (dim, 3, patch, patch), "patch_embed.proj.bias": (dim,)}
    for index in range(depth):
        shapes |= below(f"blocks.{index}", block)
    return shapes


def branch_layout(suffix, *, dim, heads, source):
    inner = heads * (dim // heads)
    block = {**norm("norm1", dim), **norm("norm2", dim), **norm("norm3", dim), **norm("norm4", source), **mlp(dim)}
    block |= below("attn", attention(dim, inner)) | below("c_attn", cross_attention(dim, inner, source))
    shapes = {f"mask_token{suffix}": (1, 1, dim), **norm(f"decode_norm{suffix}", dim)}
    shapes |= {f"down{suffix}.weight": (dim, source), f"down{suffix}.bias": (dim,)}
    for index in range(2):
        shapes |= below(f"decode_blocks{suffix}.{index}", block)
    return shapes


def published_layout(*, dim, depth, heads, decoder_dim=512, patch=16, tokens=196):
    """Key -> shape, as section 10 of the specification has it."""
    shapes = encoder_layout(dim=dim, depth=depth, patch=patch, tokens=tokens)
    shapes |= branch_layout("", dim=decoder_dim, heads=heads, source=dim)
    shapes |= branch_layout("_1", dim=dim, heads=heads, source=dim)
    shapes |= {"de_pos_embed": (1, tokens + 1, decoder_dim)}
    shapes |= {"lm_head.proj.weight": (decoder_dim, 3, patch, patch), "lm_head.proj.bias": (3,)}
    return shapes | {"lm_head_1.weight": (dim, dim), "lm_head_1.bias": (dim,)}


TINY = {"dim": 48, "depth": 3, "heads": 4, "decoder_dim": 32, "patch": 8, "tokens": 16}


def drawn(layout, *, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in layout.items()}


@pytest.fixture
def state():
    """As a file of the size of our tiny preset."""
    return drawn(published_layout(**TINY))


@pytest.mark.parametrize(
    ("preset", "sizes", "entries", "count"),
    [
        (bootmae_base, {"dim": 768, "depth": 12, "heads": 12}, 269, 115_625_411),
        (bootmae_large, {"dim": 1024, "depth": 24, "heads": 16}, 425, 349_451_779),
    ],
    ids=["base", "large"],
)
@pytest.mark.parametrize("wrapped", ["", "module."])
def test_a_state_dict_of_the_published_layout_fits_completely(preset, sizes, entries, count, wrapped):
    layout = published_layout(**sizes)
    assert len(layout) == entries
    assert sum(torch.Size(shape).numel() for shape in layout.values()) == count
    with torch.device("meta"):
        method = preset()
        state = {wrapped + key: torch.empty(shape) for key, shape in layout.items()}
    report = import_state(method, state, key_map=BOOTMAE)
    assert report.missing == report.unexpected == report.reshaped == report.dead == []


def test_biases_of_keys_are_zero_and_the_others_stand_in_their_places(state):
    method = bootmae_tiny()
    import_state(method, state, key_map=BOOTMAE)
    ours = method.state_dict()
    query, key, value = ours["encoder.blocks.1.attn.qkv.bias"].chunk(3)
    assert torch.equal(query, state["blocks.1.attn.q_bias"])
    assert not key.any()
    assert torch.equal(value, state["blocks.1.attn.v_bias"])
    for theirs, name in (("attn", "attn"), ("c_attn", "cross_attn")):
        own, source = f"pixel_decoder.blocks.1.{name}", f"decode_blocks.1.{theirs}"
        key, value = ours[f"{own}.kv.bias"].chunk(2)
        assert torch.equal(ours[f"{own}.q.bias"], state[f"{source}.q_bias"])
        assert not key.any()
        assert torch.equal(value, state[f"{source}.v_bias"])


def test_fused_queries_of_the_decoders_are_taken_apart(state):
    method = bootmae_tiny()
    import_state(method, state, key_map=BOOTMAE)
    ours = method.state_dict()
    parts = [ours[f"feature_decoder.blocks.0.attn.{part}.weight"] for part in ("q", "kv")]
    assert torch.equal(torch.cat(parts), state["decode_blocks_1.0.attn.qkv.weight"])


def test_without_a_published_teacher_it_starts_as_a_copy_of_the_encoder(state):
    method = bootmae_tiny()
    import_state(method, state, key_map=BOOTMAE)
    mine, theirs = method.encoder.state_dict(), method.teacher.network.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[key]) for key, value in mine.items())


@pytest.mark.parametrize("wrapped", ["", "module."])
def test_a_published_teacher_is_the_teacher_and_its_decoders_are_dead(state, wrapped):
    averaged = drawn(published_layout(**TINY), seed=1)
    method = bootmae_tiny()
    report = import_state(
        method, {**state, **{f"model_ema.{wrapped}{key}": value for key, value in averaged.items()}}, key_map=BOOTMAE
    )
    assert report.missing == report.unexpected == []
    assert len(report.dead) == len(averaged) - len(encoder_layout(dim=48, depth=3, patch=8, tokens=16))
    assert torch.equal(method.encoder.norm.weight, state["norm.weight"])
    assert torch.equal(method.teacher.network.norm.weight, averaged["norm.weight"])


def test_an_incomplete_file_is_refused(state):
    del state["decode_blocks.0.c_attn.kv.weight"]
    with pytest.raises(ValueError, match=r"missing +1 +pixel_decoder.blocks.0.cross_attn.kv.weight"):
        import_state(bootmae_tiny(), state, key_map=BOOTMAE)


def test_an_encoder_alone_can_be_taken_from_a_file(state, tmp_path):
    save_safetensors(state, tmp_path / "published.safetensors")
    encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=4)
    load_encoder(encoder, tmp_path / "published.safetensors", key_map=BOOTMAE)
    assert torch.equal(encoder.pos_embed, state["pos_embed"])
    assert torch.equal(encoder.blocks[2].mlp.fc1.weight, state["blocks.2.mlp.fc1.weight"])


@pytest.mark.parametrize(
    ("sizes", "total", "trainable"),
    [
        ({"dim": 768, "depth": 12}, 86_558_440, 86_407_144),
        ({"dim": 1024, "depth": 24}, 304_302_056, 304_100_328),
    ],
    ids=["base", "large"],
)
def test_a_fine_tuned_classifier_fits_completely(sizes, total, trainable):
    layout = encoder_layout(**sizes, patch=16, tokens=196)
    for kind in ("weight", "bias"):
        layout[f"fc_norm.{kind}"] = layout.pop(f"norm.{kind}")
    layout |= {"head.weight": (1000, sizes["dim"]), "head.bias": (1000,)}
    with torch.device("meta"):
        encoder = MaskedViT(embed_dim=sizes["dim"], depth=sizes["depth"], num_heads=16 if sizes["depth"] > 12 else 12)
        model = Classifier(encoder=encoder, num_classes=1000)
        state = {key: torch.empty(shape) for key, shape in layout.items()}
    assert import_state(model, state, key_map=BOOTMAE_CLASSIFIER).fits
    key_biases = sizes["dim"] * sizes["depth"]
    assert sum(p.numel() for p in model.parameters()) - key_biases == total
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) - key_biases == trainable
