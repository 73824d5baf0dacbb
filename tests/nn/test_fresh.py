"""Encoders drawn anew."""

from __future__ import annotations

import pytest
import torch
from torch import nn

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
