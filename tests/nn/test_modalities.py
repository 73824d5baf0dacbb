"""Several modalities before one encoder."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.masking import BudgetMasking
from medmae.nn.modalities import adapters_beside, embed_modalities, encode_modalities, modality_encoder
from medmae.tokens.modalities import ModalityPatches

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


@pytest.fixture
def tokens():
    return ModalityPatches(size=(8, 12), patch=4, channels={"rgb": 3, "h": 1, "e": 1})


@pytest.fixture
def encoder(tokens):
    torch.manual_seed(0)
    return modality_encoder(tokens, dim=16, depth=2, num_heads=2, mlp_ratio=4.0, norm_eps=1e-6)


@pytest.fixture
def adapters(encoder, tokens):
    torch.manual_seed(1)
    return adapters_beside(encoder, tokens)


@pytest.fixture
def rows(tokens):
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(4, 6, part.num_values, generator=generator) for part in tokens.patches.values()]


@pytest.fixture
def visible():
    masking = BudgetMasking(num_modalities=3, tokens_each=6, num_visible=7)
    return masking.sample(4, generator=torch.Generator().manual_seed(3)).visible


def test_each_token_is_its_own_projection_and_position(encoder, adapters, rows, visible):
    every = [encoder.embed(rows[0], use_class_token=False)]
    for adapter, values in zip(adapters.values(), rows[1:], strict=True):
        every.append(adapter.proj(values) + adapter.pos_embed)
    wanted = torch.cat(every, dim=1).gather(1, visible.unsqueeze(2).expand(-1, -1, 16))
    assert_close(embed_modalities(encoder, adapters, rows, visible), wanted, **CLOSE)


def test_the_class_token_comes_last_and_no_norm_after_it(encoder, adapters, rows, visible):
    latent = encode_modalities(encoder, adapters, rows, visible)
    assert latent.shape == (4, 8, 16)
    tokens = torch.cat([embed_modalities(encoder, adapters, rows, visible), encoder.cls_token.expand(4, 1, 16)], dim=1)
    for block in encoder.blocks:
        tokens = block(tokens)
    assert torch.equal(latent, tokens)


def test_with_tokens_of_the_first_modality_alone_it_is_the_encoder_itself(encoder, adapters, rows):
    some = torch.tensor([[4, 0, 2]] * 4)
    assert_close(encode_modalities(encoder, adapters, rows, some), encoder.forward_patches(rows[0], some), **CLOSE)


def test_a_modality_without_a_visible_token_still_has_a_gradient_of_zero(encoder, adapters, rows):
    encode_modalities(encoder, adapters, rows, torch.tensor([[4, 7, 2]] * 4)).square().sum().backward()
    assert adapters["h"].proj.weight.grad.any()
    assert not adapters["e"].proj.weight.grad.any()


def test_embedding_costs_one_projection_of_each_modality_for_a_visible_token_and_nothing_for_a_hidden_one(
    encoder, adapters, rows
):
    def work(visible):
        with FlopCounterMode(display=False) as counter:
            embed_modalities(encoder, adapters, rows, visible)
        return counter.get_total_flops()

    values = 48 + 16 + 16
    assert work(torch.tensor([[0, 5, 7], [0, 1, 2], [6, 8, 13], [3, 9, 17]])) == 2 * 16 * 4 * 3 * values
    assert work(torch.tensor([[0], [1], [6], [17]])) == 2 * 16 * 4 * values


def test_shapes_do_not_depend_on_the_mask_so_that_the_step_is_one_graph(encoder, adapters, rows, visible):
    explained = torch._dynamo.explain(lambda: embed_modalities(encoder, adapters, rows, visible).sum())()
    torch._dynamo.reset()
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)


@pytest.mark.parametrize("modality", [0, 1, 2])
def test_what_is_hidden_is_never_looked_at(encoder, adapters, rows, visible, modality):
    before = encode_modalities(encoder, adapters, rows, visible)
    hidden = torch.ones(4, 18, dtype=torch.bool).scatter(1, visible, False).unflatten(1, (3, 6))[:, modality]
    rows[modality] = torch.where(hidden.unsqueeze(2), float("nan"), rows[modality])
    assert torch.equal(encode_modalities(encoder, adapters, rows, visible), before)


def test_positions_count_rows_first_even_on_a_grid_that_is_not_square(encoder, adapters):
    table = encoder.pos_embed[0].unflatten(0, (2, 3))  # (rows, columns, D)
    assert_close(table[0, :, :8], table[0, :1, :8].expand(3, 8))  # the first half is the row's
    assert_close(table[:, 0, 8:], table[:1, 0, 8:].expand(2, 8))  # the second the column's
    assert not torch.allclose(table[0, 0, :8], table[1, 0, :8])
    assert table[1, 0, 0].item() == pytest.approx(torch.tensor(1.0).sin().item(), abs=1e-6)
    for adapter in adapters.values():
        assert torch.equal(adapter.pos_embed, encoder.pos_embed)
        assert not adapter.pos_embed.requires_grad


def test_initialisation_takes_queries_keys_and_values_one_by_one(tokens):
    encoder = modality_encoder(tokens, dim=96, depth=1, num_heads=3, mlp_ratio=4.0, norm_eps=1e-6)
    attention, projection = encoder.blocks[0].attn, encoder.patch_embed.proj
    for weight, bound in ((attention.qkv.weight, (6 / 192) ** 0.5), (attention.proj.weight, (6 / 192) ** 0.5)):
        assert 0.97 * bound < weight.abs().max() <= bound
    assert not projection.bias.any()
    assert not adapters_beside(encoder, tokens)["h"].proj.bias.any()


def test_the_encoder_is_multimae_s(encoder):
    assert encoder.class_token_place == "last"
    assert not [key for key in encoder.state_dict() if key.startswith("norm.")]
    assert encoder.patches.channels == 3
