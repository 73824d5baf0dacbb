"""What each kind of data has by itself behind an encoder: a decoder, a head of values, a projection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from torch import nn

from medmae.errors import check_choice
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.vit import MaskedViT
from medmae.nn.window_decoder import WindowDecoder

Reading = Literal["global", "window"]


def own_decoders(
    vits: Mapping[str, MaskedViT],
    *,
    reading: Mapping[str, Reading],
    depth: Mapping[str, int],
    dim: int,
    num_heads: int,
) -> nn.ModuleDict:
    """One decoder a kind, by name.

    Args:
        vits: Whose tokens these are.
        reading: ``window``: attention among neighbours; ``global``: MAE's.
        depth: Blocks; 0 is 16 of windows, 8 global ones.
        dim: Width.
        num_heads: Attention heads.

    Raises:
        ValueError: If a choice is not known.
    """
    found = nn.ModuleDict()
    for name, vit in vits.items():
        check_choice(reading[name], get_args(Reading), name="reading")
        if reading[name] == "window":
            found[name] = WindowDecoder(vit, dim=dim, depth=depth[name] or 16, num_heads=num_heads)
        else:
            found[name] = MaskedDecoder(vit, dim=dim, depth=depth[name] or 8, num_heads=num_heads)
    return found


def norms(names: Iterable[str], *, dim: int, norm_eps: float | None) -> nn.ModuleDict:
    """A norm each, by name; None: none, where something before them has one."""
    return nn.ModuleDict(
        {name: nn.Identity() if norm_eps is None else nn.LayerNorm(dim, eps=norm_eps) for name in names}
    )


def value_heads(values: Mapping[str, int], *, dim: int, norm_eps: float | None) -> nn.ModuleDict:
    """From decoder tokens to so many values each, by name; behind a norm, unless a decoder has one (None).

    Whoever builds them draws the weights.
    """
    found = nn.ModuleDict()
    for name, count in values.items():
        norm = nn.Identity() if norm_eps is None else nn.LayerNorm(dim, eps=norm_eps)
        found[name] = nn.Sequential(norm, nn.Linear(dim, count))
    return found


def projections(names: Iterable[str], *, dim: int, out: int | None) -> nn.ModuleDict:
    """From features to what is contrasted, two layers each, by name; None leaves features as they are.

    Whoever builds them draws the weights.
    """
    found = nn.ModuleDict()
    for name in names:
        layers = [] if out is None else [nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, out)]
        found[name] = nn.Sequential(*layers)
    return found
