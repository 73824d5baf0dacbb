"""A transposed convolution that is a product."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.nn.deconvolution import PatchDeconvolution
from medmae.tokens.patches import Patches

CONVOLUTIONS = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@pytest.mark.parametrize("size", [(12,), (12, 8), (8, 4, 12)])
@pytest.mark.parametrize("channels", [1, 3])
def test_joined_patches_are_the_transposed_convolution_of_the_grid(size, channels):
    torch.manual_seed(0)
    patches = Patches.of(size=size, patch=4, channels=channels)
    head = PatchDeconvolution(dim=6, channels=channels, patch=patches.patch)
    tokens = torch.randn(2, patches.num_tokens, 6)
    grid = head.norm(tokens).transpose(1, 2).reshape(2, 6, *patches.grid)
    expected = CONVOLUTIONS[len(size)](grid, head.weight, head.bias, stride=4)
    assert_close(patches.unpatchify(head(tokens)), expected, atol=1e-5, rtol=1e-4)


def test_it_is_a_linear_layer_whose_bias_is_one_number_a_channel():
    head = PatchDeconvolution(dim=6, channels=3, patch=(2, 2))
    assert head.bias.shape == (3,)
    constant = head(torch.ones(1, 1, 6))  # normalised to zeros, so that the bias alone is left
    assert_close(constant.view(4, 3), head.bias.expand(4, 3))


def test_initial_weights_are_torch_s_own():
    torch.manual_seed(0)
    head, theirs = PatchDeconvolution(dim=32, channels=3, patch=(8, 8)), torch.nn.ConvTranspose2d(32, 3, 8, 8)
    assert head.weight.shape == theirs.weight.shape
    assert head.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.05)
    assert head.weight.abs().max().item() == pytest.approx(theirs.weight.abs().max().item(), rel=0.01)
