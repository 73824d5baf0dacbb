"""The decoder sees every token, and computes for hidden ones only what a loss will read."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.vit import MaskedViT


def encoder():
    return MaskedViT(image_size=(3, 4), patch_size=1, in_channels=1, embed_dim=10, depth=1, num_heads=2)


@pytest.fixture(params=[0, 1, 2], ids=["no prefix", "class token", "class and another token"])
def prefix(request):
    return request.param


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return MaskedDecoder(encoder(), dim=16, depth=2, num_heads=2)


@pytest.fixture
def mask():
    return Mask.from_noise(torch.rand(2, 12, generator=torch.Generator().manual_seed(0)), num_visible=5)


@pytest.fixture
def latent(prefix):
    return torch.randn(2, prefix + 5, 10, generator=torch.Generator().manual_seed(1))


def test_masked_tokens_alone_are_the_rows_of_the_whole(decoder, mask, latent):
    whole = decoder(latent, mask, masked_only=False)
    assert whole.shape == (2, 12, 16)
    assert_close(decoder(latent, mask), mask.hidden(whole), atol=1e-5, rtol=1e-4)


def test_every_block_is_applied_once(decoder, mask, latent, prefix):
    first, second = decoder.blocks
    tokens = second(first(decoder.tokens(latent, mask)))
    assert_close(decoder(latent, mask), tokens[:, prefix + 5 :], atol=1e-5, rtol=1e-4)


def test_the_order_of_visible_tokens_leaves_predictions_unchanged(decoder, mask, latent, prefix):
    order = torch.tensor([3, 0, 4, 2, 1])
    turned = Mask(mask.visible[:, order], mask.masked, 12)
    shuffled = torch.cat([latent[:, :prefix], latent[:, prefix:][:, order]], dim=1)
    assert_close(decoder(shuffled, turned), decoder(latent, mask), atol=1e-5, rtol=1e-4)


def test_the_whole_is_in_raster_order_whatever_the_order_of_masked_tokens(decoder, mask, latent):
    turned = Mask(mask.visible, mask.masked.flip(1), 12)
    whole, other = (decoder(latent, m, masked_only=False) for m in (mask, turned))
    assert_close(other, whole, atol=1e-5, rtol=1e-4)


def test_a_hidden_token_enters_as_the_mask_token_at_its_own_position(decoder, mask, latent, prefix):
    tokens = decoder.tokens(latent, mask)
    assert tokens.shape == (2, prefix + 12, 16)
    positions = decoder.pos_embed[0, 1:]
    assert_close(tokens[:, prefix + 5 :], decoder.mask_token + positions[mask.masked])
    assert_close(tokens[:, prefix : prefix + 5], decoder.embed(latent)[:, prefix:] + positions[mask.visible])


def test_a_class_token_enters_without_a_position(decoder, mask, latent, prefix):
    assert_close(decoder.tokens(latent, mask)[:, :prefix], decoder.embed(latent)[:, :prefix])


def test_the_class_token_is_attended_to(decoder, mask):
    latent = torch.randn(2, 6, 10)
    other = latent.clone()
    other[:, 0] += 1
    assert not torch.allclose(decoder(latent, mask), decoder(other, mask), atol=1e-4)


def test_one_block_is_enough(mask):
    decoder = MaskedDecoder(encoder(), dim=16, depth=1, num_heads=2)
    latent = torch.randn(2, 6, 10)
    assert_close(decoder(latent, mask), mask.hidden(decoder(latent, mask, masked_only=False)), atol=1e-5, rtol=1e-4)


def test_no_block_is_refused():
    with pytest.raises(ValueError, match="at least one block, got depth 0"):
        MaskedDecoder(encoder(), depth=0)


def test_positions_are_fixed_and_the_mask_token_is_learned(decoder):
    assert not decoder.pos_embed.requires_grad
    assert decoder.mask_token.requires_grad


def test_a_padded_mask_decodes_each_sample_as_it_would_alone(decoder):
    table = torch.zeros(2, 12, dtype=torch.bool)
    table[0, :7], table[1, [2, 9]] = True, True
    mask, tokens = Mask.from_bool(table), torch.randn(2, 12, 10)
    latent = mask.keep(tokens)
    together, whole = decoder(latent, mask), decoder(latent, mask, masked_only=False)
    for number, count in enumerate((7, 2)):
        alone = Mask.from_bool(table[number : number + 1])
        expected = decoder(alone.keep(tokens[number : number + 1]), alone)
        assert_close(together[number : number + 1, :count], expected, atol=1e-5, rtol=1e-4)
        assert_close(alone.hidden(whole[number : number + 1]), expected, atol=1e-5, rtol=1e-4)
