"""Encoders for stubs that are no masked ViT: blocks over tokens that something else embeds."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medmae.kinds import Kind
from medmae.masking import Mask
from medmae.methods.shown import Shown
from medmae.nn.blocks import make_blocks
from medmae.nn.fresh import fresh_copy
from medmae.nn.vit import MaskedViT
from medmae.tokens.patches import Patches

Batch = Mapping[str, Tensor]
SIZES = {"embed_dim": 24, "depth": 1, "num_heads": 3, "class_token": "none"}


def vit(kind: Kind, size: tuple[int, ...], patch: tuple[int, ...]) -> MaskedViT:
    """A tiny one, without a class token."""
    return MaskedViT(image_size=size, patch_size=patch, in_channels=len(kind.channels), kind=kind, **SIZES)


def examples(shapes: Mapping[str, tuple[int, ...]], count: int, generator: torch.Generator | None) -> dict[str, Tensor]:
    """Random data ``(B, C, *size)`` by name."""
    return {name: torch.rand(count, *shape, generator=generator) for name, shape in shapes.items()}


def pasted(kind: Kind, patches: Patches, mask: Mask, data: Tensor, found: Tensor) -> Shown:
    """What is shown of data on a grid of patches, of which the hidden ones ``(B, M, P)`` were found."""
    rows = mask.restore(mask.keep(patches.patchify(data)), found)
    return Shown(kind, data, patches.paint(mask.as_bool()), patches.unpatchify(rows))


class TokenEncoder(nn.Module):
    """An encoder (see medmae.nn.encoder) of whatever ``tokens`` embeds; subclasses say how."""

    def __init__(self, *kinds: Kind, dim: int = 24, depth: int = 2) -> None:
        super().__init__()
        self.kinds: Mapping[str, Kind] = {kind.name: kind for kind in kinds}
        self.dim = dim
        self.blocks = make_blocks(dim=dim, depth=depth, num_heads=3)
        self.norm = nn.LayerNorm(dim)

    def tokens(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Embedded tokens of whole data ``(B, N, D)``, and which of them are no padding ``(B, N)``; None: all."""
        raise NotImplementedError

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens, key_mask=keys)
        return self.norm(tokens)

    def features(self, batch: Tensor | Batch, *, pool: str = "mean", block: int | None = None) -> Tensor:
        batch = batch if isinstance(batch, Mapping) else {next(iter(self.kinds)): batch}
        tokens, keys = self.tokens(batch)
        weight = torch.ones(tokens.shape[:2]) if keys is None else keys.float()
        return (self(tokens, keys) * weight.unsqueeze(2)).sum(dim=1) / weight.sum(dim=1, keepdim=True)

    def fresh(self, *, seed: int) -> TokenEncoder:
        twin = copy.deepcopy(self)
        for name, part in self.named_children():
            setattr(twin, name, part.fresh(seed=seed) if isinstance(part, MaskedViT) else _drawn(part, seed))
        return twin

    def layers(self) -> list[list[nn.Parameter]]:
        behind = {id(p) for part in (self.blocks, self.norm) for p in part.parameters()}
        first = [p for p in self.parameters() if id(p) not in behind]
        return [first, *(list(block.parameters()) for block in self.blocks)]


def _drawn(part: nn.Module, seed: int) -> nn.Module:
    def tables(module: nn.Module) -> list[nn.Parameter]:
        own = list(module.parameters(recurse=False)) if isinstance(module, nn.ParameterDict) else []
        return [nn.init.normal_(table, std=0.02) for table in own]

    return fresh_copy(part, seed=seed, others=tables) if list(part.parameters()) else part
