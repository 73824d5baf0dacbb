"""Patches from tokens by a transposed convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PatchDeconvolution(nn.Module):
    """LayerNorm and a transposed convolution, kernel and stride one patch, from tokens to patch values (BootMAE).

    As no two outputs overlap, it is applied as the product that it is: a linear layer whose bias is one number a
    channel. The weight keeps the convolution's shape ``(D, C, *patch)``, so that published checkpoints load.

    Args:
        dim: D.
        channels: C.
        patch: Extent of a patch along each axis.
        norm_eps: LayerNorm epsilon.
    """

    def __init__(self, *, dim: int, channels: int, patch: Sequence[int], norm_eps: float = 1e-6) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=norm_eps)
        self.weight = nn.Parameter(torch.empty(dim, channels, *patch))
        self.bias = nn.Parameter(torch.empty(channels))
        bound = (channels * math.prod(patch)) ** -0.5  # torch's default for such a convolution
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, M, D)`` -> ``(B, M, P)``, the channel fastest within a patch."""
        kernel = self.weight.movedim(1, -1).flatten(1)  # (D, P)
        bias = self.bias.repeat(kernel.shape[1] // len(self.bias))  # (P,)
        return nn.functional.linear(self.norm(tokens), kernel.t(), bias)
