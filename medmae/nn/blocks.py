"""timm's ViT block, and the one thing the masked decoder needs beyond it."""

from __future__ import annotations

from functools import partial

from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F


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


def forward_tail(block: Block, tokens: Tensor, num_tail: int) -> Tensor:
    """What ``block(tokens)`` gives for its last ``num_tail`` tokens, without computing the others.

    Every token is still a key and a value; only the tail asks queries and passes through the MLP. Exact: in the
    last block of a decoder no other output is ever read.

    Args:
        block: A block without dropout, drop path or layer scale, as decoders have them.
        tokens: ``(B, N, D)``.
        num_tail: M.

    Returns:
        ``(B, M, D)``.
    """
    attention, dim = block.attn, tokens.shape[2]
    normed = block.norm1(tokens)
    weight_q, weight_kv = attention.qkv.weight.split([dim, 2 * dim])
    bias_q, bias_kv = (None, None) if attention.qkv.bias is None else attention.qkv.bias.split([dim, 2 * dim])
    query = F.linear(normed[:, -num_tail:], weight_q, bias_q)  # (B, M, D)
    key, value = F.linear(normed, weight_kv, bias_kv).chunk(2, dim=2)  # (B, N, D) each
    query, key, value = (part.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for part in (query, key, value))
    mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, M, D)
    tail = tokens[:, -num_tail:] + attention.proj(mixed)
    return tail + block.mlp(block.norm2(tail))
