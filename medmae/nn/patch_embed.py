"""The projection of patches to tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice

_CUT_AT_TWO = 0.87962566103423978  # the deviation of a standard normal that is cut at two of them
PatchInit = Literal["linear", "convolution", "lecun"]


class PatchProjection(nn.Module):
    """A strided patch convolution, applied as a matrix product to patches that are already cut.

    The weight keeps the convolution's shape ``(D, C, *patch)``, so that published checkpoints load key for key.

    Args:
        channels: C.
        patch: Extent of a patch along each axis.
        dim: D.
        init: ``linear`` draws the flattened matrix Xavier-uniform (MAE), ``convolution`` as torch draws one (VideoMAE),
            ``lecun`` as flax does (AV-MAE), without a bias.
    """

    def __init__(self, *, channels: int, patch: Sequence[int], dim: int, init: PatchInit = "linear") -> None:
        super().__init__()
        check_choice(init, get_args(PatchInit), name="patch_init")
        if channels < 1 or dim < 1:
            raise ValueError(f"tokens have one channel and one number at least, got {channels} channels, width {dim}")
        self.init = init
        self.weight = nn.Parameter(torch.empty(dim, channels, *patch))
        self.bias = nn.Parameter(torch.empty(dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights by the rule ``init``; the bias as a convolution's."""
        dim, fan_in = len(self.weight), math.prod(self.weight.shape[1:])
        if self.init == "linear":
            nn.init.xavier_uniform_(self.weight.view(dim, -1))
        elif self.init == "lecun":
            std = fan_in**-0.5 / _CUT_AT_TWO
            nn.init.trunc_normal_(self.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(self.bias)
            return
        else:
            nn.init.uniform_(self.weight, -(fan_in**-0.5), fan_in**-0.5)
        nn.init.uniform_(self.bias, -(fan_in**-0.5), fan_in**-0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """``(B, V, P)`` with the channel fastest -> ``(B, V, D)``."""
        return nn.functional.linear(rows, self.weight.movedim(1, -1).flatten(1), self.bias)


class PatchEmbed(nn.Module):
    """Holds the projection under timm's name ``patch_embed.proj``."""

    def __init__(self, *, channels: int, patch: Sequence[int], dim: int, init: PatchInit = "linear") -> None:
        super().__init__()
        self.proj = PatchProjection(channels=channels, patch=patch, dim=dim, init=init)

    def forward(self, rows: Tensor) -> Tensor:
        """``(B, V, P)`` -> ``(B, V, D)``."""
        return self.proj(rows)
