"""Interpolation of position tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

_INTERPOLATION = {1: "linear", 2: "bicubic", 3: "trilinear"}


def resize_positions(table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int = 1) -> Tensor:
    """Interpolates the grid part of a position table; prefix rows are copied.

    Bicubic in 2-d (as the MAE fine-tuning code), linear in 1-d, trilinear in 3-d; corners not aligned.

    Args:
        table: ``(1, prefix + N, D)``.
        old_grid: Tokens along each axis now.
        new_grid: Tokens along each axis wanted.
        prefix: Rows before the grid that belong to class tokens.

    Raises:
        ValueError: If ``table`` does not have ``prefix + prod(old_grid)`` rows.
    """
    if table.shape[1] != prefix + math.prod(old_grid):
        raise ValueError(f"a table of {table.shape[1]} rows is not {prefix} + a grid of {tuple(old_grid)}")
    if tuple(old_grid) == tuple(new_grid):
        return table
    ndim, dim = len(old_grid), table.shape[2]
    grid = table[:, prefix:].transpose(1, 2).reshape(1, dim, *old_grid)
    grid = F.interpolate(grid, size=tuple(new_grid), mode=_INTERPOLATION[ndim], align_corners=False)
    return torch.cat([table[:, :prefix], grid.reshape(1, dim, -1).transpose(1, 2)], dim=1)
