"""The decoder of one modality: its tokens ask, all that is visible answers."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.nn.modalities import modality_encoder
from medmae.nn.modality_decoder import ModalityDecoder
from medmae.tokens.modalities import ModalityPatches

CLOSE = {"atol": 1e-5, "rtol": 1e-4}
# Sample 0 shows rgb 4, rgb 0, h 2, e 5; sample 1 no rgb at all.
VISIBLE = torch.tensor([[4, 0, 8, 17], [6, 7, 12, 13]])


@pytest.fixture
def tokens():
    return ModalityPatches(size=(8, 12), patch=4, channels={"rgb": 3, "h": 1, "e": 1})


def build(tokens, modality="rgb", **options):
    torch.manual_seed(0)
    encoder = modality_encoder(tokens, dim=16, depth=1, num_heads=2, mlp_ratio=2.0, norm_eps=1e-5)
    decoder = ModalityDecoder(encoder, tokens, modality=modality, **{"dim": 8, "num_heads": 2, **options})
    for parameter in decoder.parameters():  # masks and embeddings apart from each other, norms not at rest
        if parameter.requires_grad and parameter.ndim != 2:
            torch.nn.init.normal_(parameter)
    return decoder


@pytest.fixture
def decoder(tokens):
    return build(tokens)


@pytest.fixture
def latent():
    return torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("modality", "values"), [("rgb", 48), ("h", 16), ("e", 16)])
def test_all_tokens_of_its_modality_are_predicted(tokens, latent, modality, values):
    assert build(tokens, modality)(latent, VISIBLE).shape == (2, 6, values)


def test_queries_are_visible_tokens_in_their_places_and_mask_tokens_elsewhere(decoder, latent):
    queries, _ = decoder.tokens(latent, VISIBLE)
    own = decoder.modality_embed["rgb"][0] + decoder.pos_embed[0]  # (6, dim)
    wanted = (decoder.mask_token[0] + own).expand(2, 6, 8).clone()
    seen = decoder.embed(latent)
    wanted[0, 4], wanted[0, 0] = seen[0, 0] + own[4], seen[0, 1] + own[0]
    assert_close(queries, wanted, **CLOSE)


def test_the_context_is_what_is_visible_each_with_its_modality_and_position(decoder, latent):
    _, context = decoder.tokens(latent, VISIBLE)
    seen, place = decoder.embed(latent), decoder.pos_embed[0]
    first = [("rgb", 4), ("rgb", 0), ("h", 2), ("e", 5)]
    for column, (name, index) in enumerate(first):
        assert_close(context[0, column], seen[0, column] + decoder.modality_embed[name][0, 0] + place[index], **CLOSE)
    assert_close(context[:, -1], seen[:, -1])  # the class token has neither
    assert context.shape == (2, 5, 8)


def test_there_is_no_residual_around_the_cross_attention_and_no_norm_before_the_prediction(tokens, latent):
    decoder = build(tokens, depth=0)
    queries, context = decoder.tokens(latent, VISIBLE)
    x = decoder.attn(decoder.query_norm(queries), decoder.context_norm(context))
    assert_close(decoder(latent, VISIBLE), decoder.pred(x + decoder.mlp(decoder.out_norm(x))), **CLOSE)


def test_the_order_of_visible_tokens_does_not_matter(decoder, latent):
    order = [2, 0, 3, 1]
    shuffled = torch.cat([latent[:, order], latent[:, 4:]], dim=1)
    assert_close(decoder(shuffled, VISIBLE[:, order]), decoder(latent, VISIBLE), **CLOSE)


@pytest.mark.parametrize("column", range(5), ids=["rgb", "rgb", "h", "e", "class token"])
def test_every_token_of_the_encoder_is_read(decoder, latent, column):
    other = latent.clone()
    other[:, column] += torch.randn(16)
    assert not torch.allclose(decoder(other, VISIBLE), decoder(latent, VISIBLE), atol=1e-4)


def test_the_same_token_of_another_modality_is_another_answer(decoder, latent):
    moved = VISIBLE.clone()
    moved[1, 2] = 0 + 3  # e 0 becomes rgb 3
    assert not torch.allclose(decoder(latent, moved)[1], decoder(latent, VISIBLE)[1], atol=1e-4)
    assert_close(decoder(latent, moved)[0], decoder(latent, VISIBLE)[0], **CLOSE)


def test_an_encoder_without_a_class_token_has_a_decoder_too(tokens, latent):
    decoder = build(tokens)
    assert decoder(latent[:, :4], VISIBLE).shape == (2, 6, 48)


def test_every_parameter_gets_a_gradient_and_positions_are_fixed(decoder, latent):
    decoder(latent, VISIBLE).square().sum().backward()
    idle = [name for name, p in decoder.named_parameters() if p.requires_grad and not p.grad.any()]
    assert idle == []
    assert not decoder.pos_embed.requires_grad


def test_initialisation_is_multimae_s(tokens):
    torch.manual_seed(0)
    encoder = modality_encoder(tokens, dim=64, depth=1, num_heads=2, mlp_ratio=2.0, norm_eps=1e-5)
    decoder = ModalityDecoder(encoder, tokens, modality="h", dim=64, num_heads=2)
    assert not decoder.mask_token.any()
    for packed in (decoder.attn.kv, decoder.blocks[0].attn.qkv):
        assert 0.96 * (6 / 128) ** 0.5 < packed.weight.abs().max() <= (6 / 128) ** 0.5
    assert decoder.modality_embed["e"].std().item() == pytest.approx(0.02, rel=0.3)
    assert {norm.eps for norm in (decoder.query_norm, decoder.context_norm, decoder.out_norm)} == {1e-5}
