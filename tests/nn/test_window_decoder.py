"""The decoder of windows: timm's blocks, and what reads what."""

from __future__ import annotations

import pytest
import torch
from timm.models.swin_transformer_v2_cr import SwinTransformerV2CrBlock
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.nn.vit import MaskedViT
from medmae.nn.window_decoder import CosineWindowBlock, WindowDecoder


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def encoder(grid=(8, 8)):
    torch.manual_seed(0)
    return MaskedViT(image_size=grid, patch_size=(1, 1), in_channels=1, embed_dim=16, depth=1, num_heads=2)


@pytest.mark.parametrize("shift", [(0, 0), (2, 2)])
def test_a_block_is_timm_s(shift):
    torch.manual_seed(0)
    theirs = SwinTransformerV2CrBlock(
        24, 3, feat_size=(8, 12), window_size=(4, 4), shift_size=shift, init_values=None
    ).eval()
    ours = CosineWindowBlock(grid=(8, 12), dim=24, num_heads=3, window=(4, 4), shift=shift, norm_eps=1e-5)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours.load_state_dict(theirs.state_dict())
    tokens = torch.randn(2, 96, 24, generator=seeded(1))
    assert_close(ours(tokens), theirs(tokens.reshape(2, 8, 12, 24)).reshape(2, 96, 24), atol=1e-5, rtol=1e-4)


def touched(depth):
    """Which tokens change with the first one, of windows of 4 on 8 x 8 tokens."""
    decoder = WindowDecoder(encoder(), dim=12, depth=depth, num_heads=2).eval()
    latent = torch.randn(1, 1 + 32, 16, generator=seeded(2))
    mask = Mask(torch.arange(0, 64, 2)[None], torch.arange(1, 64, 2)[None], 64)
    other = latent.clone()
    other[:, 1] += 1.0
    before, after = (decoder(some, mask, masked_only=False) for some in (latent, other))
    return ((before - after).abs().amax(dim=2) > 1e-7).reshape(8, 8)


def test_a_token_reads_its_window_and_in_the_second_block_that_moved_along_time():
    first, both = touched(1), touched(2)
    assert torch.equal(first.nonzero().amax(dim=0), torch.tensor([3, 3]))
    assert first[:4, :4].all()
    assert not both[:, 4:].any()
    assert both[:6, :4].all()
    assert not both[6:].any()  # the ends of time are kept apart


def test_every_second_block_is_moved_and_no_other():
    blocks = WindowDecoder(encoder(), dim=12, depth=3, num_heads=2).blocks
    first, second, third = (block.order for block in blocks)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert [block.attn_mask is None for block in blocks] == [True, False, True]
    assert torch.equal(second.reshape(-1, 16)[0], first.reshape(-1, 16)[0] + 2 * 8)  # by half a window along time
    three = touched(3)
    assert three[:, :4].all()  # the third block's windows carry on to the end of time
    assert not three[:, 4:].any()  # and to no other band


def test_class_tokens_are_left_out_and_skipped_tokens_enter_as_hidden_ones():
    decoder = WindowDecoder(encoder(), dim=12, depth=2, num_heads=2).eval()
    latent = torch.randn(2, 1 + 10, 16, generator=seeded(2))
    order = torch.rand(2, 64, generator=seeded(3)).argsort(dim=1)
    whole = Mask(order[:, :10], order[:, 10:], 64)
    some = Mask(order[:, :10], order[:, 10:40], 64, skipped=24)
    assert_close(decoder(latent, some), decoder(latent, whole)[:, :30])
    other = latent.clone()
    other[:, 0] += 1.0
    assert torch.equal(decoder(latent, whole), decoder(other, whole))
    assert_close(whole.hidden(decoder(latent, whole, masked_only=False)), decoder(latent, whole))


def test_a_grid_that_windows_do_not_tile_is_refused():
    with pytest.raises(ValueError, match=r"windows of 4 tokens do not tile a grid of \(8, 6\)"):
        WindowDecoder(encoder((8, 6)), dim=12, num_heads=2)
