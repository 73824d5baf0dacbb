"""Decoders that are handed features of the encoder."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.nn.checkpointing import checkpoint_activations
from medmae.nn.injection import InjectionBlock, InjectionDecoder
from medmae.nn.vit import MaskedViT

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def encoder(**sizes):
    small = {"image_size": (3, 4), "patch_size": 1, "in_channels": 1, "embed_dim": 12, "depth": 1, "num_heads": 3}
    return MaskedViT(**{**small, **sizes})


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return InjectionDecoder(encoder(), dim=16, depth=2)


@pytest.fixture
def mask():
    return Mask.from_noise(torch.rand(2, 12, generator=seeded(0)), num_visible=5)


@pytest.fixture
def latent():
    return torch.randn(2, 6, 12, generator=seeded(1))


@pytest.fixture
def source():
    return torch.randn(2, 6, 12, generator=seeded(2))


@pytest.fixture
def positions():
    return torch.randn(1, 12, 16, generator=seeded(3))


def entering(decoder, *inputs, **options):
    """What enters the first block."""
    seen = []
    handle = decoder.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    decoder(*inputs, **options)
    handle.remove()
    return seen[0]


def test_masked_tokens_alone_are_the_rows_of_the_whole(decoder, latent, source, mask, positions):
    whole = decoder(latent, source, mask, positions=positions, masked_only=False)
    assert whole.shape == (2, 12, 16)
    assert_close(decoder(latent, source, mask, positions=positions), mask.hidden(whole), **CLOSE)


def test_only_hidden_tokens_get_a_position(decoder, latent, source, mask, positions):
    tokens = entering(decoder, latent, source, mask, positions=positions)
    assert_close(tokens[:, :6], decoder.embed(latent))
    assert_close(tokens[:, 6:], decoder.mask_token + positions[0][mask.masked])


def test_the_order_of_visible_tokens_and_of_the_source_does_not_matter(decoder, latent, source, mask, positions):
    order = torch.tensor([3, 0, 4, 2, 1])
    turned = Mask(mask.visible[:, order], mask.masked, 12)
    shuffled = torch.cat([latent[:, :1], latent[:, 1:][:, order]], dim=1)
    for only in (True, False):
        straight = decoder(latent, source, mask, positions=positions, masked_only=only)
        other = decoder(shuffled, source.flip(1), turned, positions=positions, masked_only=only)
        assert_close(other, straight, **CLOSE)


@pytest.mark.parametrize("token", [0, 3], ids=["class token", "visible token"])
def test_every_injected_token_is_read(decoder, latent, source, mask, positions, token):
    other = source.clone()
    other[:, token] = torch.randn(12, generator=seeded(5))
    before, after = (decoder(latent, given, mask, positions=positions) for given in (source, other))
    assert not torch.allclose(before, after, atol=1e-4)


def test_without_a_source_no_cross_attention_is_built(latent, mask, positions):
    decoder = InjectionDecoder(encoder(), dim=16, depth=2, inject=False)
    assert not [name for name, _ in decoder.named_parameters() if "cross" in name or "source" in name]
    assert decoder(latent, None, mask, positions=positions).shape == (2, 7, 16)


def test_a_block_reads_itself_then_the_source_then_its_mlp(source):
    torch.manual_seed(0)
    block = InjectionBlock(dim=16, source_dim=12, num_heads=4, norm_eps=1e-6)
    x = torch.randn(2, 9, 16)
    normed = block.norm1(x)
    by_hand = x + block.attn(normed, normed)
    by_hand = by_hand + block.cross_attn(block.cross_norm(by_hand), block.source_norm(source))
    by_hand = by_hand + block.mlp(block.norm2(by_hand))
    assert_close(block(x, source, 9), by_hand, **CLOSE)
    assert_close(block(x, source, 4), by_hand[:, -4:], **CLOSE)


def test_heads_need_not_tile_the_width():
    block = InjectionBlock(dim=512, source_dim=768, num_heads=12)
    assert block.attn.q.weight.shape == (504, 512)
    assert block.attn.kv.weight.shape == (1008, 512)
    assert block.attn.proj.weight.shape == (512, 504)
    assert block.cross_attn.kv.weight.shape == (1008, 768)


def test_queries_keys_and_values_are_initialised_one_by_one():
    torch.manual_seed(0)
    block = InjectionDecoder(encoder(embed_dim=96, num_heads=4), dim=96, depth=1).blocks[0]
    bound = (6 / (96 + 96)) ** 0.5
    for attention in (block.attn, block.cross_attn):
        for weight in (attention.q.weight, attention.kv.weight[:96], attention.kv.weight[96:], attention.proj.weight):
            assert weight.abs().max().item() == pytest.approx(bound, rel=0.01)
        assert not attention.kv.bias.any()


def test_every_parameter_gets_a_gradient(decoder, latent, source, mask, positions):
    decoder(latent, source, mask, positions=positions).square().sum().backward()
    assert [name for name, p in decoder.named_parameters() if not p.grad.any()] == []


def test_recomputed_blocks_give_the_same_gradients(decoder, latent, source, mask, positions):
    gradients, wanted = [], [*decoder.parameters(), latent.requires_grad_(), source.requires_grad_()]
    for enabled in (False, True):
        assert checkpoint_activations(decoder, enabled=enabled) == 2
        loss = decoder(latent, source, mask, positions=positions).square().sum()
        gradients.append(torch.autograd.grad(loss, wanted))
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_a_decoder_beside_an_encoder_has_its_ratio_and_epsilon():
    network = MaskedViT(image_size=16, patch_size=8, embed_dim=8, depth=1, num_heads=2, mlp_ratio=3.0, norm_eps=1e-5)
    block = InjectionDecoder(network, dim=12, depth=1).blocks[0]
    assert block.mlp.fc1.out_features == 36
    assert {norm.eps for norm in block.modules() if isinstance(norm, torch.nn.LayerNorm)} == {1e-5}
    assert block.cross_attn.kv.in_features == 8
    assert InjectionDecoder(network, dim=12, depth=1, inject=False).blocks[0].cross_attn is None


def test_no_block_is_refused():
    with pytest.raises(ValueError, match="at least one block, got depth 0"):
        InjectionDecoder(encoder(), depth=0)


def test_more_heads_than_width_are_refused():
    with pytest.raises(ValueError, match="12 heads need a width of at least 12, got 8"):
        InjectionBlock(dim=8, source_dim=6, num_heads=12)
