"""Decoders that are handed features of the encoder, by cross-attention in each block (BootMAE, ECCV 2022).

What a decoder can read need not be carried through the encoder's last layers: shallow features for pixels, deep ones
for features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medmae.masking.base import Mask, gather_tokens
from medmae.nn.checkpointing import recomputed
from medmae.nn.cross_decoder import CrossAttention
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.vit import MaskedViT


class InjectionBlock(nn.Module):
    """Pre-norm self-attention, cross-attention to injected features, MLP.

    Heads are ``dim // num_heads`` wide and need not tile the width: 12 heads of the published width 512 are 42 wide,
    and attention 504.

    Args:
        dim: Width.
        source_dim: Width of the injected features; None builds no cross-attention (ablation).
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over ``dim``.
        norm_eps: LayerNorm epsilon.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def __init__(
        self, *, dim: int, source_dim: int | None, num_heads: int, mlp_ratio: float = 4.0, norm_eps: float = 1e-6
    ) -> None:
        super().__init__()
        if num_heads > dim:
            raise ValueError(f"{num_heads} heads need a width of at least {num_heads}, got {dim}")
        sizes = {"dim": dim, "num_heads": num_heads, "head_dim": dim // num_heads}
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = CrossAttention(source_dim=dim, **sizes)
        self.cross_attn = None
        if source_dim is not None:
            self.cross_norm = nn.LayerNorm(dim, eps=norm_eps)
            self.source_norm = nn.LayerNorm(source_dim, eps=norm_eps)
            self.cross_attn = CrossAttention(source_dim=source_dim, **sizes)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio))

    def forward(self, tokens: Tensor, source: Tensor | None, num_tail: int) -> Tensor:
        """The block for the last ``num_tail`` tokens; the others are read, and not computed.

        Args:
            tokens: ``(B, N, dim)``.
            source: Injected features ``(B, L, source_dim)``; unused without cross-attention.
            num_tail: M; N gives all tokens.

        Returns:
            ``(B, M, dim)``.
        """
        return recomputed(self, self.tail, tokens, source, num_tail)

    def tail(self, tokens: Tensor, source: Tensor | None, num_tail: int) -> Tensor:
        """The block itself; see :meth:`forward`."""
        normed = self.norm1(tokens)  # (B, N, dim)
        x = tokens[:, -num_tail:] + self.attn(normed[:, -num_tail:], normed)  # (B, M, dim)
        if self.cross_attn is not None:
            x = x + self.cross_attn(self.cross_norm(x), self.source_norm(source))
        return x + self.mlp(self.norm2(x))


class InjectionDecoder(nn.Module):
    """Decoder trunk of BootMAE; the last norm and the predictions belong to the heads.

    Only hidden tokens get a position: a visible one carries its own from the encoder. Positions are handed in at each
    call, because one of BootMAE's two decoders has the encoder's table.

    Args:
        encoder: Whose tokens and features these are: gives its width, heads, MLP ratio and epsilon.
        dim: Width.
        depth: Blocks, at least 1.
        inject: False builds no cross-attention (ablation).
    """

    def __init__(self, encoder: MaskedViT, *, dim: int = 512, depth: int = 2, inject: bool = True) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a decoder needs at least one block, got depth {depth}")
        self.embed = nn.Linear(encoder.dim, dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, dim))
        self.blocks = nn.ModuleList(
            InjectionBlock(
                dim=dim,
                source_dim=encoder.dim if inject else None,
                num_heads=encoder.num_heads,
                mlp_ratio=encoder.mlp_ratio,
                norm_eps=encoder.norm_eps,
            )
            for _ in range(depth)
        )
        initialise_linears(self, unpack=True)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(
        self, latent: Tensor, source: Tensor | None, mask: Mask, *, positions: Tensor, masked_only: bool = True
    ) -> Tensor:
        """Decodes the tokens that a loss will read.

        Args:
            latent: Encoder output ``(B, prefix + V, D)``, visible tokens last and in the order of ``mask.visible``.
            source: Injected features ``(B, L, source_dim)`` in any order.
            mask: Which tokens are visible.
            positions: Of all tokens, ``(1, N, dim)``.
            masked_only: True computes the last block for masked tokens only (exact, and cheaper).

        Returns:
            ``(B, M, dim)`` in the order of ``mask.masked``, or all tokens ``(B, N, dim)`` in raster order.
        """
        visible = self.embed(latent)  # (B, prefix + V, dim)
        hidden = self.mask_token + gather_tokens(positions, mask.masked)  # (B, M, dim)
        tokens = torch.cat([visible, hidden.to(visible.dtype)], dim=1)  # order is nothing to attention
        for block in self.blocks[:-1]:
            tokens = block(tokens, source, tokens.shape[1])
        if masked_only:
            return self.blocks[-1](tokens, source, mask.num_masked)
        tokens = self.blocks[-1](tokens, source, mask.num_tokens)
        return mask.restore(tokens[:, : mask.num_visible], tokens[:, mask.num_visible :])
