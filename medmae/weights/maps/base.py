"""What a key map is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.kinds import Scale

Pairs = tuple[tuple[str, str], ...]
_BACKBONE = "backbone."
# Put before keys by (Distributed)DataParallel, torch.compile, Lightning, and what has an encoder and a head.
_WRAPPERS = ("module.", "_orig_mod.", "model.", _BACKBONE)


@dataclass(frozen=True)
class Join:
    """Several of their tensors that, put one below the other, are one of ours.

    Attributes:
        ours: Ending of our key.
        theirs: Endings of theirs, in order; None stands for zeros, where their network has no such tensor. The first
            is never None.
    """

    ours: str
    theirs: tuple[str | None, ...]

    def apply(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """``state`` with every complete group joined; an incomplete one stays, and is unexpected further on."""
        first = str(self.theirs[0])
        joined = dict(state)
        for key in state:
            stem = key.removesuffix(first)
            group = [None if part is None else stem + part for part in self.theirs]
            if not key.endswith(first) or not all(name is None or name in state for name in group):
                continue
            parts = [torch.zeros_like(state[key]) if name is None else state[name] for name in group]
            for name in group:
                joined.pop(name or key, None)
            joined[stem + self.ours] = torch.cat(parts)
        return joined

    def split(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inverse of :meth:`apply`.

        Raises:
            ValueError: If theirs has no place for a part of ours that is not zero.
        """
        separate = {}
        for key, value in state.items():
            if not key.endswith(self.ours):
                separate[key] = value
                continue
            for ending, part in zip(self.theirs, value.chunk(len(self.theirs)), strict=True):
                if ending is not None:
                    separate[key.removesuffix(self.ours) + ending] = part
                elif part.any():
                    raise ValueError(f"{key} has a part that their layout has no place for, and it is not zero")
        return separate


@dataclass(frozen=True)
class KeyMap:
    """Renames the keys of a published layout.

    Attributes:
        source: Where such files come from.
        prefixes: Pairs (theirs, ours); the first that fits the beginning of a key is used.
        dead: Their prefixes that no forward pass ever reads; accepted, reported, dropped.
        computed: Endings of their keys that hold nothing learned and are computed here; treated as dead ones.
        parts: Pairs (theirs, ours) replaced anywhere in a key, one after the other, before prefixes are.
        joins: Tensors that are one here, e.g. :data:`QKV`; their endings are those after ``parts``.
        scale: What these weights expect of data, by the published code; None where it differs from file to file.
        eps: Of every norm, by the published code; None where it is not said.
        rest: What a key that no rule knows gets in front; ``encoder.`` for layouts of an encoder, so that whatever
            it has besides is refused and not left behind.
    """

    source: str
    prefixes: Pairs
    dead: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()
    parts: Pairs = ()
    joins: tuple[Join, ...] = ()
    scale: Scale | None = None
    eps: float | None = None
    rest: str = ""

    def rename(self, key: str) -> str | None:
        """Our key, or None if theirs is dead. Keys that no rule knows pass unchanged."""
        key = self._bare(key)
        if key.startswith(self.dead) or key.endswith(self.computed):
            return None
        for theirs, ours in self.parts:
            key = key.replace(theirs, ours)
        known = key.startswith(tuple(theirs for theirs, _ in self.prefixes))
        is_ours = key.partition(".")[0] in {ours.partition(".")[0] for _, ours in self.prefixes}
        return _swapped(key, self.prefixes) if known or is_ours else self.rest + key

    def apply(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state, and the dead keys that were dropped.

        Raises:
            ValueError: If two keys of the file mean the same.
        """
        renamed: dict[str, Tensor] = {}
        dead = []
        inside = any(_BACKBONE in key.removesuffix(self._bare(key)) for key in state)
        for key, value in state.items():
            beside = inside and _BACKBONE not in key.removesuffix(self._bare(key))  # a head beside a backbone
            ours = None if beside else self.rename(key)
            if ours is None:
                dead.append(key)
            elif ours in renamed:
                raise ValueError(f"two keys of the file mean {ours}, and {key} is the second")
            else:
                renamed[ours] = value
        for join in self.joins:
            renamed = join.apply(renamed)
        return renamed, dead

    def _bare(self, key: str) -> str:
        """A key without what wrappers put in front, unless this layout has it of its own."""
        own = (*(theirs for theirs, _ in self.prefixes), *self.dead)
        wrappers = [wrapper for wrapper in _WRAPPERS if not any(name.startswith(wrapper) for name in own)]
        while wrapper := next(filter(key.startswith, wrappers), None):
            key = key.removeprefix(wrapper)
        return key


class TwoWayMap(KeyMap):
    """A map of a layout that is written, too: where two of their names mean the same, the first is the one written."""

    def write(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our state under their keys: the inverse of :meth:`apply`, bit for bit."""
        separate = dict(state)
        for join in self.joins:
            separate = join.split(separate)
        return {self._theirs(key): value for key, value in separate.items()}

    def _theirs(self, key: str) -> str:
        key = _swapped(key, tuple((ours, theirs) for theirs, ours in self.prefixes))
        for theirs, ours in self.parts:
            key = key.replace(ours, theirs)
        return key


def _swapped(key: str, pairs: Pairs) -> str:
    for old, new in pairs:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


ENCODER_PREFIXES: Pairs = tuple(
    (key, f"encoder.{key}") for key in ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")
)
DECODER_PREFIXES: Pairs = (
    ("mask_token", "decoder.mask_token"),
    ("decoder_pos_embed", "decoder.pos_embed"),
    ("decoder_embed.", "decoder.embed."),
    ("decoder_blocks.", "decoder.blocks."),
)
# Queries, keys and values apart (HF, SAIM); and a fused weight with biases of queries and values only (BootMAE): a bias
# of keys adds the same to every logit of a query, which softmax ignores, so that zeros are exact.
QKV = tuple(
    Join(f"attn.qkv.{kind}", (f"attn.q.{kind}", f"attn.k.{kind}", f"attn.v.{kind}")) for kind in ("weight", "bias")
)
QV_BIAS = Join("attn.qkv.bias", ("attn.q_bias", None, "attn.v_bias"))
