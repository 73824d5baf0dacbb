"""Position tables of another grid, made to fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from medmae.nn.positions import resize_positions, sincos_table
from medmae.nn.vit import MaskedViT

PositionRule = Literal["positions", "positions_own"]


def adapt_positions(
    module: nn.Module,
    table: Tensor,
    *,
    key: str,
    own: Tensor,
    rule: PositionRule = "positions",
    flat: bool = False,
    file_grid: Sequence[int] | None = None,
) -> Tensor:
    """A position table ``(1, prefix + N, D)`` for our grid.

    - ``positions``: interpolated, as MAE's fine-tuning does; see :func:`medmae.nn.positions.resize_positions`. A table
      of pictures for volumes is interpolated in the plane and the same at every depth.
    - ``positions_own``: ours, theirs is left out. Where both are fixed sin-cos tables of pictures, a row and a column
      keep their numbers.

    Args:
        module: Holds the masked ViT whose grid is ours: the one that the table belongs to, or else the first.
        table: Theirs.
        key: Its name.
        own: Ours.
        rule: Which of the two.
        flat: Whether theirs is of pictures, and ours of volumes.
        file_grid: Tokens along each axis of theirs; None for a grid of equal edges.

    Raises:
        ValueError: If the table belongs to no such grid.
    """
    if rule == "positions_own":
        return own
    grid = _encoder(module, key).patches.grid
    prefix = own.shape[1] - math.prod(grid)
    plane = grid[1:] if flat and len(grid) == 3 else grid
    rows = table.shape[1] - prefix
    old = tuple(file_grid) if file_grid is not None else _equal_edges(rows, ndim=len(plane))
    if len(old) != len(plane) or math.prod(old) != rows:
        raise ValueError(
            f"a position table of {table.shape[1]} rows, {prefix} of them for class tokens, belongs to no grid of "
            f"{'equal edges' if file_grid is None else old}: name its grid, file_grid=(rows, columns), or take the "
            "model's own table, adapt=['positions_own']"
        )
    resized = resize_positions(table, old_grid=old, new_grid=plane, prefix=prefix)
    if plane == grid:
        return resized
    return torch.cat([resized[:, :prefix], resized[:, prefix:].repeat(1, grid[0], 1)], dim=1)


def belongs_elsewhere(
    module: nn.Module, table: Tensor, *, key: str, flat: bool, file_grid: Sequence[int] | None
) -> bool:
    """Whether a table of as many rows as ours is of another grid: of 14 x 14 where we have 7 x 28.

    It is ``flat``, of pictures where ours is of volumes; or somebody says so by ``file_grid``; or it is the fixed
    sin-cos table of a grid of equal edges. A learned one does not show it.
    """
    if not key.endswith("pos_embed") or not any(isinstance(part, MaskedViT) for part in module.modules()):
        return False
    encoder = _encoder(module, key)
    grid = encoder.patches.grid
    if flat or file_grid is not None:
        return flat or tuple(file_grid or ()) != grid
    prefix = table.shape[1] - math.prod(grid)
    square = _equal_edges(math.prod(grid), ndim=len(grid))
    if math.prod(square) != math.prod(grid) or square == grid or prefix < 0:
        return False
    fixed = sincos_table(grid=square, dim=table.shape[2], axis_order=encoder.axis_order, prefix=prefix)
    return torch.allclose(table.float(), fixed, atol=1e-3)


def _encoder(module: nn.Module, key: str) -> MaskedViT:
    encoders = {name: part for name, part in module.named_modules() if isinstance(part, MaskedViT)}
    return encoders.get(key.rpartition(".")[0]) or next(iter(encoders.values()))


def _equal_edges(rows: int, *, ndim: int) -> tuple[int, ...]:
    return (round(max(rows, 0) ** (1 / ndim)),) * ndim
