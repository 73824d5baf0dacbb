"""Transformer blocks and the norm behind them, of tokens that something else embeds."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.nn.blocks import make_blocks
from medmae.nn.mlp import Gelu


class Trunk(nn.Module):
    """Blocks over the tokens of one or several kinds of data: what fuses them, or a decoder.

    Args:
        dim: D.
        depth: Blocks; none is a norm alone.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon.
        gelu: Its form; see :func:`medmae.nn.mlp.gelu`.
        last_norm: Whether there is a norm after the last block.
    """

    def __init__(
        self,
        *,
        dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        gelu: Gelu = "exact",
        last_norm: bool = True,
    ) -> None:
        super().__init__()
        self.blocks = make_blocks(
            dim=dim, depth=depth, num_heads=num_heads, mlp_ratio=mlp_ratio, norm_eps=norm_eps, form=gelu
        )
        self.norm: nn.Module = nn.LayerNorm(dim, eps=norm_eps) if last_norm else nn.Identity()

    def forward(
        self,
        tokens: Tensor,
        *,
        key_mask: Tensor | None = None,
        num_tail: int | None = None,
        num_blocks: int | None = None,
    ) -> Tensor:
        """All tokens, or the last of them.

        Args:
            tokens: ``(B, N, D)``.
            key_mask: ``(B, N)`` bool, False for tokens that none may read.
            num_tail: M; gives only the last M tokens: the last block computes no others. Exact.
            num_blocks: Stops after so many blocks, without the norm.

        Returns:
            ``(B, N, D)`` or ``(B, M, D)``.
        """
        blocks = self.blocks[:num_blocks]
        for number, block in enumerate(blocks, start=1):
            tokens = block(tokens, num_tail if number == len(blocks) else None, key_mask=key_mask)
        if num_tail is not None:
            tokens = tokens[:, -num_tail:]  # of no blocks, too
        return self.norm(tokens) if num_blocks is None else tokens

    def of_kind(self, kind: str, tokens: Tensor, *, num_blocks: int | None = None) -> Tensor:
        """Tokens ``(B, N, D)`` of one kind that passes by itself, and of which none is padding."""
        return self(tokens, num_blocks=num_blocks)

    def plain(self, kind: str) -> tuple[list[nn.Module], nn.Module]:
        """What one kind passes by itself, as blocks that know of no kinds, and the norm behind them."""
        return list(self.blocks), self.norm
