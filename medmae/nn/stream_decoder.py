"""Decoders of several kinds of data: one for each, one that all take turns in, or one over all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masks, gather_tokens
from medmae.nn.decoder import DecoderTokens
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.init import initialise_flax, initialise_linears
from medmae.nn.stream_vits import There, keys_of
from medmae.nn.trunk import Trunk

Sharing = Literal["shared", "separate", "joint"]
_ALL = "all"


class StreamDecoder(nn.Module):
    """From encoded visible tokens of several kinds to hidden ones of each.

    Each kind has its own positions and, unless they share one, projection and mask token; weights are drawn as the
    encoder's.

    Args:
        encoder: Whose tokens these are.
        sharing: ``separate`` blocks for each kind, ``shared`` ones that decode each kind by itself, or ``joint`` ones
            over the tokens of all kinds.
        dim: Width.
        depth: Blocks.
        num_heads: Attention heads.
        kind_tokens: Adds a learned vector to all tokens of a kind, zero at first.
        one_entrance: Whether all kinds share one projection and one mask token.

    Raises:
        ValueError: If the choice is not known, or the width does not suit the heads.
    """

    def __init__(
        self,
        encoder: FusedEncoder,
        *,
        sharing: Sharing = "shared",
        dim: int = 384,
        depth: int = 4,
        num_heads: int = 6,
        kind_tokens: bool = False,
        one_entrance: bool = False,
    ) -> None:
        super().__init__()
        check_choice(sharing, get_args(Sharing), name="decoder")
        self.sharing, self.dim = sharing, dim
        self.entrances = nn.ModuleDict({name: DecoderTokens(vit, dim=dim) for name, vit in encoder.vits.items()})
        if one_entrance:
            first, *others = self.entrances.values()
            for other in others:
                other.embed, other.mask_token = first.embed, first.mask_token
        self.kind_tokens = nn.ParameterDict({name: torch.zeros(1, 1, dim) for name in encoder.vits if kind_tokens})
        sizes: dict[str, Any] = {"dim": dim, "depth": depth, "num_heads": num_heads}
        self.trunks = nn.ModuleDict(
            {
                name: Trunk(mlp_ratio=encoder.mlp_ratio, norm_eps=encoder.norm_eps, gelu=encoder.gelu, **sizes)
                for name in (encoder.vits if sharing == "separate" else [_ALL])
            }
        )
        if encoder.drawing == "flax":
            initialise_flax(self)
        else:
            initialise_linears(self)
            for entrance in self.entrances.values():
                nn.init.normal_(entrance.mask_token, std=0.02)  # type: ignore[arg-type]

    def forward(
        self, latent: Mapping[str, Tensor], masks: Masks, there: There, *, everything: bool = False
    ) -> dict[str, Tensor]:
        """Hidden tokens of each kind from its visible ones; jointly from those of all.

        Args:
            latent: Encoder output ``(B, prefix + V, D)`` by name.
            masks: Which tokens are visible, and which hidden ones are decoded.
            there: Which samples have a kind, ``(B,)`` bool by name; None: all.
            everything: Decodes visible tokens, too, before the others.

        Returns:
            ``(B, M, dim)`` by name, normalised, in the order of each mask's ``masked``; of everything
            ``(B, V + M, dim)``.
        """
        tokens = {name: self.entrance(name).tokens(rows, masks[name]) for name, rows in latent.items()}
        tokens = {name: self._marked(name, rows) for name, rows in tokens.items()}
        counts = {name: _asked(masks[name], everything=everything) for name in latent}
        if self.sharing != "joint":
            return {name: self.trunk(name)(rows, num_tail=counts[name]) for name, rows in tokens.items()}
        # Everything that is visible, then everything that is hidden, for the last block.
        parts = {name: rows.split([rows.shape[1] - counts[name], counts[name]], dim=1) for name, rows in tokens.items()}
        order = [{name: part[side] for name, part in parts.items()} for side in range(2)]
        joint = torch.cat([rows for side in order for rows in side.values()], dim=1)
        keys = [keys_of(side, there) for side in order]
        key_mask = None if keys[0] is None or keys[1] is None else torch.cat([keys[0], keys[1]], dim=1)
        found = self.trunk(_ALL)(joint, key_mask=key_mask, num_tail=sum(counts.values()))
        return dict(zip(latent, found.split(list(counts.values()), dim=1), strict=True))

    def inpaint(
        self, latent: Mapping[str, Tensor], masks: Masks, there: There, *, everything: bool = False
    ) -> dict[str, Tensor]:
        """Hidden tokens of each kind from the visible tokens of all others, and from none of its own.

        All tokens of the kind enter as mask tokens, those that the encoder saw, too; the others stand before them with
        their own projections and positions. Only a sample that has no other kind is rebuilt from what it has.

        Arguments and result are those of :meth:`forward`.

        Raises:
            ValueError: If the decoder is a joint one, in which a kind would read its own tokens.
        """
        if self.sharing == "joint":
            raise ValueError(
                "a joint decoder reads all kinds, so that nothing is rebuilt from others: decoder='shared'"
            )
        context = {name: self._context(name, rows, masks[name]) for name, rows in latent.items()}
        found = {}
        for name in latent:
            read = {other: rows for other, rows in context.items() if other != name}
            alone = _alone(read, there, like=latent[name])  # (B,)
            if alone is not None:
                read, there_now = {**read, name: context[name]}, {**there, name: alone}
            else:
                there_now = dict(there)
            count = _asked(masks[name], everything=everything)
            found[name] = self._inpainted(name, list(read.values()), keys_of(read, there_now), masks[name], count=count)
        return found

    def inpaint_in_place(
        self, latent: Mapping[str, Tensor], masks: Masks, there: There, *, everything: bool = False
    ) -> dict[str, Tensor]:
        """As published: the visible tokens of the other kind stand in the first places of this one.

        So the first tokens of a kind, as many as the other has visible ones, are never decoded, and no place of the
        other is told.

        Returns:
            ``(B, N - V, dim)`` by name: tokens from V, the other's visible ones, to the last; N of everything.

        Raises:
            ValueError: If there are not two kinds, a sample lacks one, or there are no places left.
        """
        if len(self.entrances) != 2 or len(latent) != 2 or any(has is not None for has in there.values()):
            raise ValueError("inpainting as published is of two kinds of data that every sample has")
        if self.sharing == "joint":
            raise ValueError(
                "a joint decoder reads all kinds, so that nothing is rebuilt from others: decoder='shared'"
            )
        found = {}
        for name, other in zip(latent, reversed(list(latent)), strict=True):
            prefix, seen = self.entrance(other).apart(latent[other], masks[other].num_visible)
            entrance = self.entrance(name)
            left = masks[name].num_tokens - seen.shape[1]
            if left < 1:
                raise ValueError(f"{other} shows {seen.shape[1]} tokens, and {name} has no more places than that")
            rows = (
                torch.cat([seen, entrance.mask_token.expand(len(seen), left, -1)], dim=1) + entrance.token_positions()
            )
            rows = self._marked(name, torch.cat([prefix, rows], dim=1))
            found[name] = self.trunk(name)(rows, num_tail=masks[name].num_tokens if everything else left)
        return found

    def entrance(self, name: str) -> DecoderTokens:
        """Where tokens of a kind come in."""
        return self.entrances[name]  # type: ignore[return-value]

    def trunk(self, name: str) -> Trunk:
        """The blocks that decode a kind."""
        return self.trunks[name if self.sharing == "separate" else _ALL]  # type: ignore[return-value]

    def _marked(self, name: str, tokens: Tensor) -> Tensor:
        return tokens + self.kind_tokens[name] if name in self.kind_tokens else tokens

    def _context(self, name: str, latent: Tensor, mask: Mask) -> Tensor:
        """Visible tokens as others read them, ``(B, prefix + V, dim)``."""
        entrance = self.entrance(name)
        prefix, seen = entrance.apart(latent, mask.num_visible)
        seen = seen + gather_tokens(entrance.token_positions(), mask.visible)
        return self._marked(name, torch.cat([prefix, seen], dim=1))

    def _inpainted(self, name: str, read: list[Tensor], keys: Tensor | None, mask: Mask, *, count: int) -> Tensor:
        entrance = self.entrance(name)
        order = torch.cat([mask.visible, mask.masked], dim=1)  # (B, N): the hidden ones last
        asked = self._marked(name, entrance.mask_token + gather_tokens(entrance.token_positions(), order))
        if keys is not None:
            keys = torch.cat([keys, keys.new_ones(order.shape)], dim=1)
        tokens = torch.cat([*read, asked.to(read[0].dtype)], dim=1)
        return self.trunk(name)(tokens, key_mask=keys, num_tail=count)


def _asked(mask: Mask, *, everything: bool) -> int:
    """How many tokens are decoded."""
    return mask.num_masked + (mask.num_visible if everything else 0)


def _alone(read: Mapping[str, Tensor], there: There, *, like: Tensor) -> Tensor | None:
    """Which samples have nothing of what is read, ``(B,)`` bool; None: none of them."""
    if not read:
        return torch.ones(len(like), dtype=torch.bool, device=like.device)
    keys = keys_of(read, there)
    alone = None if keys is None else ~keys.any(dim=1)
    return alone if alone is not None and bool(alone.any()) else None
