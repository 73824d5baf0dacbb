"""Swin blocks, patch merging and patch expanding on grids with any number of axes.

Z. Liu et al., "Swin Transformer", ICCV 2021, arXiv 2103.14030; expanding: H. Cao et al., "Swin-Unet", arXiv 2105.05537.
Names are timm's (its own blocks know two axes only), and in 2-d values are those of timm, too. Tokens stay in raster
order, ``(B, N, C)``; windows are a fixed permutation of them, so that one gather serves partition and shift alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.checkpointing import recomputed
from medmae.nn.mlp import MLP
from medmae.nn.windows import (
    WindowHeads,
    biased_windows,
    hold_windows,
    relative_positions,
    window_extents,
    window_shift,
)


class WindowAttention(WindowHeads):
    """Attention within windows, with one learned bias for each head and offset between two tokens.

    See :class:`~medmae.nn.windows.WindowHeads`.
    """

    def __init__(self, *, dim: int, num_heads: int, window: Sequence[int]) -> None:
        super().__init__(dim=dim, num_heads=num_heads)
        offsets = math.prod(2 * extent - 1 for extent in window)
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, num_heads))
        self.relative_position_index: Tensor  # said here: TorchScript cannot read it in the class
        self.register_buffer("relative_position_index", relative_positions(window), persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """``(B * W, L, C)`` -> ``(B * W, L, C)``; ``mask`` ``(W, L, L)`` is added to the scores."""
        count, length, dim = windows.shape
        qkv = self.qkv(windows).view(count, length, 3, self.num_heads, dim // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B * W, heads, L, d) each
        bias = biased_windows(self.bias(), mask, count)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        # Always a copy, though some kernels leave heads beside each other: an exporter may put another in their place.
        return self.proj(mixed.transpose(1, 2).clone(memory_format=torch.contiguous_format).view(count, length, dim))

    def bias(self) -> Tensor:
        """What is added to the score of each pair of tokens: ``(heads, L, L)``."""
        length = self.relative_position_index.shape[0]
        rows = self.relative_position_bias_table.index_select(0, self.relative_position_index.view(-1))
        return rows.view(length, length, self.num_heads).permute(2, 0, 1)


class SwinBlock(nn.Module):
    """Pre-norm block: attention within windows, then an MLP.

    Args:
        grid: Tokens along each axis.
        dim: C.
        num_heads: Heads.
        window_size: Longest window along an axis; see :func:`medmae.nn.windows.window_extents`.
        shifted: Whether windows are shifted by half, along the axes that have several.
        mlp_ratio: Hidden width of the MLP over C.
        norm_eps: LayerNorm epsilon.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def __init__(
        self,
        *,
        grid: Sequence[int],
        dim: int,
        num_heads: int,
        window_size: int,
        shifted: bool,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        window = window_extents(grid, limit=window_size)
        shift = window_shift(grid, window) if shifted else (0,) * len(window)
        self.order: Tensor
        self.back: Tensor
        self.attn_mask: Tensor | None
        self.window_length = hold_windows(self, grid=grid, window=window, shift=shift)
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = WindowAttention(dim=dim, num_heads=num_heads, window=window)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio))

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, N, C)``, tokens in raster order."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.whole(tokens)
        return recomputed(self, self.whole, tokens)

    def whole(self, tokens: Tensor) -> Tensor:
        """The block itself."""
        batch, _, dim = tokens.shape
        windows = self.norm1(tokens).index_select(1, self.order).view(-1, self.window_length, dim)  # (B * W, L, C)
        mixed = self.attn(windows, self.attn_mask).view(batch, -1, dim)
        tokens = tokens + mixed.index_select(1, self.back)
        return tokens + self.mlp(self.norm2(tokens))


def swin_blocks(
    *,
    grid: Sequence[int],
    dim: int,
    depth: int,
    num_heads: int,
    window_size: int,
    mlp_ratio: float = 4.0,
    norm_eps: float = 1e-5,
) -> nn.ModuleList:
    """``depth`` blocks on one grid, the second, fourth, ... of them shifted."""
    sizes = {"dim": dim, "num_heads": num_heads, "window_size": window_size}
    return nn.ModuleList(
        SwinBlock(grid=grid, shifted=index % 2 == 1, mlp_ratio=mlp_ratio, norm_eps=norm_eps, **sizes)
        for index in range(depth)
    )


class PatchMerging(nn.Module):
    """Every 2 x 2 (x 2) tokens become one of twice the width."""

    def __init__(self, *, grid: Sequence[int], dim: int, norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.grid = list(grid)
        parts = 2 ** len(self.grid)
        self.norm = nn.LayerNorm(parts * dim, eps=norm_eps)
        self.reduction = nn.Linear(parts * dim, 2 * dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, N / 2^n, 2 C)``."""
        return self.reduction(self.norm(gather_cells(tokens, self.grid)))


class PatchExpanding(nn.Module):
    """Every token becomes 2 x 2 (x 2) of half the width."""

    def __init__(self, *, grid: Sequence[int], dim: int, norm_eps: float = 1e-5) -> None:
        super().__init__()
        self.grid = list(grid)
        self.parts = 2 ** len(self.grid)
        self.expand = nn.Linear(dim, self.parts * dim // 2, bias=False)
        self.norm = nn.LayerNorm(dim // 2, eps=norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` on the grid given -> ``(B, 2^n N, C / 2)``."""
        batch, count, dim = tokens.shape
        cells = self.expand(tokens).view(batch, count, self.parts, dim // 2)
        return self.norm(spread_cells(cells, self.grid))


def gather_cells(tokens: Tensor, grid: list[int]) -> Tensor:
    """The 2^n tokens of each cell of two by two side by side, the first axis fastest: ``(B, N / 2^n, 2^n C)``."""
    ndim, batch, dim = len(grid), tokens.shape[0], tokens.shape[2]
    split = [batch]
    for length in grid:
        split += [length // 2, 2]
    order = [0] + [1 + 2 * axis for axis in range(ndim)]
    order += [2 + 2 * axis for axis in range(ndim - 1, -1, -1)] + [1 + 2 * ndim]
    return tokens.reshape(split + [dim]).permute(order).reshape(batch, -1, dim << ndim)  # noqa: RUF005


def spread_cells(cells: Tensor, grid: list[int]) -> Tensor:
    """Puts the 2^n tokens of each cell ``(B, N, 2^n, C)``, last axis fastest, in their places: ``(B, 2^n N, C)``."""
    ndim, batch, dim = len(grid), cells.shape[0], cells.shape[3]
    order = [0]
    for axis in range(ndim):
        order += [1 + axis, 1 + ndim + axis]
    shape = [batch] + grid + [2] * ndim + [dim]
    return cells.reshape(shape).permute(order + [1 + 2 * ndim]).reshape(batch, -1, dim)  # noqa: RUF005
