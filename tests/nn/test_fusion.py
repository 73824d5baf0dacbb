"""Dual-scale Selective Fusion."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from medmae.nn.fusion import DepthwiseUpsampling, DualScaleFusion, SpatialGate, scale_shares

CLOSE = {"atol": 1e-6, "rtol": 1e-5}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def as_maps(tokens, grid):
    """``(B, N, C)`` -> ``(B, C, *grid)``."""
    return tokens.transpose(1, 2).unflatten(2, grid)


@pytest.mark.parametrize(("grid", "convolution"), [((3, 4), nn.ConvTranspose2d), ((2, 3, 4), nn.ConvTranspose3d)])
def test_upsampling_is_a_depthwise_transposed_convolution(grid, convolution):
    ours, theirs = DepthwiseUpsampling(grid=grid, dim=6), convolution(6, 6, 2, stride=2, groups=6)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.randn(2, torch.tensor(grid).prod(), 6)
    assert_close(as_maps(ours(tokens), [2 * length for length in grid]), theirs(as_maps(tokens, grid)), **CLOSE)


def test_a_gate_is_a_convolution_of_skip_then_decoder_and_shared_by_all_channels():
    ours, theirs = SpatialGate(dim=6, ndim=2), nn.Conv2d(12, 1, 1)
    theirs.load_state_dict(ours.state_dict())
    skip, decoder = torch.randn(2, 12, 6), torch.randn(2, 12, 6)
    gate = theirs(as_maps(torch.cat([skip, decoder], dim=2), (3, 4))).sigmoid()  # (B, 1, 3, 4)
    assert_close(as_maps(ours(skip, decoder), (3, 4)), gate * as_maps(skip, (3, 4)), **CLOSE)


def test_shares_of_both_scales_add_up_to_1_in_each_channel():
    shares = scale_shares(3 * torch.randn(2, 12, 6), 3 * torch.randn(2, 12, 6))
    assert shares.shape == (2, 2, 1, 6)
    assert_close(shares.sum(dim=0), torch.ones(2, 1, 6))
    assert shares.std() > 0.01


def test_equal_pooled_responses_share_by_halves():
    coarse = torch.randn(2, 12, 6)
    assert_close(scale_shares(coarse, coarse.flip(1)), torch.full((2, 2, 1, 6), 0.5))


@pytest.mark.parametrize("grid", [(4, 6), (2, 4, 6)])
def test_the_result_has_the_shape_of_the_fine_skip_and_is_the_shared_sum_of_gated_skips(grid):
    fusion, count = DualScaleFusion(grid=grid, dim=6), torch.tensor(grid).prod().item()
    decoder, fine = torch.randn(2, count, 6), torch.randn(2, count, 6)
    coarse = torch.randn(2, count >> len(grid), 6)
    a, b = fusion.coarse_gate(fusion.up(coarse), decoder), fusion.fine_gate(fine, decoder)
    c = torch.softmax(torch.stack([a.mean(1), b.mean(1)]), dim=0).unsqueeze(2)
    fused = fusion(decoder, coarse, fine)
    assert fused.shape == fine.shape
    assert_close(fused, c[0] * a + c[1] * b, **CLOSE)


def test_fresh_parameters_are_drawn_as_torch_draws_those_of_such_convolutions():
    ours, theirs = DepthwiseUpsampling(grid=(2, 2), dim=4096), nn.ConvTranspose2d(4096, 4096, 2, 2, groups=4096)
    gate, convolution = SpatialGate(dim=4096, ndim=2), nn.Conv2d(8192, 1, 1)
    for mine, other in ((ours.weight, theirs.weight), (ours.bias, theirs.bias), (gate.weight, convolution.weight)):
        assert mine.shape == other.shape
        assert mine.std().item() == pytest.approx(other.std().item(), rel=0.05)
        assert mine.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.05)
