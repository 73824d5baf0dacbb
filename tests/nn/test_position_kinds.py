"""Kinds of positions: how each is drawn, resized and trained."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.masking import RandomMasking
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import FeatureMap
from medmae.nn.positions import CoordinateEmbedding, FlatSinusoid, LearnedPositions, SinCos, sincos_table
from medmae.nn.vit import MaskedViT
from medmae.training.optim import layer_decay_groups

KINDS = [SinCos(), SinCos("first_first"), FlatSinusoid(), LearnedPositions(), LearnedPositions(per_axis=True)]
SIZES = {
    "image_size": (4, 16, 24),
    "patch_size": (2, 8, 8),
    "in_channels": 1,
    "embed_dim": 24,
    "depth": 2,
    "num_heads": 2,
}


def encoder(**options) -> MaskedViT:
    return MaskedViT(**{**SIZES, **options})


def test_a_vit_has_the_table_of_mae_unless_another_kind_is_asked_for():
    assert torch.equal(encoder().pos_embed, sincos_table(grid=(2, 2, 3), dim=24, prefix=1))


def test_a_flat_sinusoid_alternates_sines_and_cosines_over_the_flattened_index():
    table = FlatSinusoid().table(grid=(2, 3, 2), dim=10)
    assert table.shape == (1, 12, 10)
    assert table.dtype == torch.float32
    assert_close(table[0, 0], torch.tensor([0.0, 1.0] * 5))
    for token in range(12):
        angles = [token / 10000 ** (2 * (j // 2) / 10) for j in range(10)]
        wanted = [math.cos(a) if j % 2 else math.sin(a) for j, a in enumerate(angles)]
        assert_close(table[0, token], torch.tensor(wanted), atol=1e-7, rtol=1e-6)


def test_a_flat_sinusoid_is_computed_in_double_precision():
    table = FlatSinusoid().table(grid=(100_000,), dim=2)
    assert_close(table[0, -1].double(), torch.tensor([math.sin(99_999), math.cos(99_999)]).double(), atol=1e-7, rtol=0)


def test_a_flat_sinusoid_is_computed_anew_for_another_grid_and_never_interpolated():
    kind = FlatSinusoid()
    old, new = kind.table(grid=(2, 4, 4), dim=16, prefix=1), kind.table(grid=(4, 6, 6), dim=16, prefix=1)
    assert torch.equal(kind.resize(old, old_grid=(2, 4, 4), new_grid=(4, 6, 6), prefix=1), new)


def test_positions_that_are_computed_are_no_weights_and_refuse_to_be_trained():
    network = encoder(positions=FlatSinusoid())
    assert "pos_embed" not in {**network.state_dict(), **dict(network.named_parameters())}
    network.train_positions()
    assert not network.pos_embed.requires_grad
    with pytest.raises(ValueError, match="never trained"):
        encoder(positions=FlatSinusoid(), trainable_positions=True)


def test_fixed_positions_of_mae_can_be_trained_downstream_and_learned_ones_always_are():
    fixed = encoder()
    assert not fixed.pos_embed.requires_grad
    fixed.train_positions()
    assert fixed.pos_embed.requires_grad
    assert encoder(positions=LearnedPositions()).pos_embed.requires_grad


def test_learned_positions_are_drawn_from_a_truncated_normal():
    torch.manual_seed(0)
    table = LearnedPositions(std=0.5).table(grid=(40, 40), dim=64, prefix=1)
    assert table.shape == (1, 1601, 64)
    assert float(table.std()) == pytest.approx(0.5, rel=0.02)
    assert float(table.abs().max()) <= 2.0


def test_positions_along_each_axis_add_up():
    kind = LearnedPositions(per_axis=True)
    network = encoder(positions=kind, class_token="first")
    assert network.pos_embed.shape == (1, 1 + 2 + 2 + 3, 24)
    time, row, column = network.pos_embed[0, 1:].split([2, 2, 3])
    positions = network.token_positions().reshape(2, 2, 3, 24)
    for t in range(2):
        for r in range(2):
            for c in range(3):
                assert_close(positions[t, r, c], time[t] + row[r] + column[c])


def test_positions_along_one_axis_are_its_rows():
    kind = LearnedPositions(per_axis=True)
    assert kind.axis_rows((5,)).tolist() == [[0], [1], [2], [3], [4]]


def test_positions_along_each_axis_are_resized_along_it():
    kind = LearnedPositions(per_axis=True)
    table = torch.cat([torch.full((1, 1, 4), 9.0), torch.arange(5.0).reshape(1, 5, 1).expand(1, 5, 4)], dim=1)
    resized = kind.resize(table, old_grid=(2, 3), new_grid=(2, 6), prefix=1)
    assert torch.equal(resized[:, :3], table[:, :3])  # the prefix, and an axis that stays
    assert_close(resized[0, 3:, 0], torch.tensor([2.0, 2.25, 2.75, 3.25, 3.75, 4.0]))
    with pytest.raises(ValueError, match="is not 1 \\+ the axes of"):
        kind.resize(table, old_grid=(3, 3), new_grid=(2, 6), prefix=1)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_encoder_and_decoder_work_with_every_kind_and_hidden_positions_reach_the_decoder(kind):
    network = encoder(positions=kind)
    decoder = MaskedDecoder(network, dim=16, depth=1, num_heads=2)
    assert decoder.positions == kind
    mask = RandomMasking(num_tokens=12, ratio=0.5).sample(2, generator=torch.Generator().manual_seed(0))
    hidden = decoder(network(torch.rand(2, 1, 4, 16, 24), mask.visible), mask)  # (2, 6, 16)
    assert (hidden[:, 0] - hidden[:, 1]).abs().max() > 1e-4  # nothing but positions tells them apart


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_goes_through_torchscript(kind):
    network = FeatureMap(encoder=encoder(positions=kind)).eval()
    data = torch.rand(1, 1, 4, 16, 24)
    assert_close(torch.jit.script(network)(data), network(data))


def test_learned_positions_get_the_rate_of_the_first_layer_and_no_weight_decay():
    wrapped = nn.ModuleDict({"encoder": encoder(positions=LearnedPositions(per_axis=True))})
    groups = layer_decay_groups(wrapped, wrapped["encoder"].layers(), layer_decay=0.5, weight_decay=0.05)
    group = next(group for group in groups if "encoder.pos_embed" in group["names"])
    assert (group["lr_scale"], group["weight_decay"]) == (0.5**3, 0.0)


def test_positions_from_coordinates_follow_the_centres_and_need_no_grid():
    torch.manual_seed(0)
    embedding = CoordinateEmbedding(dim=24, num_axes=3)
    assert sum(p.numel() for p in embedding.parameters()) == 3 * 128 + 128 + 128 * 24 + 24
    centres = torch.rand(2, 7, 3)
    positions = embedding(centres)
    assert positions.shape == (2, 7, 24)
    order = torch.randperm(7)
    assert_close(embedding(centres[:, order]), positions[:, order])
    assert embedding(centres[:, :3]).shape == (2, 3, 24)


def test_positions_from_coordinates_are_drawn_anew():
    embedding = CoordinateEmbedding(dim=24, hidden=1024, activation=nn.ReLU)
    before = [parameter.clone() for parameter in embedding.parameters()]
    embedding.reset_parameters()
    assert not any(torch.equal(old, new) for old, new in zip(before, embedding.parameters(), strict=True))
