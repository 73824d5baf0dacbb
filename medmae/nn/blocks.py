"""timm's ViT block, and what pre-training needs beyond it: fewer outputs, other sources, less memory."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from timm.layers import DropPath
from timm.models.vision_transformer import Block as TimmBlock
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.checkpointing import recomputed

QKVBias = bool | Literal["query_value"]


class QueryValueLinear(nn.Linear):
    """The packed projection of queries, keys and values of which keys have no bias (BEiT, VideoMAE).

    A bias of keys adds the same to every logit of a query, which softmax ignores; here it is no parameter either.

    Args:
        dim: D; the weight is ``(3 * D, D)``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 3 * dim, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(dim))
        self.v_bias = nn.Parameter(torch.zeros(dim))

    def reset_parameters(self) -> None:
        """Weights as a ``Linear`` draws them, biases zero."""
        super().reset_parameters()
        if hasattr(self, "q_bias"):  # not yet, when Linear's constructor asks
            nn.init.zeros_(self.q_bias)
            nn.init.zeros_(self.v_bias)

    def packed_bias(self) -> Tensor:
        """Biases of queries, keys (zeros) and values, ``(3 * D,)``."""
        return torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D)`` -> ``(..., 3 * D)``."""
        return F.linear(x, self.weight, self.packed_bias())


class Block(TimmBlock):
    """timm's pre-norm block, key for key.

    Everything goes through ``forward``, so that what hooks on a module (sharding, recomputation) sees every use.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def forward(
        self,
        x: Tensor,
        num_tail: int | None = None,
        source: Tensor | None = None,
        causal: bool = False,
        key_mask: Tensor | None = None,
    ) -> Tensor:
        """The block, in one of its uses.

        Args:
            x: ``(B, N, D)``.
            num_tail: Gives only the last ``num_tail`` tokens (see :func:`forward_tail`).
            source: Tokens ``(B, L, D)`` that are read in place of ``x`` itself; normalised here, with the same norm.
            causal: Token k reads no more than the first k + 1 tokens.
            key_mask: ``(B, L)`` bool, False for tokens that none may read (padding); L is N without a source.

        Returns:
            ``(B, N, D)``, or ``(B, num_tail, D)``.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.whole(x)
        if num_tail is not None:
            return recomputed(self, self.tail, x, num_tail, key_mask)
        if causal or source is not None or key_mask is not None:
            return recomputed(self, self.reading, x, source, causal, key_mask)
        return recomputed(self, self.whole, x)

    def whole(self, x: Tensor) -> Tensor:
        """The block itself."""
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))

    @torch.jit.unused
    def tail(self, tokens: Tensor, num_tail: int, key_mask: Tensor | None = None) -> Tensor:
        """See :func:`forward_tail`."""
        normed = self.norm1(tokens)
        return self._rest(tokens[:, -num_tail:], self._attend(normed[:, -num_tail:], normed, key_mask=key_mask))

    @torch.jit.unused
    def reading(
        self, tokens: Tensor, source: Tensor | None, causal: bool = False, key_mask: Tensor | None = None
    ) -> Tensor:
        """Attention to ``source``, or to the tokens themselves; causal or not, to all or to some."""
        normed = self.norm1(tokens)
        read = normed if source is None else self.norm1(source)
        return self._rest(tokens, self._attend(normed, read, causal=causal, key_mask=key_mask))

    @torch.jit.unused
    def _attend(self, normed: Tensor, source: Tensor, causal: bool = False, key_mask: Tensor | None = None) -> Tensor:
        """Queries of ``(B, M, D)``, keys and values of ``(B, L, D)``: ``(B, M, D)``."""
        attention, dim = self.attn, normed.shape[2]
        weight_q, weight_kv = attention.qkv.weight.split([dim, 2 * dim])
        qkv = attention.qkv
        bias = qkv.packed_bias() if isinstance(qkv, QueryValueLinear) else qkv.bias
        bias_q, bias_kv = (None, None) if bias is None else bias.split([dim, 2 * dim])
        query = F.linear(normed, weight_q, bias_q)  # (B, M, D)
        key, value = F.linear(source, weight_kv, bias_kv).chunk(2, dim=2)  # (B, L, D) each
        heads = (attention.num_heads, -1)
        query, key, value = (part.unflatten(2, heads).transpose(1, 2) for part in (query, key, value))
        allowed = None if key_mask is None else key_mask[:, None, None]  # (B, 1, 1, L)
        if causal and allowed is not None:  # the kernel takes one or the other
            order = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=key.device)
            allowed, causal = allowed & order.tril(), False
        mixed = F.scaled_dot_product_attention(query, key, value, allowed, is_causal=causal)  # (B, H, M, D / H)
        return attention.proj(mixed.transpose(1, 2).flatten(2))

    @torch.jit.unused
    def _rest(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Everything after attention, ``(B, M, D)`` -> ``(B, M, D)``."""
        tokens = tokens + self.drop_path1(self.ls1(attended))
        return tokens + self.drop_path2(self.ls2(self.mlp(self.norm2(tokens))))


