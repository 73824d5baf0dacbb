"""Dual-scale Selective Fusion of MT-Net: a decoder chooses, in space and by channel, between two scales.

Li et al., IEEE TMI 2023, doi 10.1109/TMI.2023.3288001. Parameters keep the shapes of the published convolutions, for
the sake of files; they are applied as the products that such convolutions are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.swin import spread_cells


class DepthwiseUpsampling(nn.Module):
    """A transposed convolution of 2 x 2 (x 2) with stride 2, each channel by itself: no two outputs overlap.

    Args:
        grid: Tokens along each axis of the input.
        dim: C.
    """

    def __init__(self, *, grid: Sequence[int], dim: int) -> None:
        super().__init__()
        self.grid = list(grid)
        self.weight = nn.Parameter(torch.empty(dim, 1, *(2,) * len(self.grid)))
        self.bias = nn.Parameter(torch.empty(dim))
        bound = (2 ** len(self.grid)) ** -0.5  # torch's default for such a convolution
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, 2^n N, C)``."""
        kernel = self.weight.flatten(1).t()  # (2^n, C)
        return spread_cells(torch.addcmul(self.bias, tokens.unsqueeze(2), kernel), self.grid)


class SpatialGate(nn.Module):
    """Weighs each token by what it and the decoder say: a 1 x 1 convolution from both to one number.

    Args:
        dim: C.
        ndim: Axes of the grid.
    """

    def __init__(self, *, dim: int, ndim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, 2 * dim, *(1,) * ndim))
        self.bias = nn.Parameter(torch.empty(1))
        bound = (2 * dim) ** -0.5  # torch's default for such a convolution
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        """Both ``(B, N, C)`` -> gated ``skip``."""
        of_skip, of_decoder = self.weight.view(2, 1, -1).unbind(0)  # (1, C) each
        return (F.linear(skip, of_skip) + F.linear(decoder, of_decoder, self.bias)).sigmoid() * skip


class DualScaleFusion(nn.Module):
    """Merges the skips of a coarse and a fine branch.

    Args:
        grid: Tokens along each axis of the fine skip; the coarse one has half as many.
        dim: C, of both.
    """

    def __init__(self, *, grid: Sequence[int], dim: int) -> None:
        super().__init__()
        self.up = DepthwiseUpsampling(grid=[length // 2 for length in grid], dim=dim)
        self.coarse_gate = SpatialGate(dim=dim, ndim=len(grid))
        self.fine_gate = SpatialGate(dim=dim, ndim=len(grid))

    def forward(self, decoder: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        """``(B, N, C)``, ``(B, N / 2^n, C)`` and ``(B, N, C)`` -> ``(B, N, C)``."""
        coarse, fine = self.coarse_gate(self.up(coarse), decoder), self.fine_gate(fine, decoder)
        of_coarse, of_fine = scale_shares(coarse, fine).unbind(0)
        return of_coarse * coarse + of_fine * fine


def scale_shares(coarse: Tensor, fine: Tensor) -> Tensor:
    """How much of each scale is taken, channel by channel: ``(2, B, 1, C)``, the two adding up to 1."""
    return torch.stack([coarse.mean(dim=1, keepdim=True), fine.mean(dim=1, keepdim=True)]).softmax(dim=0)
