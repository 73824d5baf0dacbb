"""Masked ViTs of several kinds of data side by side: what all encoders of them begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.nn.encoder import mean_of
from medmae.nn.init import initialise_flax, initialise_linears
from medmae.nn.mlp import Gelu
from medmae.nn.streams import Stream
from medmae.nn.vit import ClassToken, MaskedViT
from medmae.tokens.modalities import available

Drawing = Literal["mae", "flax"]
There = Mapping[str, Tensor | None]  # which samples have a kind, (B,) bool by name; None: all


@dataclass(frozen=True)
class Given:
    """What a batch has of several kinds of data.

    Attributes:
        rows: Patches ``(B, N, P)`` by name, as the encoder expects them; zeros where a sample lacks a kind.
        there: Which samples have it, ``(B,)`` bool by name; None: all.
    """

    rows: Mapping[str, Tensor]
    there: There

    @property
    def names(self) -> list[str]:
        """Of the kinds that any sample has."""
        return list(self.rows)


class StreamViTs(nn.Module):
    """One masked ViT a kind of data, all of one width; subclasses say what joins them.

    Args:
        streams: The kinds of data, each of another name.
        embed_dim: D.
        depth: Blocks of each.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon.
        gelu: Its form; see :func:`medmae.nn.mlp.gelu`.
        class_token: Whether and where each kind has one.
        last_norm: Whether each ends in a norm.
        kind_tokens: Adds a learned vector to all tokens of a kind, zero at first.
        drawing: How weights are drawn: as in MAE's code, or as flax does.

    Raises:
        ValueError: If names repeat, or a choice is not known.
    """

    def __init__(
        self,
        *,
        streams: Sequence[Stream],
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_ratio: float,
        norm_eps: float,
        gelu: Gelu,
        class_token: ClassToken,
        last_norm: bool,
        kind_tokens: bool,
        drawing: Drawing,
    ) -> None:
        super().__init__()
        check_choice(drawing, get_args(Drawing), name="drawing")
        self.given_as = {stream.name: stream for stream in streams}
        if not streams or len(self.given_as) != len(streams):
            raise ValueError(f"streams need names of their own, got {[stream.name for stream in streams]}")
        self.dim, self.drawing = embed_dim, drawing
        self.num_heads, self.mlp_ratio, self.norm_eps, self.gelu = num_heads, mlp_ratio, norm_eps, gelu
        sizes: dict[str, Any] = {"embed_dim": embed_dim, "depth": depth, "last_norm": last_norm, **self._block_sizes}
        self.streams = nn.ModuleDict(
            {
                name: MaskedViT(
                    image_size=stream.whole,
                    patch_size=stream.patch,
                    in_channels=len(stream.kind.channels),
                    class_token=class_token,
                    positions=stream.positions,
                    patch_init="lecun" if drawing == "flax" else "linear",
                    kind=stream.kind,
                    scale=stream.scale,
                    **sizes,
                )
                for name, stream in self.given_as.items()
            }
        )
        self.kind_tokens = nn.ParameterDict(
            {name: torch.zeros(1, 1, embed_dim) for name in self.given_as if kind_tokens}
        )

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
        table = self.available(batch)
        if not bool(table.any(dim=1).all()):
            raise ValueError(f"a sample has none of {', '.join(self.given_as)}: leave it out")
        rows, there = dict[str, Tensor](), dict[str, Tensor | None]()
        for number, (name, vit) in enumerate(self.vits.items()):
            has = table[:, number]
            if name not in batch or not bool(has.any()):
                continue
            cut = vit.patchify(self.given_as[name].cut(batch[name]))
            there[name] = None if bool(has.all()) else has
            rows[name] = cut if there[name] is None else torch.where(has[:, None, None], cut, 0.0)
        return Given(rows, there)

    def available(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Which samples have which kind, ``(B, T)`` bool; see :meth:`given`."""
        return available(list(self.given_as), batch)

    def embed(self, given: Given, masks: Masks | None = None) -> dict[str, Tensor]:
        """Tokens that enter the first block of each kind, ``(B, prefix + V, D)`` by name; ``masks`` say which."""
        masks, found = masks or {}, {}
        for name, rows in given.rows.items():
            vit, mask = self.vits[name], masks.get(name)
            tokens = vit.embed(rows, None if mask is None else mask.visible, None, False)  # (B, V, D)
            if name in self.kind_tokens:
                tokens = tokens + self.kind_tokens[name]
            found[name] = vit.add_class_token(tokens)
        return found

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
    def _block_sizes(self) -> dict[str, Any]:
        """What all blocks over these tokens are told."""
        names = ("num_heads", "mlp_ratio", "norm_eps", "gelu")
        return {name: getattr(self, name) for name in names}


def keys_of(tokens: Mapping[str, Tensor], there: There) -> Tensor | None:
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


def mean_of_kinds(rows: Mapping[str, Tensor], there: There) -> Tensor:
    """The mean ``(B, D)`` of what each sample has of ``(B, D)`` by name; ``there`` as in :func:`keys_of`."""
    stacked = torch.stack(list(rows.values()), dim=1)  # (B, T, D)
    keys = keys_of({name: each.unsqueeze(1) for name, each in rows.items()}, there)
    return mean_of(stacked, keys)