def make_blocks(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    mlp_ratio: float = 4.0,
    norm_eps: float = 1e-6,
    qkv_bias: QKVBias = True,
    drop_path: float = 0.0,
) -> nn.ModuleList:
    """``depth`` pre-norm timm blocks of width ``dim``; drop path grows linearly from 0 to ``drop_path``.

    ``qkv_bias`` gives queries, keys and values a bias, or none of them, or (``"query_value"``) all but keys.

    Raises:
        ValueError: If ``dim`` is not a multiple of ``num_heads``, or ``qkv_bias`` is something else.
    """
    if not isinstance(qkv_bias, bool) and qkv_bias != "query_value":
        raise ValueError(f"qkv_bias must be true, false or 'query_value', got {qkv_bias!r}")
    if dim % num_heads:
        raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
    rates = _drop_rates(depth, drop_path)
    norm = partial(nn.LayerNorm, eps=norm_eps)
    whole = qkv_bias is True
    blocks = [
        Block(dim, num_heads, mlp_ratio=mlp_ratio, qkv_bias=whole, norm_layer=norm, drop_path=rate) for rate in rates
    ]
    if qkv_bias == "query_value":
        for block in blocks:
            block.attn.qkv = QueryValueLinear(dim)
    return nn.ModuleList(blocks)


def biases_of(block: TimmBlock) -> QKVBias:
    """Which of queries, keys and values have a bias, as :func:`make_blocks` calls it."""
    qkv = block.attn.qkv
    return "query_value" if isinstance(qkv, QueryValueLinear) else qkv.bias is not None


def set_drop_path(blocks: nn.ModuleList, rate: float) -> None:
    """Stochastic depth that grows linearly from 0 to ``rate``, in blocks that were built with another."""
    for block, own in zip(blocks, _drop_rates(len(blocks), rate), strict=True):
        block.drop_path1, block.drop_path2 = (DropPath(own) if own else nn.Identity() for _ in range(2))


def _drop_rates(depth: int, last: float) -> list[float]:
    return [last * index / max(depth - 1, 1) for index in range(depth)]


def forward_tail(block: nn.Module, tokens: Tensor, num_tail: int, *, key_mask: Tensor | None = None) -> Tensor:
    """What ``block(tokens)`` gives for its last ``num_tail`` tokens, without computing the others.

    Every token is still a key and a value; only the tail asks queries and passes through the MLP. Exact: in the
    last block of a decoder no other output is ever read.

    Args:
        block: A :class:`Block` without dropout, as decoders have them.
        tokens: ``(B, N, D)``.
        num_tail: M.
        key_mask: ``(B, N)`` bool, False for tokens that none may read.

    Returns:
        ``(B, M, D)``.
    """
    return block(tokens, num_tail, key_mask=key_mask)
