"""What a key map is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class KeyMap:
    """Renames the keys of a published layout by prefix.

    Attributes:
        source: Where such files come from.
        prefixes: Pairs (theirs, ours); the first that fits is used.
        dead: Their prefixes that no forward pass ever reads; accepted, reported, dropped.
        computed: Endings of their keys that hold nothing learned and are computed here; treated as dead ones.
    """

    source: str
    prefixes: tuple[tuple[str, str], ...]
    dead: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()

    def rename(self, key: str) -> str | None:
        """Our key, or None if theirs is dead. Keys that no rule knows pass unchanged."""
        key = key.removeprefix("module.")  # left by (Distributed)DataParallel
        if key.startswith(self.dead) or key.endswith(self.computed):
            return None
        for theirs, ours in self.prefixes:
            if key.startswith(theirs):
                return ours + key.removeprefix(theirs)
        return key

    def apply(self, state: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Renamed state, and the dead keys that were dropped."""
        renamed, dead = {}, []
        for key, value in state.items():
            ours = self.rename(key)
            if ours is None:
                dead.append(key)
            else:
                renamed[ours] = value
        return renamed, dead


ENCODER_PREFIXES = tuple(
    (key, f"encoder.{key}") for key in ("cls_token", "pos_embed", "patch_embed.", "blocks.", "norm.")
)
DECODER_PREFIXES = (
    ("mask_token", "decoder.mask_token"),
    ("decoder_pos_embed", "decoder.pos_embed"),
    ("decoder_embed.", "decoder.embed."),
    ("decoder_blocks.", "decoder.blocks."),
)
