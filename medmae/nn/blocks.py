"""The pre-norm ViT block, and what pre-training needs of it: fewer outputs, other sources, less memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medmae.nn.attention import Attention, QKVBias, QueryValueLinear
from medmae.nn.checkpointing import recomputed
from medmae.nn.drop_path import DropPath
from medmae.nn.mlp import MLP, Gelu, gelu


class Block(nn.Module):
    """Attention and MLP, each behind a norm and beside a residual path; keys as timm's ``Block``.

    Everything goes through ``forward``, so that what hooks on a module (sharding, recomputation) sees every use.

    Args:
        dim: D.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        qkv_bias: See :class:`medmae.nn.attention.Attention`.
        norm_eps: LayerNorm epsilon.
        drop_path: Stochastic depth.
        form: Of GELU; see :func:`medmae.nn.mlp.gelu`.
        head_dim: See :class:`medmae.nn.attention.Attention`.
    """

    recompute = False  # see medmae.nn.checkpointing.checkpoint_activations

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        mlp_ratio: float = 4.0,
        qkv_bias: QKVBias = True,
        norm_eps: float = 1e-6,
        drop_path: float = 0.0,
        form: Gelu = "exact",
        head_dim: int | None = None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=norm_eps)
        self.attn = Attention(dim, num_heads=num_heads, qkv_bias=qkv_bias, head_dim=head_dim)
        self.drop_path1 = _drop(drop_path)
        self.norm2 = nn.LayerNorm(dim, eps=norm_eps)
        self.mlp = MLP(dim, hidden=int(dim * mlp_ratio), activation=gelu(form))
        self.drop_path2 = _drop(drop_path)

    def forward(
        self,
        x: Tensor,
        num_tail: int | None = None,
        source: Tensor | None = None,
        causal: bool = False,
        key_mask: Tensor | None = None,
        between: Any = None,  # noqa: ANN401 - a Thinning; TorchScript knows no protocols
    ) -> Tensor:
        """The block, in one of its uses.

        Args:
            x: ``(B, N, D)``.
            num_tail: M; gives only the last M tokens. Every token is still a key and a value: exact without dropout,
                and less work where no other output is ever read, as in the last block of a decoder.
            source: Tokens ``(B, L, D)`` that are read in place of ``x`` itself; normalised here, with the same norm.
            causal: Token k reads no more than the first k + 1 tokens.
            key_mask: ``(B, L)`` bool, False for tokens that none may read (padding); L is N without a source.
            between: What is done between attention and MLP to tokens, the first of which is a class token: a function
                of them ``(B, N, D)`` and of how much it reads of each other one ``(B, N - 1)``, such as
                :class:`medmae.nn.thinning.Thinning`.

        Returns:
            ``(B, N, D)``, or ``(B, num_tail, D)``, or as many tokens as ``between`` leaves.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.whole(x)
        if between is not None:  # each use takes what it knows: a mask that is passed by would let padding be read
            assert num_tail is None
            assert source is None
            assert key_mask is None
            assert not causal
            return recomputed(self, self.reduced, x, between)
        if num_tail is not None:
            assert source is None
            assert not causal
            return recomputed(self, self.tail, x, num_tail, key_mask)
        if causal or source is not None or key_mask is not None:
            return recomputed(self, self.reading, x, source, causal, key_mask)
        return recomputed(self, self.whole, x)

    def whole(self, x: Tensor) -> Tensor:
        """The block itself."""
        x = x + self.drop_path1(self.attn(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))

    @torch.jit.unused
    def tail(self, tokens: Tensor, num_tail: int, key_mask: Tensor | None = None) -> Tensor:
        """The last ``num_tail`` tokens; see :meth:`forward`."""
        normed = self.norm1(tokens)
        return self._rest(tokens[:, -num_tail:], self.attn.read(normed[:, -num_tail:], normed, key_mask=key_mask))

    @torch.jit.unused
    def reading(
        self, tokens: Tensor, source: Tensor | None, causal: bool = False, key_mask: Tensor | None = None
    ) -> Tensor:
        """Attention to ``source``, or to the tokens themselves; causal or not, to all or to some."""
        normed = self.norm1(tokens)
        read = normed if source is None else self.norm1(source)
        return self._rest(tokens, self.attn.read(normed, read, causal=causal, key_mask=key_mask))

    @torch.jit.unused
    def reduced(self, tokens: Tensor, between: Any) -> Tensor:  # noqa: ANN401
        """The block with fewer tokens from its MLP on; see :meth:`forward`."""
        attended, importance = self.attn.with_importance(self.norm1(tokens))
        return self._perceived(between(tokens + self.drop_path1(attended), importance))

    @torch.jit.unused
    def _rest(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Everything after attention, ``(B, M, D)`` -> ``(B, M, D)``."""
        return self._perceived(tokens + self.drop_path1(attended))

    @torch.jit.unused
    def _perceived(self, tokens: Tensor) -> Tensor:
        """The MLP and its residual path."""
        return tokens + self.drop_path2(self.mlp(self.norm2(tokens)))


def make_blocks(
    *,
    dim: int,
    depth: int,
    num_heads: int,
    mlp_ratio: float = 4.0,
    norm_eps: float = 1e-6,
    qkv_bias: QKVBias = True,
    drop_path: float = 0.0,
    form: Gelu = "exact",
    head_dim: int | None = None,
) -> nn.ModuleList:
    """``depth`` pre-norm blocks of width ``dim``; drop path grows linearly from 0 to ``drop_path``.

    ``qkv_bias`` gives queries, keys and values a bias, or none of them, or (``"query_value"``) all but keys. Heads are
    ``dim / num_heads`` wide, or ``head_dim``.

    Raises:
        ValueError: If ``dim`` is not a multiple of ``num_heads``, or ``qkv_bias`` is something else.
    """
    if not isinstance(qkv_bias, bool) and qkv_bias != "query_value":
        raise ValueError(f"qkv_bias must be true, false or 'query_value', got {qkv_bias!r}")
    if dim < 1 or num_heads < 1 or (head_dim is None and dim % num_heads):
        raise ValueError(f"width {dim} is not a multiple of {num_heads} heads")
    if depth < 0:
        raise ValueError(f"a network has no {depth} blocks")
    return nn.ModuleList(
        Block(
            dim,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            norm_eps=norm_eps,
            drop_path=rate,
            form=form,
            head_dim=head_dim,
        )
        for rate in _drop_rates(depth, drop_path)
    )


def biases_of(block: Block) -> QKVBias:
    """Which of queries, keys and values have a bias, as :func:`make_blocks` calls it."""
    qkv = block.attn.qkv
    return "query_value" if isinstance(qkv, QueryValueLinear) else qkv.bias is not None


def set_drop_path(blocks: Sequence[nn.Module] | nn.ModuleList, rate: float, *, rescale: bool = True) -> None:
    """Stochastic depth that grows linearly from 0 to ``rate``, in blocks that were built with another.

    ``rescale`` is that of :class:`medmae.nn.drop_path.DropPath`.
    """
    for block, own in zip(blocks, _drop_rates(len(blocks), rate), strict=True):
        block.drop_path1, block.drop_path2 = (_drop(own, rescale=rescale) for _ in range(2))


def _drop(rate: float, *, rescale: bool = True) -> nn.Module:
    return DropPath(rate, rescale=rescale) if rate else nn.Identity()


def _drop_rates(depth: int, last: float) -> list[float]:
    return [last * index / max(depth - 1, 1) for index in range(depth)]
