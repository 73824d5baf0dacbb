"""One interleaved sinusoid over the flattened index of a token (the original Transformer's; VideoMAE, AV-MAE)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from medmae.nn.positions.base import Positions, Trained


@dataclass(frozen=True)
class FlatSinusoid(Positions):
    """Channel j of token p is the sine (even j) or cosine (odd j) of ``p / 10000 ** (2 * (j // 2) / D)``.

    Neighbours in time stand as far apart as the grid of one time slot is large, so that interpolation over axes would
    mean nothing: on another grid the table is computed anew. It is never trained, and published files do not hold it.
    """

    trained: ClassVar[Trained] = "never"

    def table(self, *, grid: Sequence[int], dim: int, prefix: int = 0) -> Tensor:
        """Computed in float64, stored in float32; prefix rows are zeros."""
        index = torch.arange(math.prod(grid), dtype=torch.float64)
        pair = torch.arange(dim).div(2, rounding_mode="floor")  # 0, 0, 1, 1, ...
        angle = index[:, None] / 10000.0 ** (2 * pair.double() / dim)  # (N, D)
        even = torch.arange(dim) % 2 == 0
        table = torch.where(even, angle.sin(), angle.cos()).float()
        return torch.cat([torch.zeros(prefix, dim), table]).unsqueeze(0)

    def resize(self, table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int) -> Tensor:
        """Computed for the new grid, whatever the old one was."""
        return self.table(grid=new_grid, dim=table.shape[2], prefix=prefix)
