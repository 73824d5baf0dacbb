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
    mean nothing: on another grid the table is computed anew. It is never trained.
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
        """Computed for the new grid.

        Raises:
            ValueError: If ``table`` is not what this kind computes for ``old_grid``: what it holds would be lost.
        """
        dim = table.shape[2]
        rows = self.table(grid=old_grid, dim=dim).to(table)
        if table.shape[1] != prefix + rows.shape[1] or not torch.allclose(table[:, prefix:], rows, atol=1e-3):
            raise ValueError(
                f"a table of {table.shape[1]} rows is not the sinusoid of {prefix} + {math.prod(old_grid)} tokens: it "
                "was trained, or is of another kind, and cannot be computed anew"
            )
        new = self.table(grid=new_grid, dim=dim, prefix=prefix).to(table)
        return torch.cat([table[:, :prefix], new[:, prefix:]], dim=1)
