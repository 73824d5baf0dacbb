"""The two-branch Swin U-Net of MT-Net: from the tokens of an encoder to a picture (IEEE TMI 2023).

The coarse branch works on the encoder's own grid, the fine one on a grid of twice its resolution, where each token is
repeated. Skips of both meet in the decoder. The quarter that the published code builds and never uses is not here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from medmae.nn.fusion import DualScaleFusion
from medmae.nn.heads import PatchHead
from medmae.nn.init import initialise_truncated
from medmae.nn.swin import PatchExpanding, PatchMerging, spread_cells, swin_blocks
from medmae.tokens.patches import unpatchify


class SwinStage(nn.Module):
    """Blocks on one grid, then merging."""

    def __init__(self, *, grid: Sequence[int], dim: int, blocks: nn.ModuleList, norm_eps: float) -> None:
        super().__init__()
        self.blocks = blocks
        self.downsample = PatchMerging(grid=grid, dim=dim, norm_eps=norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, N / 2^n, 2 C)``."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.downsample(tokens)


class DecoderLevel(nn.Module):
    """Takes in the skips of one level, then blocks, then expanding."""

    def __init__(self, *, grid: Sequence[int], dim: int, blocks: nn.ModuleList, norm_eps: float) -> None:
        super().__init__()
        self.fusion = DualScaleFusion(grid=grid, dim=dim)
        self.merge = nn.Linear(2 * dim, dim)
        self.blocks = blocks
        self.upsample = PatchExpanding(grid=grid, dim=dim, norm_eps=norm_eps)

    def forward(self, tokens: Tensor, coarse: Tensor, fine: Tensor) -> Tensor:
        """``(B, N, C)``, ``(B, N / 2^n, C)`` and ``(B, N, C)`` -> ``(B, 2^n N, C / 2)``."""
        tokens = self.merge(torch.cat([tokens, self.fusion(tokens, coarse, fine)], dim=2))
        for block in self.blocks:
            tokens = block(tokens)
        return self.upsample(tokens)


class SwinUNet(nn.Module):
    """Tokens of a masked ViT in, a picture with values in (0, 1) out; any number of axes.

    Args:
        grid: Tokens along each axis, as they come from the encoder.
        patch: Pixels of such a token along each axis; even, for a fine token stands for half as many.
        out_channels: Channels of the picture.
        embed_dim: D, width of the tokens; it doubles at each stage.
        depths: Blocks of each stage of either branch, and of the decoder's level beside it.
        num_heads: Heads of each stage, and of that level.
        window_size: Longest window along an axis.
        mlp_ratio: Hidden width of MLPs over their width.
        norm_eps: LayerNorm epsilon.

    Raises:
        ValueError: If depths and heads differ in number, a patch is odd, or the grid cannot be halved so often.
    """

    def __init__(
        self,
        *,
        grid: Sequence[int],
        patch: Sequence[int],
        out_channels: int = 1,
        embed_dim: int = 128,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (8, 8, 16, 32),
        window_size: int = 8,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        _check(grid=grid, patch=patch, depths=depths, num_heads=num_heads)
        stages = len(depths)
        self.grid, self.fine_grid = list(grid), [2 * length for length in grid]
        self.fine_patch = [extent // 2 for extent in patch]
        self.out_channels = out_channels
        grids = [[length >> stage for length in self.fine_grid] for stage in range(stages + 1)]  # of the fine branch
        dims = [embed_dim << stage for stage in range(stages + 1)]
        blocks = partial(swin_blocks, window_size=window_size, mlp_ratio=mlp_ratio, norm_eps=norm_eps)

        def stage(number: int, on: Sequence[int]) -> SwinStage:
            row = blocks(grid=on, dim=dims[number], depth=depths[number], num_heads=num_heads[number])
            return SwinStage(grid=on, dim=dims[number], blocks=row, norm_eps=norm_eps)

        def level(number: int) -> DecoderLevel:
            on, dim = grids[number + 1], dims[number + 1]
            row = blocks(grid=on, dim=dim, depth=depths[number], num_heads=num_heads[number])
            return DecoderLevel(grid=on, dim=dim, blocks=row, norm_eps=norm_eps)

        self.coarse = nn.ModuleList(stage(number, grids[number + 1]) for number in range(stages - 1))
        self.fine = nn.ModuleList(stage(number, grids[number]) for number in range(stages))
        self.norm = nn.LayerNorm(dims[-1], eps=norm_eps)
        self.expand = PatchExpanding(grid=grids[-1], dim=dims[-1], norm_eps=norm_eps)
        self.levels = nn.ModuleList(level(number) for number in range(stages - 2, -1, -1))
        initialise_truncated(self)
        values = out_channels * math.prod(self.fine_patch)
        self.head = PatchHead(dim=embed_dim, num_values=values, norm_eps=norm_eps, sigmoid=True)
        self.head.pred.reset_parameters()  # torch's own, as published

    def forward(self, tokens: Tensor, image: Tensor | None = None) -> Tensor:
        """``(B, N, D)`` -> ``(B, C, *size)`` in (0, 1); the picture that was given is not looked at."""
        coarse, fine = self.skips(tokens)
        tokens = self.expand(self.norm(fine[-1]))
        for index, level in enumerate(self.levels):  # the deepest first
            tokens = level(tokens, coarse[-1 - index], fine[-2 - index])
        return unpatchify(self.head(tokens), self.fine_grid, self.fine_patch, self.out_channels)

    def skips(self, tokens: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Outputs of each stage of the coarse and of the fine branch, ``(B, N_s, 2^s D)``."""
        batch, count, dim = tokens.shape
        repeated = tokens.unsqueeze(2).expand(batch, count, 1 << len(self.grid), dim)
        fine_tokens = spread_cells(repeated, self.grid)  # (B, 2^n N, D)
        coarse: list[Tensor] = []
        fine: list[Tensor] = []
        for stage in self.coarse:
            tokens = stage(tokens)
            coarse.append(tokens)
        for stage in self.fine:
            fine_tokens = stage(fine_tokens)
            fine.append(fine_tokens)
        return coarse, fine


def _check(*, grid: Sequence[int], patch: Sequence[int], depths: Sequence[int], num_heads: Sequence[int]) -> None:
    if len(depths) != len(num_heads) or len(depths) < 2:
        raise ValueError(f"a U-Net needs depths and heads of at least two stages, got {depths} and {num_heads}")
    if any(extent % 2 for extent in patch):
        raise ValueError(f"a patch is cut in half along each axis: its extents must be even, got {tuple(patch)}")
    step = 2 ** (len(depths) - 1)
    if any(length % step for length in grid):
        raise ValueError(
            f"a grid of {tuple(grid)} patches cannot be halved {len(depths) - 1} times: choose an image size that is a "
            f"multiple of {tuple(extent * step for extent in patch)}, or fewer stages"
        )
