"""Fixed sin-cos tables of clips that give time a quarter of the channels (MAViL)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from medmae.nn.positions.base import Positions, Trained
from medmae.nn.positions.resize import resize_positions
from medmae.nn.positions.sincos import sincos_table


@dataclass(frozen=True)
class ClipSinCos(Positions):
    """Time in the first quarter of the channels, and the table of a picture, its columns first, in the others.

    Where there is one time only, the table is a picture's.
    """

    trained: ClassVar[Trained] = "fine_tuning"

    def table(self, *, grid: Sequence[int], dim: int, prefix: int = 0) -> Tensor:
        """See the class.

        Raises:
            ValueError: If the grid has not three axes, or the width is no multiple of 8.
        """
        if len(grid) != 3 or dim % 8:
            raise ValueError(f"clips have three axes, and a width that is a multiple of 8: got {tuple(grid)}, {dim}")
        times, *picture = grid
        if times == 1:
            return sincos_table(grid=picture, dim=dim, prefix=prefix)
        of_time = sincos_table(grid=(times,), dim=dim // 4)  # (1, T, D / 4)
        of_place = sincos_table(grid=picture, dim=dim - dim // 4)  # (1, H W, 3 D / 4)
        each = of_place.shape[1]
        table = torch.cat([of_time.repeat_interleave(each, dim=1), of_place.repeat(1, times, 1)], dim=2)
        return torch.cat([torch.zeros(1, prefix, dim), table], dim=1)

    def resize(self, table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int) -> Tensor:
        """Interpolated: it may have been trained, or be a picture's, repeated."""
        return resize_positions(table, old_grid=old_grid, new_grid=new_grid, prefix=prefix)
