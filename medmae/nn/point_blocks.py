"""Transformer blocks over tokens whose places come from coordinates and are added before each block anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medmae.nn.blocks import make_blocks


class PlacedBlocks(nn.Module):
    """Blocks, each of tokens plus their places (Point-MAE, MAE3D).

    Args:
        dim: D.
        depth: Blocks.
        num_heads: Of attention.
        head_dim: Width of a head; None: D / heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: Of the norms.
        drop_path: Stochastic depth.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        num_heads: int,
        head_dim: int | None = None,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-5,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.blocks = make_blocks(
            dim=dim,
            depth=depth,
            num_heads=num_heads,
            head_dim=head_dim,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            qkv_bias=False,
            drop_path=drop_path,
        )

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Both ``(B, N, D)`` -> ``(B, N, D)``."""
        for block in self.blocks:
            tokens = block(tokens + places)
        return tokens


class WithClassToken(nn.Module):
    """Blocks with a class token of their own, which is thrown away behind them: a place to keep what is of all.

    Args:
        blocks: The blocks.
        dim: D.
    """

    def __init__(self, blocks: PlacedBlocks, *, dim: int) -> None:
        super().__init__()
        self.inner = blocks
        self.cls_token, self.cls_place = (nn.Parameter(torch.randn(1, 1, dim)) for _ in range(2))

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Both ``(B, N, D)`` -> ``(B, N, D)``."""
        pairs = ((self.cls_token, tokens), (self.cls_place, places))
        tokens, places = (torch.cat([first.expand(len(rest), -1, -1), rest], dim=1) for first, rest in pairs)
        return self.inner(tokens, places)[:, 1:]
