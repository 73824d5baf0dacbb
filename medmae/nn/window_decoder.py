"""A decoder whose tokens read their neighbours alone: attention by cosine within windows (AudioMAE's, of Swin V2).

Z. Liu et al., "Swin Transformer V2", CVPR 2022, arXiv 2111.09883, in the form of timm's ``swin_transformer_v2_cr``,
whose names these are; without that form's dropout in the network of positions. Windows are moved along time only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Mask
from medmae.nn.checkpointing import recomputed
from medmae.nn.decoder import DecoderTokens
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.positions import Positions
from medmae.nn.vit import MaskedViT
from medmae.nn.windows import WindowHeads, biased_windows, hold_windows

_HIDDEN = 384  # of the network from offsets to biases
_SHARPEST = math.log(100.0)


class CosineWindowAttention(WindowHeads):
    """Attention within windows by cosine, and a bias for each head by the logarithm of how far two tokens are apart.

    See :class:`~medmae.nn.windows.WindowHeads`.
    """

    def __init__(self, *, dim: int, num_heads: int, window: Sequence[int]) -> None:
        super().__init__(dim=dim, num_heads=num_heads)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.meta_mlp = MLP(len(window), hidden=_HIDDEN, out=num_heads, activation=nn.ReLU)
        self.logit_scale = nn.Parameter(torch.full((num_heads,), math.log(10.0)))
        self.offsets: Tensor
        self.register_buffer("offsets", log_offsets(window), persistent=False)

    def forward(self, windows: Tensor, mask: Tensor | None) -> Tensor:
        """``(B * W, L, C)`` -> ``(B * W, L, C)``; ``mask`` ``(W, L, L)`` is added to the scores."""
        count, length, dim = windows.shape
        query, key, value = self.qkv(windows).view(count, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        scale = self.logit_scale.clamp(max=_SHARPEST).exp().reshape(-1, 1, 1)
        bias = biased_windows(self.meta_mlp(self.offsets).permute(2, 0, 1), mask, count)
        query, key = F.normalize(query, dim=3) * scale, F.normalize(key, dim=3)
        mixed = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype), scale=1.0)
        return self.proj(mixed.transpose(1, 2).reshape(count, length, dim))


class CosineWindowBlock(nn.Module):
    """Attention within windows and an MLP, each with a norm behind it, before it is added.

    Args:
        grid: Tokens along each axis.
        dim: C.
        num_heads: Heads.
        window: Tokens of a window along each axis; windows tile the grid.
        shift: By how many tokens windows are moved along each axis.
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
        window: Sequence[int],
        shift: Sequence[int],
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.order: Tensor
        self.back: Tensor
        self.attn_mask: Tensor | None
        self.window_length = hold_windows(self, grid=grid, window=window, shift=shift)
        self.attn = CosineWindowAttention(dim=dim, num_heads=num_heads, window=window)
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio))
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, N, C)`` -> ``(B, N, C)``, tokens in raster order."""
        return recomputed(self, self.whole, tokens)

    def whole(self, tokens: Tensor) -> Tensor:
        """The block itself."""
        batch, _, dim = tokens.shape
        windows = tokens.index_select(1, self.order).view(-1, self.window_length, dim)  # (B * W, L, C)
        mixed = self.attn(windows, self.attn_mask).view(batch, -1, dim).index_select(1, self.back)
        tokens = tokens + self.norm1(mixed)
        return tokens + self.norm2(self.mlp(tokens))


class WindowDecoder(DecoderTokens):
    """Decoder trunk over all tokens of one kind of data, the class token left out; norm and predictions are the head's.

    Args:
        encoder: Whose tokens these are: gives its grid, width, MLP ratio, epsilon and positions.
        dim: Width.
        depth: Blocks, the windows of every second of which are moved by half along the first axis.
        num_heads: Attention heads.
        window: Tokens of a window along every axis.
        positions: Of which kind; None is the encoder's.

    Raises:
        ValueError: If windows do not tile the grid.
    """

    def __init__(
        self,
        encoder: MaskedViT,
        *,
        dim: int = 512,
        depth: int = 16,
        num_heads: int = 16,
        window: int = 4,
        positions: Positions | None = None,
    ) -> None:
        super().__init__(encoder, dim=dim, positions=positions)
        grid = encoder.patches.grid
        if any(extent % window for extent in grid):
            raise ValueError(f"windows of {window} tokens do not tile a grid of {grid}: choose another window, or size")
        moved = (window // 2 if grid[0] > window else 0, *(0 for _ in grid[1:]))
        self.blocks = nn.ModuleList(
            CosineWindowBlock(
                grid=grid,
                dim=dim,
                num_heads=num_heads,
                window=(window,) * len(grid),
                shift=moved if number % 2 else (0,) * len(grid),
                mlp_ratio=encoder.mlp_ratio,
                norm_eps=encoder.norm_eps,
            )
            for number in range(depth)
        )
        initialise_linears(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, latent: Tensor, mask: Mask, *, masked_only: bool = True) -> Tensor:
        """See :meth:`medmae.nn.decoder.MaskedDecoder.forward`; a token that is skipped enters as a hidden one."""
        whole = mask.complete()
        tokens = self.tokens(latent, whole)[:, -whole.num_tokens :]  # (B, N, dim), without class tokens
        tokens = whole.restore(*tokens.split([whole.num_visible, whole.num_masked], dim=1))
        for block in self.blocks:
            tokens = block(tokens)
        return mask.hidden(tokens) if masked_only else tokens


def log_offsets(window: Sequence[int]) -> Tensor:
    """Of each pair of tokens, along each axis, the signed logarithm of one more than how far they are apart."""
    axes = torch.meshgrid(*(torch.arange(extent, dtype=torch.float32) for extent in window), indexing="ij")
    places = torch.stack(axes, dim=-1).flatten(0, -2)  # (L, A)
    apart = places.unsqueeze(1) - places.unsqueeze(0)  # (L, L, A)
    return apart.sign() * torch.log1p(apart.abs())
