"""Fixed sin-cos position tables for any number of axes, and resizing of tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.errors import check_choice

AxisOrder = Literal["last_first", "first_first"]

_INTERPOLATION = {1: "linear", 2: "bicubic", 3: "trilinear"}


def sincos_table(*, grid: Sequence[int], dim: int, axis_order: AxisOrder = "last_first", prefix: int = 0) -> Tensor:
    """Fixed sin-cos positions: for every axis ``[sin(i w), cos(i w)]``, axes concatenated.

    An axis that owns n frequencies uses ``w_k = 10000 ** (-k / n)``. With two axes and a width divisible by 4
    this is the table of MAE. Widths that do not divide evenly give the first axes one frequency more, so that
    any even width works with any number of axes.

    Args:
        grid: Tokens along each axis.
        dim: D, width of the table; must be even.
        axis_order: ``last_first`` puts the LAST axis (the column of an image) in the first channels, as
            facebookresearch/mae does; ``first_first`` puts the first axis there, as BootMAE and CMAE do.
        prefix: Rows of zeros put before the table, for class tokens.

    Returns:
        ``(1, prefix + N, D)`` float32, tokens in raster order.

    Raises:
        ValueError: If ``dim`` is odd or too small to give each axis a frequency.
    """
    check_choice(axis_order, get_args(AxisOrder), name="axis_order")
    ndim = len(grid)
    if dim % 2 or dim // 2 < ndim:
        raise ValueError(f"a sin-cos table over {ndim} axes needs an even width of at least {2 * ndim}, got {dim}")
    index = torch.meshgrid(*(torch.arange(g, dtype=torch.float64) for g in grid), indexing="ij")
    axes = list(reversed(index)) if axis_order == "last_first" else list(index)
    share, rest = divmod(dim // 2, ndim)
    parts = [_axis_table(axis.reshape(-1), share + (i < rest)) for i, axis in enumerate(axes)]
    table = torch.cat(parts, dim=1).float()  # (N, D)
    return torch.cat([torch.zeros(prefix, dim), table]).unsqueeze(0)


def _axis_table(positions: Tensor, frequencies: int) -> Tensor:
    omega = 10000.0 ** (-torch.arange(frequencies, dtype=torch.float64) / frequencies)
    angle = positions[:, None] * omega  # (N, n)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


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
