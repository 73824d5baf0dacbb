"""Learned queries of action units, by which each unit asks a face's tokens for what it needs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medmae.nn.cross_decoder import CrossBlock
from medmae.nn.init import initialise_linears


class UnitQueries(nn.Module):
    """Each unit asks by some learned queries, in one block of cross-attention, heads of 64 where the width allows it.

    Args:
        units: N.
        each: K, queries of a unit. Of one alone a pair of units would have nothing to choose from.
        dim: C, of queries and tokens.

    Raises:
        ValueError: If a unit has no query.
    """

    def __init__(self, *, units: int, each: int, dim: int) -> None:
        super().__init__()
        if each < 1:
            raise ValueError(f"a unit asks by at least one query, got {each}")
        self.query_token = nn.Parameter(torch.empty(units, each, dim))
        heads = math.gcd(dim, max(1, dim // 64))
        self.block = CrossBlock(dim=dim, source_dim=dim, num_heads=heads, mlp_ratio=4.0, norm_eps=1e-6)
        initialise_linears(self)
        nn.init.normal_(self.query_token, std=0.02)

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """Of faces ``(B, V, C)`` -> of units ``(B, N, K, C)``; ``keys`` ``(B, V)`` is False for padding."""
        asked: Tensor = self.block(self._asking(tokens), tokens, keys)  # (B, N * K, C)
        return asked.unflatten(1, self.query_token.shape[:2])

    @torch.no_grad()
    def shares(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        """How much each unit reads of each token, mean over its queries and heads, ``(B, N, V)``; adds up to 1."""
        asking = self.block.norm1(self._asking(tokens))
        shares: Tensor = self.block.attn.shares(asking, tokens, keys)  # (B, N * K, V)
        return shares.unflatten(1, self.query_token.shape[:2]).mean(dim=2)

    def _asking(self, tokens: Tensor) -> Tensor:
        return self.query_token.flatten(0, 1).to(tokens.dtype).expand(len(tokens), -1, -1)
