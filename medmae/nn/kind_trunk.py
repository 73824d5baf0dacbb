"""Blocks that kinds of data share, with norms for all of them together and for each by itself (CAV-MAE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medmae.nn.blocks import Block
from medmae.nn.checkpointing import recomputed
from medmae.nn.mlp import Gelu
from medmae.nn.trunk import Trunk


class KindBlock(Block):
    """A block whose attention and MLP every kind shares; its norms are those of all kinds together.

    Args:
        dim: D.
        kinds: Names of those that have norms of their own.
        norm_eps: LayerNorm epsilon.
        sizes: See :class:`medmae.nn.blocks.Block`.
    """

    def __init__(self, dim: int, *, kinds: Sequence[str], norm_eps: float, **sizes: Any) -> None:
        super().__init__(dim, norm_eps=norm_eps, **sizes)
        self.norms1, self.norms2 = (
            nn.ModuleDict({name: nn.LayerNorm(dim, eps=norm_eps) for name in kinds}) for _ in range(2)
        )

    def forward(
        self,
        x: Tensor,
        num_tail: int | None = None,
        source: Tensor | None = None,
        causal: bool = False,
        key_mask: Tensor | None = None,
        between: Any = None,  # noqa: ANN401 - see Block
        kind: str | None = None,
    ) -> Tensor:
        """See :meth:`medmae.nn.blocks.Block.forward`; ``kind``: these tokens are of that one alone, and of no other."""
        if kind is None:
            return super().forward(x, num_tail, source, causal, key_mask, between)
        return recomputed(self, self.of_kind, x, kind)

    @torch.jit.unused
    def of_kind(self, x: Tensor, kind: str) -> Tensor:
        """The block with the norms of one kind, ``(B, N, D)``."""
        x = x + self.drop_path1(self.attn(self.norms1[kind](x)))
        return x + self.drop_path2(self.mlp(self.norms2[kind](x)))

    def plain(self, kind: str) -> Block:
        """A block of one kind, which shares these weights and has no other kind's."""
        with torch.device("meta"):  # whose parts are all replaced
            block = Block(self.norm1.normalized_shape[0], num_heads=self.attn.num_heads)
        block.norm1, block.norm2 = self.norms1[kind], self.norms2[kind]  # type: ignore[assignment]
        block.attn, block.mlp = self.attn, self.mlp
        block.drop_path1, block.drop_path2 = self.drop_path1, self.drop_path2
        return block.train(self.training)


class KindTrunk(Trunk):
    """A trunk whose blocks and last norm have norms of their own for each kind that passes by itself.

    Args:
        kinds: Their names.
        dim: D.
        depth: Blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon.
        gelu: Its form; see :func:`medmae.nn.mlp.gelu`.
    """

    def __init__(
        self,
        *,
        kinds: Sequence[str],
        dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        gelu: Gelu = "exact",
    ) -> None:
        super().__init__(dim=dim, depth=0, num_heads=num_heads, norm_eps=norm_eps)
        sizes: dict[str, Any] = {"num_heads": num_heads, "mlp_ratio": mlp_ratio, "form": gelu}
        self.blocks = nn.ModuleList(KindBlock(dim, kinds=kinds, norm_eps=norm_eps, **sizes) for _ in range(depth))
        self.norms = nn.ModuleDict({name: nn.LayerNorm(dim, eps=norm_eps) for name in kinds})

    def of_kind(self, kind: str, tokens: Tensor, *, num_blocks: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.trunk.Trunk.of_kind`: by the norms of that kind."""
        for block in self.blocks[:num_blocks]:
            tokens = block(tokens, kind=kind)
        return self.norms[kind](tokens) if num_blocks is None else tokens

    def plain(self, kind: str) -> tuple[list[nn.Module], nn.Module]:
        """See :meth:`medmae.nn.trunk.Trunk.plain`."""
        return [block.plain(kind) for block in self.blocks], self.norms[kind]  # type: ignore[operator]
