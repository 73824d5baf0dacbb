"""Contrast of several kinds of data of the same samples, all pairs of kinds together, or each with another draw."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations

import torch
from torch import Tensor

from medmae.objectives.pairwise import pair_contrast


def between_kinds(
    points: Mapping[str, Tensor],
    there: Mapping[str, Tensor],
    *,
    temperature: float,
    groups: Tensor | None = None,
    one_way: bool = False,
) -> Tensor:
    """Mean contrast of each pair of kinds, both ways.

    Args:
        points: ``(B, V, D)`` by kind, two kinds at least.
        there: Which samples have a kind, ``(B,)`` bool by name.
        temperature: See :func:`medmae.objectives.pairwise.pair_contrast`.
        groups: Likewise.
        one_way: Of each pair the earlier kind alone is looked for, by the later one (CAV-MAE: sounds by pictures).
    """
    pairs = [(b, a) for a, b in combinations(points, 2)] if one_way else list(permutations(points, 2))
    found = [
        pair_contrast(points[a], points[b], temperature=temperature, there=there[a] & there[b], groups=groups)[0]
        for a, b in pairs
    ]
    return torch.stack(found).mean()


def between_draws(
    first: Mapping[str, Tensor],
    second: Mapping[str, Tensor],
    there: Mapping[str, Tensor],
    *,
    temperature: float,
    groups: Tensor | None = None,
) -> Tensor:
    """Mean contrast of two draws of each kind, both ways; arguments as in :func:`between_kinds`."""
    found = [
        pair_contrast(*pair, temperature=temperature, there=there[name], groups=groups)[0]
        for name in first
        for pair in permutations((first[name], second[name]))
    ]
    return torch.stack(found).mean()
