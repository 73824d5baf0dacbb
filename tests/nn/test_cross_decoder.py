"""The cross-attention decoder: each hidden token by itself, from the encoder's features."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.nn.cross_decoder import CrossDecoder
from medmae.nn.vit import MaskedViT

CLOSE = {"atol": 1e-5, "rtol": 1e-4}


def encoder():
    return MaskedViT(image_size=(3, 4), patch_size=1, in_channels=1, embed_dim=10, depth=3, num_heads=2)


@pytest.fixture(params=[True, False], ids=["inter-block", "last output"])
def decoder(request):
    torch.manual_seed(0)
    return CrossDecoder(encoder(), dim=16, depth=2, num_heads=2, inter_block=request.param)


@pytest.fixture
def mask():
    return Mask.from_noise(torch.rand(2, 12, generator=torch.Generator().manual_seed(0)), num_visible=5)


@pytest.fixture
def stages():
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, 6, 10, generator=generator) for _ in range(5)]  # embedding, 3 blocks, norm


def test_a_prediction_does_not_depend_on_which_other_tokens_are_decoded(decoder, mask, stages):
    everything = decoder(stages, mask)
    few = Mask(mask.visible, mask.masked[:, [4, 1]], 12, skipped=5)
    assert_close(decoder(stages, few), everything[:, [4, 1]], **CLOSE)


def test_masked_tokens_alone_are_the_rows_of_the_whole(decoder, mask, stages):
    whole = decoder(stages, mask, masked_only=False)
    assert whole.shape == (2, 12, 16)
    assert_close(decoder(stages, mask), mask.hidden(whole), **CLOSE)


def test_a_query_is_the_mask_token_at_its_position(decoder, mask, stages):
    for block in decoder.blocks:  # with nothing added, the queries come out as they went in
        for linear in (block.attn.proj, block.mlp.fc2):
            torch.nn.init.zeros_(linear.weight)
            torch.nn.init.zeros_(linear.bias)
    assert_close(decoder(stages, mask), decoder.mask_token + decoder.pos_embed[0][mask.masked])


def test_the_order_of_the_encoder_s_tokens_does_not_matter(decoder, mask, stages):
    order = [3, 0, 5, 4, 2, 1]
    assert_close(decoder([stage[:, order] for stage in stages], mask), decoder(stages, mask), **CLOSE)


@pytest.mark.parametrize("token", [0, 3], ids=["class token", "visible token"])
def test_every_token_of_the_encoder_is_read(decoder, mask, stages, token):
    other = [stage.clone() for stage in stages]
    other[-1][:, token] = torch.randn(10)
    assert not torch.allclose(decoder(other, mask), decoder(stages, mask), atol=1e-4)


def test_each_block_reads_a_combination_of_its_own_of_embedding_blocks_and_norm(mask, stages):
    decoder = CrossDecoder(encoder(), dim=16, depth=2, num_heads=2)
    with torch.no_grad():
        decoder.mixer.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0.5, 2]]))
    first, second = decoder.sources(stages)
    normalise = torch.nn.LayerNorm(10, eps=1e-6)
    assert_close(first, normalise(stages[0]))
    assert_close(second, normalise(0.5 * stages[2] + 2 * stages[4]))  # stage 3 enters through the norm, stage 4


def test_the_first_block_reads_the_first_combination(decoder, mask, stages):
    seen = []
    for block in decoder.blocks:
        block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    decoder(stages, mask)
    assert all(torch.equal(one, other) for one, other in zip(seen, decoder.sources(stages), strict=True))


def test_without_inter_block_every_block_reads_the_encoder_s_output(stages):
    decoder = CrossDecoder(encoder(), dim=16, depth=2, num_heads=2, inter_block=False)
    assert [source is stages[-1] for source in decoder.sources(stages)] == [True, True]
    assert not [name for name, _ in decoder.named_parameters() if name.startswith("mixer")]


def test_every_parameter_gets_a_gradient_and_positions_are_fixed(decoder, mask, stages):
    decoder(stages, mask).square().sum().backward()
    assert [name for name, p in decoder.named_parameters() if p.requires_grad and not p.grad.any()] == []
    assert not decoder.pos_embed.requires_grad


def test_no_block_is_refused():
    with pytest.raises(ValueError, match="at least one block, got depth 0"):
        CrossDecoder(encoder(), dim=16, depth=0)


def test_a_width_that_does_not_suit_the_heads_is_refused():
    with pytest.raises(ValueError, match="width 16 is not a multiple of 3 heads"):
        CrossDecoder(encoder(), dim=16, num_heads=3)
