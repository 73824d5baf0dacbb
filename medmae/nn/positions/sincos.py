"""Fixed sin-cos tables for any number of axes (MAE, and all that follow it)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice
from medmae.nn.positions.base import Positions, Trained
from medmae.nn.positions.resize import resize_positions

AxisOrder = Literal["last_first", "first_first"]


@dataclass(frozen=True)
class SinCos(Positions):
    """Every axis by itself, sines and cosines side by side; see :func:`sincos_table`.

    Fixed in pre-training, may be trained downstream, and is interpolated on another grid, as MAE's fine-tuning does.

    Attributes:
        axis_order: Whose axis fills the first channels.
        turned: The table of the grid with its axes in reverse order, row by row: what published weights of AudioMAE
            carry, where it tells tokens apart and no more.
    """

    axis_order: AxisOrder = "last_first"
    turned: bool = False
    trained: ClassVar[Trained] = "fine_tuning"

    def __post_init__(self) -> None:
        check_choice(self.axis_order, get_args(AxisOrder), name="axis_order")

    def table(self, *, grid: Sequence[int], dim: int, prefix: int = 0) -> Tensor:
        """See :func:`sincos_table`."""
        return sincos_table(grid=self.laid(grid), dim=dim, axis_order=self.axis_order, prefix=prefix)

    def resize(self, table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int) -> Tensor:
        """Interpolated: it may have been trained. See :func:`medmae.nn.positions.resize_positions`."""
        old, new = self.laid(old_grid), self.laid(new_grid)
        return resize_positions(table, old_grid=old, new_grid=new, prefix=prefix)

    def laid(self, grid: Sequence[int]) -> tuple[int, ...]:
        """See :meth:`Positions.laid`."""
        return tuple(reversed(grid)) if self.turned else tuple(grid)


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
