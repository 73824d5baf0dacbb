"""Multi-head attention with packed projections, of tokens to themselves or to a source."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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


class Attention(nn.Module):
    """Multi-head attention; keys as timm's ``Attention``.

    Args:
        dim: D.
        num_heads: H.
        qkv_bias: Whether queries, keys and values have a bias; ``query_value``: all but keys.
        dropout: Share of attention weights that is dropped in training, where a source is read (BERT).
        head_dim: Width of a head; None: D / H.

    Raises:
        ValueError: If heads of a width of their own are asked for with ``query_value``.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        qkv_bias: QKVBias = True,
        dropout: float = 0.0,
        head_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.head_dim = dim // num_heads if head_dim is None else head_dim
        inner = self.num_heads * self.head_dim
        if qkv_bias == "query_value" and inner != dim:
            raise ValueError(f"{num_heads} heads of {head_dim} for a width of {dim} take qkv_bias true or false")
        self.qkv: nn.Linear = (
            QueryValueLinear(dim) if qkv_bias == "query_value" else nn.Linear(dim, 3 * inner, bias=qkv_bias)
        )
        self.proj = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Every token reads every token, ``(B, N, D)`` -> ``(B, N, D)``."""
        query, key, value = self._heads(x)
        return self._joined(F.scaled_dot_product_attention(query, key, value))

    @torch.jit.unused
    def with_importance(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and how much the first token, a class token, reads of each other one: the mean over heads.

        Fused kernels give no weights, so that the one row that is asked for is computed beside them, in float32 or
        finer. What it reads of itself is left out and not made up for (EViT, equation 3).

        Returns:
            ``(B, N, D)``, and ``(B, N - 1)``.
        """
        query, key, value = self._heads(x)
        wide = torch.promote_types(x.dtype, torch.float32)
        logits = (query[:, :, :1].to(wide) * key.to(wide)).sum(dim=3) * self.head_dim**-0.5  # (B, H, N)
        importance = logits.softmax(dim=2)[:, :, 1:].mean(dim=1)
        return self._joined(F.scaled_dot_product_attention(query, key, value)), importance

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, ``(B, H, N, D / H)`` each."""
        batch, tokens, _ = x.shape
        packed = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, self.head_dim)
        query, key, value = packed.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def _joined(self, mixed: Tensor) -> Tensor:
        """``(B, H, N, D / H)`` -> ``(B, N, D)``, projected."""
        batch, heads, tokens, dim = mixed.shape
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, heads * dim))

    @torch.jit.unused
    def read(self, x: Tensor, source: Tensor, *, causal: bool = False, key_mask: Tensor | None = None) -> Tensor:
        """Tokens read a source: no other query is asked, and only the source gives keys and values.

        Args:
            x: ``(B, M, D)``.
            source: ``(B, L, D)``.
            causal: Token k reads no more than the first k + 1 tokens of the source.
            key_mask: ``(B, L)`` bool, False for tokens of the source that none may read (padding).

        Returns:
            ``(B, M, D)``.
        """
        inner = self.num_heads * self.head_dim
        weight_q, weight_kv = self.qkv.weight.split([inner, 2 * inner])
        bias = self.qkv.packed_bias() if isinstance(self.qkv, QueryValueLinear) else self.qkv.bias
        bias_q, bias_kv = (None, None) if bias is None else bias.split([inner, 2 * inner])
        query = F.linear(x, weight_q, bias_q)  # (B, M, D)
        key, value = F.linear(source, weight_kv, bias_kv).chunk(2, dim=2)  # (B, L, D) each
        query, key, value = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in (query, key, value))
        allowed = None if key_mask is None else key_mask[:, None, None]  # (B, 1, 1, L)
        if causal and allowed is not None:  # the kernel takes one or the other
            order = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=key.device)
            allowed, causal = allowed & order.tril(), False
        dropped = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, allowed, dropped, causal)  # (B, H, M, D / H)
        return self.proj(mixed.transpose(1, 2).flatten(2))
