"""timm's ViT block, and what masked pre-training needs beyond it: its last tokens alone, and recomputation."""

from __future__ import annotations

from functools import partial

import torch
from timm.models.vision_transformer import Block as TimmBlock
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.checkpointing import recomputed


class Block(TimmBlock):
    """timm's pre-norm block, key for key.

    Everything goes through ``forward``, so that what hooks on a module (sharding, recomputation) sees every use.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def forward(self, x: Tensor, num_tail: int | None = None) -> Tensor:
        """``(B, N, D)`` -> ``(B, N, D)``, or only its last ``num_tail`` tokens (see :func:`forward_tail`)."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.whole(x)
        if num_tail is None:
            return recomputed(self, self.whole, x)
        return recomputed(self, self.tail, x, num_tail)

    def whole(self, x: Tensor) -> Tensor:
        """The block itself."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    @torch.jit.unused
    def tail(self, tokens: Tensor, num_tail: int) -> Tensor:
        """See :func:`forward_tail`."""
        attention, dim = self.attn, tokens.shape[2]
        normed = self.norm1(tokens)
        weight_q, weight_kv = attention.qkv.weight.split([dim, 2 * dim])
        bias_q, bias_kv = (None, None) if attention.qkv.bias is None else attention.qkv.bias.split([dim, 2 * dim])
        query = F.linear(normed[:, -num_tail:], weight_q, bias_q)  # (B, M, D)
        key, value = F.linear(normed, weight_kv, bias_kv).chunk(2, dim=2)  # (B, N, D) each
        heads = (attention.num_heads, -1)
        query, key, value = (part.unflatten(2, heads).transpose(1, 2) for part in (query, key, value))
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, M, D)
        tail = tokens[:, -num_tail:] + attention.proj(mixed)
        return tail + self.mlp(self.norm2(tail))


def make_blocks(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    mlp_ratio: float = 4.0,
    norm_eps: float = 1e-6,
    qkv_bias: bool = True,
    drop_path: float = 0.0,
) -> nn.ModuleList:
    """``depth`` pre-norm timm blocks of width ``dim``; drop path grows linearly from 0 to ``drop_path``.

    Raises:
        ValueError: If ``dim`` is not a multiple of ``num_heads``.
    """
    if dim % num_heads:
        raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
    rates = [drop_path * index / max(depth - 1, 1) for index in range(depth)]
    norm = partial(nn.LayerNorm, eps=norm_eps)
    return nn.ModuleList(
        Block(dim, num_heads, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, norm_layer=norm, drop_path=rate) for rate in rates
    )


def forward_tail(block: nn.Module, tokens: Tensor, num_tail: int) -> Tensor:
    """What ``block(tokens)`` gives for its last ``num_tail`` tokens, without computing the others.

    Every token is still a key and a value; only the tail asks queries and passes through the MLP. Exact: in the
    last block of a decoder no other output is ever read.

    Args:
        block: A :class:`Block` without dropout, drop path or layer scale, as decoders have them.
        tokens: ``(B, N, D)``.
        num_tail: M.

    Returns:
        ``(B, M, D)``.
    """
    return block(tokens, num_tail)
