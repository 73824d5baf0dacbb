"""The decoder without self-attention: each hidden token reads the encoder's features for itself (CrossMAE).

A faster variant of MAE, and not the same maths: hidden tokens do not see each other, so any subset of them can be
decoded, and each prediction is the same whichever others are.

Paper: L. Fu, L. Lian, R. Wang, B. Shi, X. Wang, A. Yala, T. Darrell, A. A. Efros, K. Goldberg, "Rethinking Patch
Dependence for Masked Autoencoders", TMLR 2025, arXiv 2401.14391. Reference: TonyLianLong/CrossMAE (ed0677a),
read for facts only: its licence is non-commercial.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Mask, gather_tokens
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.positions import hold_positions, spread_axes
from medmae.nn.vit import MaskedViT


class CrossAttention(nn.Module):
    """Queries of width ``dim`` read keys and values of width ``source_dim``.

    Args:
        dim: Width of what asks, and of the output.
        source_dim: Width of what is read.
        num_heads: Attention heads.
        head_dim: Width of a head; None shares ``dim`` out, which must then be a multiple of the heads.

    Raises:
        ValueError: If the width does not suit the heads.
    """

    def __init__(self, *, dim: int, source_dim: int, num_heads: int, head_dim: int | None = None) -> None:
        super().__init__()
        if head_dim is None and dim % num_heads:
            raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
        inner = num_heads * (head_dim or dim // num_heads)
        self.num_heads = num_heads
        self.q = nn.Linear(dim, inner)
        self.kv = nn.Linear(source_dim, 2 * inner)
        self.proj = nn.Linear(inner, dim)

    def forward(self, tokens: Tensor, source: Tensor, keys: Tensor | None = None) -> Tensor:
        """``(B, M, dim)`` and ``(B, L, source_dim)`` -> ``(B, M, dim)``; ``keys`` ``(B, L)`` is False for padding."""
        query, key, value = self._heads(tokens, source)
        allowed = None if keys is None else keys[:, None, None]  # (B, 1, 1, L)
        return self.proj(F.scaled_dot_product_attention(query, key, value, allowed).transpose(1, 2).flatten(2))

    def shares(self, tokens: Tensor, source: Tensor, keys: Tensor | None = None) -> Tensor:
        """How much of each token of the source each query reads, the mean over heads, ``(B, M, L)``."""
        query, key, _ = self._heads(tokens, source)
        logits = query @ key.transpose(2, 3) * query.shape[3] ** -0.5  # (B, H, M, L)
        if keys is not None:
            logits = logits.masked_fill(~keys[:, None, None], -torch.inf)
        return logits.softmax(dim=3).mean(dim=1)

    def _heads(self, tokens: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries ``(B, H, M, inner / H)``, keys and values ``(B, H, L, inner / H)``."""
        key, value = self.kv(source).chunk(2, dim=2)  # (B, L, inner) each
        query, key, value = (
            part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in (self.q(tokens), key, value)
        )
        return query, key, value


class CrossBlock(nn.Module):
    """Pre-norm cross-attention and MLP; the source is normalised by the caller."""

    def __init__(self, *, dim: int, source_dim: int, num_heads: int, mlp_ratio: float, norm_eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = CrossAttention(dim=dim, source_dim=source_dim, num_heads=num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio))

    def forward(self, tokens: Tensor, source: Tensor, keys: Tensor | None = None) -> Tensor:
        """See :meth:`CrossAttention.forward`."""
        tokens = tokens + self.attn(self.norm1(tokens), source, keys)
        return tokens + self.mlp(self.norm2(tokens))


class StageMixer(nn.Module):
    """Inter-block attention: each decoder block gets its own learned combination of the encoder's stages, normalised.

    Args:
        num_stages: K.
        depth: Decoder blocks.
        dim: Width of the encoder.
        norm_eps: LayerNorm epsilon.
    """

    def __init__(self, *, num_stages: int, depth: int, dim: int, norm_eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(depth, num_stages))
        nn.init.normal_(self.weight, std=num_stages**-0.5)
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=norm_eps) for _ in range(depth))

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """K tensors ``(B, L, dim)`` -> one tensor ``(B, L, dim)`` for each decoder block."""
        mixed = torch.einsum("jk,kbld->jbld", self.weight, torch.stack(list(stages)))
        return [norm(source) for norm, source in zip(self.norms, mixed, strict=True)]


class CrossDecoder(nn.Module):
    """Cross-attention decoder trunk of CrossMAE; the last norm and the predictions belong to the heads.

    Queries start as the mask token plus their position; keys and values are the encoder's tokens (class tokens too),
    whose positions the encoder has added. The last of the mixed stages is the *normalised* one (the reference takes the
    last block's output as it is), so that the encoder's final norm, which downstream code uses, is trained.

    Args:
        encoder: Whose tokens these are: gives its grid, width, depth, MLP ratio, epsilon and kind of positions.
        dim: Width of the decoder.
        depth: Number of blocks, at least 1; 12 in the paper.
        num_heads: Attention heads.
        inter_block: True lets each block read its own learned combination of the encoder's embedding and block outputs
            (the paper's best); False lets all read the encoder's output.
    """

    def __init__(
        self, encoder: MaskedViT, *, dim: int = 512, depth: int = 12, num_heads: int = 16, inter_block: bool = True
    ) -> None:
        super().__init__()
        self.pos_embed: Tensor
        self.axis_rows: Tensor | None
        if depth < 1:
            raise ValueError(f"a decoder needs at least one block, got depth {depth}")
        self.mask_token = nn.Parameter(torch.empty(1, 1, dim))
        self.positions, eps, stages = encoder.positions, encoder.norm_eps, len(encoder.blocks) + 1
        hold_positions(self, self.positions, grid=encoder.patches.grid, dim=dim)
        self.mixer = StageMixer(num_stages=stages, depth=depth, dim=encoder.dim, norm_eps=eps) if inter_block else None
        sizes = {"dim": dim, "source_dim": encoder.dim, "num_heads": num_heads}
        self.blocks = nn.ModuleList(
            CrossBlock(**sizes, mlp_ratio=encoder.mlp_ratio, norm_eps=eps) for _ in range(depth)
        )
        initialise_linears(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, stages: Sequence[Tensor], mask: Mask, *, masked_only: bool = True) -> Tensor:
        """Decodes the tokens that a loss will read.

        Args:
            stages: :meth:`MaskedViT.forward_intermediates`: ``depth + 2`` tensors ``(B, prefix + V, D)``.
            mask: Which tokens to ask for.
            masked_only: False asks for all tokens; those of visible ones carry no loss and mean nothing.

        Returns:
            ``(B, M, dim)`` in the order of ``mask.masked``, or all tokens ``(B, N, dim)`` in raster order.
        """
        positions = spread_axes(self.pos_embed, self.axis_rows)  # (1, N, dim)
        if masked_only:
            positions = gather_tokens(positions, mask.masked)  # (B, M, dim)
        tokens = (self.mask_token + positions).expand(mask.visible.shape[0], -1, -1)  # (B, M or N, dim)
        for block, source in zip(self.blocks, self.sources(stages), strict=True):
            tokens = block(tokens, source)
        return tokens

    def sources(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """What each block reads, ``depth`` tensors ``(B, prefix + V, D)``."""
        if self.mixer is None:
            return [stages[-1]] * len(self.blocks)
        return self.mixer([*stages[:-2], stages[-1]])
