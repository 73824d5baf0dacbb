"""Learned positions: one row a token, or one row a place along each axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from medmae.nn.positions.base import Positions, Trained
from medmae.nn.positions.resize import resize_positions


@dataclass(frozen=True)
class LearnedPositions(Positions):
    """Drawn from a truncated normal distribution and trained from the start; interpolated on another grid.

    Attributes:
        per_axis: A row for each place along each axis, first axis first; a token's position is their sum (SkeletonMAE:
            one row a time slot and one a joint). False has a row for each token.
        std: Standard deviation of the draw.
    """

    per_axis: bool = False
    std: float = 0.02
    trained: ClassVar[Trained] = "always"

    def table(self, *, grid: Sequence[int], dim: int, prefix: int = 0) -> Tensor:
        """Drawn, prefix rows too."""
        table = torch.empty(1, prefix + self.num_rows(grid), dim)
        return nn.init.trunc_normal_(table, std=self.std)

    def resize(self, table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int) -> Tensor:
        """Interpolated over the grid, or along each axis by itself."""
        if not self.per_axis:
            return resize_positions(table, old_grid=old_grid, new_grid=new_grid, prefix=prefix)
        if table.shape[1] != prefix + sum(old_grid):
            raise ValueError(f"a table of {table.shape[1]} rows is not {prefix} + the axes of {tuple(old_grid)}")
        axes = table[:, prefix:].split(list(old_grid), dim=1)
        resized = [
            resize_positions(axis, old_grid=(old,), new_grid=(new,), prefix=0)
            for axis, old, new in zip(axes, old_grid, new_grid, strict=True)
        ]
        return torch.cat([table[:, :prefix], *resized], dim=1)

    def num_rows(self, grid: Sequence[int]) -> int:
        """See :meth:`Positions.num_rows`."""
        return sum(grid) if self.per_axis else math.prod(grid)

    def axis_rows(self, grid: Sequence[int]) -> Tensor | None:
        """See :meth:`Positions.axis_rows`."""
        if not self.per_axis:
            return None
        starts = [sum(grid[:axis]) for axis in range(len(grid))]
        places = torch.cartesian_prod(*(torch.arange(extent) for extent in grid))  # (N, A), or (N,) of one axis
        return places.reshape(-1, len(grid)) + torch.tensor(starts)
