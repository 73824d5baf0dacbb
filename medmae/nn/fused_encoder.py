"""Encoders of several kinds of data side by side, and what fuses them: early, shared, separate or in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of, mean_of, side_by_side
from medmae.nn.fresh import fresh_copy
from medmae.nn.init import initialise_flax, initialise_linears
from medmae.nn.mlp import Gelu
from medmae.nn.streams import Stream
from medmae.nn.trunk import Trunk
from medmae.nn.vit import ClassToken, MaskedViT
from medmae.tokens.modalities import available

Fusion = Literal["early", "shared", "separate", "mid"]
Drawing = Literal["mae", "flax"]


@dataclass(frozen=True)
class Given:
    """What a batch has of several kinds of data.

    Attributes:
        rows: Patches ``(B, N, P)`` by name, as the encoder expects them; zeros where a sample lacks a kind.
        there: Which samples have it, ``(B,)`` bool by name; None: all.
    """

    rows: Mapping[str, Tensor]
    there: Mapping[str, Tensor | None]

    @property
    def names(self) -> list[str]:
        """Of the kinds that any sample has."""
        return list(self.rows)


class FusedEncoder(Configured, nn.Module):
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
        kind_tokens: Adds a learned vector to all tokens of a kind, zero at first.
        drawing: How weights are drawn: as in MAE's code, or as flax does.

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
        kind_tokens: bool = False,
        drawing: Drawing = "mae",
    ) -> None:
        super().__init__()
        check_choice(drawing, get_args(Drawing), name="drawing")
        self.given_as = {stream.name: stream for stream in streams}
        if not streams or len(self.given_as) != len(streams):
            raise ValueError(f"streams need names of their own, got {[stream.name for stream in streams]}")
        own, fused = _depths(fusion, depth=depth, fusion_layers=fusion_layers)
        self.fusion, self.drawing, self.dim, self.depth, self.own_depth = fusion, drawing, embed_dim, depth, own
        self.norm_eps, self.mlp_ratio, self.gelu = norm_eps, mlp_ratio, gelu
        blocks: dict[str, Any] = {"num_heads": num_heads, "mlp_ratio": mlp_ratio, "norm_eps": norm_eps, "gelu": gelu}
        self.streams = nn.ModuleDict(
            {
                name: MaskedViT(
                    image_size=stream.whole,
                    patch_size=stream.patch,
                    in_channels=len(stream.kind.channels),
                    embed_dim=embed_dim,
                    depth=own,
                    class_token=class_token,
                    positions=stream.positions,
                    last_norm=stream_norm and fusion in ("separate", "mid"),
                    patch_init="lecun" if drawing == "flax" else "linear",
                    kind=stream.kind,
                    scale=stream.scale,
                    **blocks,
                )
                for name, stream in self.given_as.items()
            }
        )
        self.trunk = None if fusion == "separate" else Trunk(dim=embed_dim, depth=fused, last_norm=fused_norm, **blocks)
        self.kind_tokens = nn.ParameterDict(
            {name: torch.zeros(1, 1, embed_dim) for name in self.given_as if kind_tokens}
        )
        self.draw()

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`; any but one may be missing from a batch."""
        return {name: vit.kinds[name] for name, vit in self.vits.items()}

    @property
    def vits(self) -> dict[str, MaskedViT]:
        """That of each kind, by its name."""
        return dict(self.streams.items())  # type: ignore[arg-type]

    def given(self, batch: Mapping[str, Tensor]) -> Given:
        """What a batch has: ``(B, C, *size)`` by name, in its own units, and who lacks what.

        ``batch["available"]``, ``(B, T)`` bool, a column a kind in their order, says which samples have which; what is
        not in the batch, none has.

        Raises:
            ValueError: If none of the kinds is there, or a sample lacks all of them.
        """
        table = available(list(self.given_as), batch)  # (B, T)
        if not bool(table.any(dim=1).all()):
            raise ValueError(f"a sample has none of {', '.join(self.given_as)}: leave it out")
        rows, there = {}, {}
        for number, (name, vit) in enumerate(self.vits.items()):
            has = table[:, number]
            if name not in batch or not bool(has.any()):
                continue
            cut = vit.patchify(self.given_as[name].cut(batch[name]))
            there[name] = None if bool(has.all()) else has
            rows[name] = cut if there[name] is None else torch.where(has[:, None, None], cut, 0.0)
        return Given(rows, there)

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
        masks, found = masks or {}, {}
        for name, rows in given.rows.items():
            vit, mask = self.vits[name], masks.get(name)
            tokens = vit.embed(rows, None if mask is None else mask.visible, None, False)  # (B, V, D)
            if name in self.kind_tokens:
                tokens = tokens + self.kind_tokens[name]
            tokens = vit.add_class_token(tokens)
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
        joint = torch.cat(list(tokens.values()), dim=1)  # (B, sum of V, D)
        joint = self.trunk(joint, key_mask=keys_of(tokens, given.there), num_blocks=num_blocks)
        return dict(zip(tokens, joint.split([rows.shape[1] for rows in tokens.values()], dim=1), strict=True))

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

    def draw(self) -> list[nn.Parameter]:
        """Draws weights and tables as the constructor does; gives those that no module resets."""
        drawn = [parameter for vit in self.vits.values() for parameter in vit.draw_tables()]
        if self.drawing == "flax":
            initialise_flax(self)
        else:
            initialise_linears(self)
        for token in self.kind_tokens.values():
            nn.init.zeros_(token)
        return [*drawn, *self.kind_tokens.parameters()]

    @property
    def _ends_in_norm(self) -> bool:
        last = next(iter(self.vits.values())).norm if self.trunk is None else self.trunk.norm
        return not isinstance(last, nn.Identity)

    def _only_name(self, data: Tensor) -> str:
        data_of(data if len(self.given_as) == 1 else {}, self)  # refuses a bare tensor where there are several
        return next(iter(self.given_as))


def keys_of(tokens: Mapping[str, Tensor], there: Mapping[str, Tensor | None]) -> Tensor | None:
    """Which of the tokens of several kinds, one after the other, a sample has: ``(B, sum of V)``; None: all.

    Args:
        tokens: ``(B, V, D)`` by name.
        there: ``(B,)`` bool by name; None: all.
    """
    if all(there[name] is None for name in tokens):
        return None
    parts = []
    for name, rows in tokens.items():
        has = there[name]
        has = torch.ones(len(rows), dtype=torch.bool, device=rows.device) if has is None else has
        parts.append(has.unsqueeze(1).expand(rows.shape[:2]))
    return torch.cat(parts, dim=1)


def mean_of_kinds(rows: Mapping[str, Tensor], there: Mapping[str, Tensor | None]) -> Tensor:
    """The mean ``(B, D)`` of what each sample has of ``(B, D)`` by name; ``there`` as in :func:`keys_of`."""
    stacked = torch.stack(list(rows.values()), dim=1)  # (B, T, D)
    keys = keys_of({name: each.unsqueeze(1) for name, each in rows.items()}, there)
    return mean_of(stacked, keys)


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
