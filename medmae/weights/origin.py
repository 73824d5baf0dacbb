"""Whose a position table is: a fixed one shows its grid and its order of axes, a learned one does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from medmae.nn.positions import AxisOrder, sincos_table


@dataclass(frozen=True)
class Origin:
    """What a fixed sin-cos table was made for.

    Attributes:
        grid: Tokens along each axis.
        axis_order: Whose axis fills its first channels.
    """

    grid: tuple[int, ...]
    axis_order: AxisOrder


def origin_of(table: Tensor, *, prefix: int, likely: Origin) -> Origin | None:
    """For what a table ``(1, prefix + N, D)`` was made; None if it is not fixed (learned, interpolated).

    Args:
        table: Any.
        prefix: Rows before the grid.
        likely: Is tried first, and says how many axes there are.
    """
    if table.is_meta:  # shapes without values
        return None
    rows = table[0, prefix:].float()  # (N, D)
    count, dim = rows.shape
    ndim = len(likely.grid)
    # Each pair of sine and cosine adds 1: a cheap look that spares learned tables the search.
    if count < 1 or dim % 2 or dim // 2 < ndim or bool((rows.square().sum(dim=1) - dim / 2).abs().max() > 1e-2 * dim):
        return None
    # The likely order first: a strip of 1 x 36 in one order is one of 36 x 1 in the other.
    orders = sorted(get_args(AxisOrder), key=lambda order: order != likely.axis_order)
    others = (Origin(grid, order) for order in orders for grid in grids_of(count, ndim=ndim))
    for origin in [likely, *others]:
        if math.prod(origin.grid) == count:
            fixed = sincos_table(grid=origin.grid, dim=dim, axis_order=origin.axis_order)[0]
            if torch.allclose(rows, fixed.to(rows), atol=1e-3):
                return origin
    return None


def grids_of(count: int, *, ndim: int) -> Iterator[tuple[int, ...]]:
    """All grids of ``count`` tokens with so many axes."""
    if ndim == 1:
        yield (count,)
        return
    for first in range(1, count + 1):
        if count % first == 0:
            yield from ((first, *rest) for rest in grids_of(count // first, ndim=ndim - 1))


def equal_edges(count: int, *, ndim: int) -> tuple[int, ...]:
    """The grid of equal edges that comes nearest to ``count`` tokens."""
    return (round(max(count, 0) ** (1 / ndim)),) * ndim
