"""Files of qiy20/SAIM: queries, keys and values apart, and names of shared weights."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.saim import saim_base, saim_tiny
from medmae.nn.heads import Classifier
from medmae.nn.vit import MaskedViT
from medmae.weights.io import import_state
from medmae.weights.maps.saim import SAIM, SAIM_CLASSIFIER


def block(dim):
    square = {f"attn.{part}.{kind}" for part in ("q", "k", "v", "proj") for kind in ("weight", "bias")}
    shapes = {key: (dim, dim) if key.endswith("weight") else (dim,) for key in square}
    shapes |= {f"{norm}.{kind}": (dim,) for norm in ("norm1", "norm2") for kind in ("weight", "bias")}
    return shapes | {
        "mlp.fc1.weight": (4 * dim, dim),
        "mlp.fc1.bias": (4 * dim,),
        "mlp.fc2.weight": (dim, 4 * dim),
        "mlp.fc2.bias": (dim,),
    }


def published_layout(*, dim, depth, patch, tokens, head):
    """Key -> shape, as section 10 of the specification has it."""
    values = 3 * patch**2
    shapes = {"cls_token": (1, 1, dim), "pos_embed": (1, tokens + 1, dim)}
    shapes |= {"patch_embed.proj.weight": (dim, 3, patch, patch), "patch_embed.proj.bias": (dim,)}
    for part in ("blocks", "query_blocks"):
        shapes |= {f"{part}.{i}.{key}": shape for i in range(depth) for key, shape in block(dim).items()}
    shapes |= {"norm.weight": (dim,), "norm.bias": (dim,), "gaussian_blur.weight": (3, 1, 9, 9)}
    if head == "linear":
        return shapes | {"prediction_head.weight": (values, dim), "prediction_head.bias": (values,)}
    shapes |= {"prediction_head.fc1.weight": (4 * dim, dim), "prediction_head.fc1.bias": (4 * dim,)}
    return shapes | {"prediction_head.fc2.weight": (values, 4 * dim), "prediction_head.fc2.bias": (values,)}


@pytest.fixture
def state():
    """As a file of the size of our tiny preset."""
    generator = torch.Generator().manual_seed(0)
    layout = published_layout(dim=48, depth=4, patch=8, tokens=16, head="mlp")
    return {key: torch.randn(shape, generator=generator) for key, shape in layout.items()}


def shared(state):
    """As a file of a network with shared weights: every block under both names."""
    twins = {key.replace("blocks.", "query_blocks."): value for key, value in state.items() if key.startswith("blocks")}
    return {**state, **twins}


@pytest.mark.parametrize(("head", "entries"), [("mlp", 395), ("linear", 393)])
@pytest.mark.parametrize("wrapped", ["", "module."])
def test_a_state_dict_of_the_published_layout_fits_completely(head, entries, wrapped):
    layout = published_layout(dim=768, depth=12, patch=16, tokens=196, head=head)
    assert len(layout) == entries
    with torch.device("meta"):
        method = saim_base(head=head)
        state = {wrapped + key: torch.empty(shape) for key, shape in layout.items()}
    report = import_state(method, state, key_map=SAIM)
    assert report.missing == report.unexpected == report.reshaped == []
    assert report.dead == [wrapped + "gaussian_blur.weight"]


@pytest.mark.parametrize("kind", ["weight", "bias"])
@pytest.mark.parametrize(("ours", "theirs"), [("encoder.blocks.2", "blocks.2"), ("query_blocks.3", "query_blocks.3")])
def test_queries_keys_and_values_stand_below_each_other_in_one_matrix(state, ours, theirs, kind):
    method = saim_tiny()
    import_state(method, state, key_map=SAIM)
    apart = method.state_dict()[f"{ours}.attn.qkv.{kind}"].split(48)
    for name, part in zip("qkv", apart, strict=True):
        assert torch.equal(part, state[f"{theirs}.attn.{name}.{kind}"])


def test_query_blocks_that_are_the_encoder_s_once_more_are_dropped(state):
    method = saim_tiny(share_weights=True)
    report = import_state(method, shared(state), key_map=SAIM)
    assert report.missing == report.unexpected == []
    assert len(report.dead) == 4 * 16 + 1
    assert torch.equal(method.encoder.blocks[0].mlp.fc1.weight, state["blocks.0.mlp.fc1.weight"])


def test_query_blocks_of_their_own_do_not_fit_a_network_with_shared_weights(state):
    with pytest.raises(ValueError, match=r"query_blocks\.0"):
        import_state(saim_tiny(share_weights=True), state, key_map=SAIM)


def test_shared_weights_do_not_fit_a_network_with_query_blocks_of_its_own(state):
    with pytest.raises(ValueError, match=r"query_blocks\.0"):
        import_state(saim_tiny(), shared(state), key_map=SAIM)


@pytest.mark.parametrize(
    ("pool", "missing"),
    [
        ("class_token", ["head.bias", "head.weight"]),
        ("mean", ["fc_norm.bias", "fc_norm.weight", "head.bias", "head.weight"]),
    ],
)
def test_pre_trained_weights_leave_exactly_the_head_of_a_classifier_missing(state, pool, missing):
    encoder = MaskedViT(image_size=32, patch_size=8, embed_dim=48, depth=4, num_heads=4, trainable_positions=True)
    model = Classifier(encoder=encoder, num_classes=5, pool=pool)
    report = import_state(model, state, key_map=SAIM_CLASSIFIER, strict=False)
    assert report.missing == missing
