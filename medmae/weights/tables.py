"""Position tables of another grid, made to fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from medmae.nn.positions import Positions, SinCos
from medmae.nn.vit import MaskedViT
from medmae.weights.origin import Origin, equal_edges, origin_of

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

    - ``positions``: as its kind is resized: interpolated, as MAE's fine-tuning does, over the grid or along each axis;
      see :mod:`medmae.nn.positions`. A table of pictures that is interpolated for volumes is the same at every depth.
      Tables that are computed are in no file, and need no rule.
    - ``positions_own``: ours, theirs is left out. Where both are fixed sin-cos tables of pictures, a row and a column
      keep their numbers; one whose first channels hold the other axis is refused.

    Args:
        module: Holds the masked ViT whose grid is ours: the one that the table belongs to, or else the first.
        table: Theirs.
        key: Its name.
        own: Ours.
        rule: Which of the two.
        flat: Whether theirs is of pictures, and ours of volumes.
        file_grid: Tokens along each axis of theirs; None for a grid of equal edges.

    Raises:
        ValueError: If the table belongs to no such grid, or shows that it was made for another.
    """
    encoder = _encoder(module, key)
    grid, positions = encoder.patches.grid, encoder.positions
    prefix = own.shape[1] - positions.num_rows(grid)
    plane = grid[1:] if flat and len(grid) == 3 else grid
    origin = _origin(positions, table, prefix=prefix, grid=plane)
    if rule == "positions_own":
        if not flat:
            _refuse_other_order(origin, positions, key=key)
        return own
    rows = table.shape[1] - prefix
    if plane != grid and positions.num_rows(grid) != math.prod(grid):
        raise ValueError(f"{key} is of pictures, and {positions} of volumes need rows for the depth: 'positions_own'")
    old = tuple(file_grid) if file_grid is not None else equal_edges(rows, ndim=len(plane))
    if len(old) != len(plane) or positions.num_rows(old) != rows:
        raise ValueError(
            f"a position table of {table.shape[1]} rows, {prefix} of them for class tokens, belongs to no grid of "
            f"{'equal edges' if file_grid is None else old}: name its grid, file_grid=(rows, columns), or take the "
            "model's own table, adapt=['positions_own']"
        )
    if origin is not None and origin.grid != positions.laid(old):
        raise ValueError(f"{key} is the fixed table of a grid of {origin.grid}, not of {old}: file_grid={origin.grid}")
    resized = positions.resize(table, old_grid=old, new_grid=plane, prefix=prefix)
    if plane == grid:
        return resized
    return torch.cat([resized[:, :prefix], resized[:, prefix:].repeat(1, grid[0], 1)], dim=1)


def belongs_elsewhere(
    module: nn.Module, table: Tensor, *, key: str, flat: bool, file_grid: Sequence[int] | None
) -> bool:
    """Whether a table of as many rows as ours is of another grid: of 14 x 14 where we have 7 x 28.

    It is ``flat``, of pictures where ours is of volumes; or it is a fixed sin-cos table and shows it; or somebody says
    so by ``file_grid``. A learned one does not show it. A table of our grid in another order of axes is the file's own
    way to number rows and columns, which its weights know: it passes.
    """
    if not key.endswith("pos_embed") or not any(isinstance(part, MaskedViT) for part in module.modules()):
        return False
    encoder = _encoder(module, key)
    grid, positions = encoder.patches.grid, encoder.positions
    prefix = table.shape[1] - positions.num_rows(grid)
    if flat or prefix < 0:
        return flat
    origin = _origin(positions, table, prefix=prefix, grid=grid)
    if origin is not None:
        return origin.grid != positions.laid(grid)
    return file_grid is not None and tuple(file_grid) != grid


def _origin(positions: Positions, table: Tensor, *, prefix: int, grid: tuple[int, ...]) -> Origin | None:
    """What a fixed table was made for; learned ones of our kind may begin as anything."""
    if not isinstance(positions, SinCos):
        return None
    return origin_of(table, prefix=prefix, likely=Origin(positions.laid(grid), positions.axis_order))


def _refuse_other_order(origin: Origin | None, positions: Positions, *, key: str) -> None:
    if origin is None or not isinstance(positions, SinCos):
        return
    if len(origin.grid) > 1 and origin.axis_order != positions.axis_order:
        raise ValueError(
            f"{key} has axis_order={origin.axis_order!r} and this encoder {positions.axis_order!r}: with our table its "
            "weights would take rows for columns; keep theirs, adapt=['positions'], or build with that axis_order"
        )


def _encoder(module: nn.Module, key: str) -> MaskedViT:
    encoders = {name: part for name, part in module.named_modules() if isinstance(part, MaskedViT)}
    return encoders.get(key.rpartition(".")[0]) or next(iter(encoders.values()))
