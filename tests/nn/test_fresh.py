"""Encoders drawn anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medmae.nn.positions import FlatSinusoid, LearnedPositions, SinCos
from medmae.nn.vit import MaskedViT

SIZES = {"image_size": (16, 24), "patch_size": 8, "in_channels": 1, "embed_dim": 24, "depth": 2, "num_heads": 2}


def trained(**options) -> MaskedViT:
    encoder = MaskedViT(**{**SIZES, **options})
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(3)
    return encoder


@pytest.mark.parametrize("class_token", ["first", "last", "none"])
def test_it_is_what_the_constructor_draws_of_the_same_seed_but_for_the_order_of_draws(class_token):
    fresh = trained(class_token=class_token).fresh(seed=0)
    torch.manual_seed(0)
    new = MaskedViT(**SIZES, class_token=class_token)
    for (name, ours), theirs in zip(fresh.named_parameters(), new.parameters(), strict=True):
        assert torch.isclose(ours.std(correction=0), theirs.std(correction=0), rtol=0.35, atol=1e-6), name
        assert abs(float(ours.detach().mean() - theirs.detach().mean())) < 0.1, name
    assert torch.equal(fresh.pos_embed, new.pos_embed)


def test_the_encoder_and_torch_s_generator_are_left_alone_and_the_seed_decides():
    encoder = trained()
    copy, before = {k: v.clone() for k, v in encoder.state_dict().items()}, torch.get_rng_state()
    first, again, other = (encoder.fresh(seed=seed) for seed in (0, 0, 1))
    weights = [each.blocks[0].mlp.fc1.weight for each in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert all(torch.equal(copy[name], value) for name, value in encoder.state_dict().items())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_parameter_that_no_rule_draws_is_named():
    encoder = trained()
    encoder.register_parameter("extra", nn.Parameter(torch.ones(3)))
    with pytest.raises(ValueError, match="extra"):
        encoder.fresh(seed=0)


@pytest.mark.parametrize("kind", [SinCos("first_first"), FlatSinusoid()], ids=str)
def test_positions_stay_of_their_kind(kind):
    fresh = trained(positions=kind).fresh(seed=0)
    assert torch.equal(fresh.pos_embed, MaskedViT(**SIZES, positions=kind).pos_embed)


def test_learned_positions_are_drawn_anew_by_the_seed():
    encoder = trained(positions=LearnedPositions(per_axis=True))
    first, again, other = (encoder.fresh(seed=seed).pos_embed for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.detach().abs().max()) < 0.1  # and nothing of the 3 that training has added


def test_a_patch_projection_drawn_as_a_convolution_is_drawn_so_again():
    fresh = trained(patch_init="convolution", embed_dim=256, num_heads=2).fresh(seed=0)
    bound = 64**-0.5  # of 1 x 8 x 8 values
    weight = fresh.patch_embed.proj.weight.detach()
    assert bound * 0.95 < float(weight.abs().max()) <= bound


def test_biases_of_queries_and_values_begin_at_zero_again():
    attention = trained(qkv_bias="query_value").fresh(seed=0).blocks[0].attn
    assert not attention.qkv.q_bias.any()
    assert not attention.qkv.v_bias.any()
