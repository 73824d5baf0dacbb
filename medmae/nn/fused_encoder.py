"""Encoders of several kinds of data, and what fuses them: early, shared, separate or in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of, side_by_side
from medmae.nn.fresh import fresh_copy
from medmae.nn.kind_trunk import KindTrunk
from medmae.nn.mlp import Gelu
from medmae.nn.stream_vits import Drawing, Given, StreamViTs, keys_of, mean_of_kinds
from medmae.nn.streams import Stream
from medmae.nn.trunk import Trunk
from medmae.nn.vit import ClassToken

Fusion = Literal["early", "shared", "separate", "mid"]


class FusedEncoder(Configured, StreamViTs):
    """One masked ViT a kind of data, and blocks over the tokens of all of them.

    Args:
        streams: The kinds of data, each of another name.
        fusion: ``separate`` encoders, which know nothing of each other; ``mid``: separate ones, then ``fusion_layers``
            blocks over the tokens of all kinds together; ``early``: all blocks over all of them; ``shared``: the same
            blocks for each kind by itself.
        fusion_layers: S, of ``mid``: 0 to ``depth``; None of all other.
        embed_dim: D.
        depth: Blocks that a token passes, fused ones included.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon.
        gelu: Its form; see :func:`medmae.nn.mlp.gelu`.
        class_token: Whether and where each kind has one.
        stream_norm: Whether each separate encoder ends in a norm, fused blocks behind it or not.
        fused_norm: Whether the blocks of all kinds do.
        kind_norms: Whether those have norms, the last one included, of their own for each kind that passes them by
            itself: for what is contrasted, and for samples of which nothing else is there (``mid`` alone).
        kind_tokens: See :class:`medmae.nn.stream_vits.StreamViTs`.
        drawing: Likewise.

    Raises:
        ValueError: If names repeat, a choice is not known, or numbers do not suit each other.
    """

    def __init__(
        self,
        *,
        streams: Sequence[Stream],
        fusion: Fusion = "mid",
        fusion_layers: int | None = None,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        gelu: Gelu = "exact",
        class_token: ClassToken = "none",
        stream_norm: bool = True,
        fused_norm: bool = True,
        kind_norms: bool = False,
        kind_tokens: bool = False,
        drawing: Drawing = "mae",
    ) -> None:
        own, fused = _depths(fusion, depth=depth, fusion_layers=fusion_layers)
        if kind_norms and (fusion != "mid" or not fused or not fused_norm):
            raise ValueError(f"kind_norms are of fused blocks with a last norm, and fusion={fusion!r} has none such")
        super().__init__(
            streams=streams,
            embed_dim=embed_dim,
            depth=own,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            gelu=gelu,
            class_token=class_token,
            last_norm=stream_norm and fusion in ("separate", "mid"),
            kind_tokens=kind_tokens,
            drawing=drawing,
        )
        self.fusion, self.depth, self.own_depth = fusion, depth, own
        sizes = self._block_sizes
        self.trunk: Trunk | None = None
        if kind_norms:
            self.trunk = KindTrunk(kinds=list(self.given_as), dim=embed_dim, depth=fused, **sizes)
        elif fusion != "separate":
            self.trunk = Trunk(dim=embed_dim, depth=fused, last_norm=fused_norm, **sizes)
        self.draw()

    def forward(self, batch: Mapping[str, Tensor], masks: Masks | None = None) -> dict[str, Tensor]:
        """Encoded tokens of each kind that the batch has, ``(B, prefix + V, D)`` by name; ``masks`` say which."""
        given = self.given(batch)
        return self.fuse(self.apart(given, masks), given)

    def apart(self, given: Given, masks: Masks | None = None, *, num_blocks: int | None = None) -> dict[str, Tensor]:
        """Tokens of each kind by itself, before anything is fused: ``(B, prefix + V, D)`` by name.

        Args:
            given: The data.
            masks: By name, which tokens are visible; None, or a name that is missing: all.
            num_blocks: Stops after so many blocks, without a norm; None passes all of a kind's own.
        """
        found = {}
        for name, tokens in self.embed(given, masks).items():
            vit = self.vits[name]
            for block in vit.blocks[:num_blocks]:
                tokens = block(tokens)
            found[name] = vit.norm(tokens) if num_blocks is None else tokens
        return found

    def fuse(self, tokens: Mapping[str, Tensor], given: Given, *, num_blocks: int | None = None) -> dict[str, Tensor]:
        """Passes what :meth:`apart` gave through the blocks of all kinds; ``num_blocks`` as there."""
        if self.trunk is None:
            return dict(tokens)
        if self.fusion == "shared":
            return {name: self.trunk(rows, num_blocks=num_blocks) for name, rows in tokens.items()}
        if isinstance(self.trunk, KindTrunk) and len(tokens) == 1:
            return self.singly(tokens, num_blocks=num_blocks)
        joint = torch.cat(list(tokens.values()), dim=1)  # (B, sum of V, D)
        joint = self.trunk(joint, key_mask=keys_of(tokens, given.there), num_blocks=num_blocks)
        parts = joint.split([rows.shape[1] for rows in tokens.values()], dim=1)
        found = dict(zip(tokens, parts, strict=True))
        return self._lonely(found, tokens, given, num_blocks) if isinstance(self.trunk, KindTrunk) else found

    def singly(self, tokens: Mapping[str, Tensor], *, num_blocks: int | None = None) -> dict[str, Tensor]:
        """Passes each kind that :meth:`apart` gave through the blocks of all kinds by itself, not fused."""
        if self.trunk is None:
            return dict(tokens)
        return {name: self.trunk.of_kind(name, rows, num_blocks=num_blocks) for name, rows in tokens.items()}

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: the mean over the kinds that a sample has."""
        check_pool(pool, has_class_token=all(vit.cls_token is not None for vit in self.vits.values()))
        check_block(block, depth=self.depth)
        given = self.given(batch if isinstance(batch, Mapping) else {self._only_name(batch): batch})
        own = None if block is None or block > self.own_depth else block
        tokens = self.apart(given, num_blocks=own)
        if own is None:
            tokens = self.fuse(tokens, given, num_blocks=None if block is None else block - self.own_depth)
        found = mean_of_kinds({name: self.vits[name].pool(rows, pool) for name, rows in tokens.items()}, given.there)
        normed = block is None and self._ends_in_norm
        return found if normed else nn.functional.layer_norm(found, (self.dim,), eps=self.norm_eps)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`: of the kinds side by side, then the fused ones."""
        first, *own = side_by_side([vit.layers() for vit in self.vits.values()])
        fused = [] if self.trunk is None else [list(block.parameters()) for block in self.trunk.blocks]
        return [[*first, *self.kind_tokens.parameters()], *own, *fused]

    def fresh(self, *, seed: int) -> FusedEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=FusedEncoder.draw)

    def _lonely(
        self, found: dict[str, Tensor], tokens: Mapping[str, Tensor], given: Given, num_blocks: int | None
    ) -> dict[str, Tensor]:
        """``found``, but samples of one kind by that kind's norms, so that no other sample of a batch changes them."""
        has = {name: rows.new_ones(len(rows), dtype=torch.bool) for name, rows in tokens.items()}
        has |= {name: there for name, there in given.there.items() if there is not None and name in has}
        alone = torch.stack(list(has.values())).sum(dim=0) == 1  # (B,)
        if not bool(alone.any()):
            return found
        single = self.singly(tokens, num_blocks=num_blocks)
        mine = {name: (alone & there)[:, None, None] for name, there in has.items()}
        return {name: torch.where(mine[name], single[name], rows) for name, rows in found.items()}

    @property
    def _ends_in_norm(self) -> bool:
        last = next(iter(self.vits.values())).norm if self.trunk is None else self.trunk.norm
        return not isinstance(last, nn.Identity)

    def _only_name(self, data: Tensor) -> str:
        data_of(data if len(self.given_as) == 1 else {}, self)  # refuses a bare tensor where there are several
        return next(iter(self.given_as))


def _depths(fusion: Fusion, *, depth: int, fusion_layers: int | None) -> tuple[int, int]:
    """Blocks of each kind's own, and of all."""
    check_choice(fusion, get_args(Fusion), name="fusion")
    if fusion != "mid":
        if fusion_layers is not None:
            raise ValueError(f"fusion_layers={fusion_layers} is of fusion='mid', and fusion={fusion!r} has none")
        return (depth, 0) if fusion == "separate" else (0, depth)
    if fusion_layers is None or not 0 <= fusion_layers <= depth:
        raise ValueError(f"fusion='mid' needs fusion_layers from 0 to depth={depth}, got {fusion_layers}")
    return depth - fusion_layers, fusion_layers
