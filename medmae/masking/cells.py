"""Random masking in cells of neighbouring tokens: CMAE hides squares of 2 x 2 patches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.base import Mask, Rounding, visible_count
from medmae.masking.noise import NoiseMasking
from medmae.tokens.patches import per_axis


class CellMasking(NoiseMasking):
    """Hides a fixed share of cells, chosen uniformly for each sample; the tokens of a cell share its fate.

    Args:
        grid: Tokens along each axis.
        cell: Tokens of a cell along each axis; 1 hides tokens one by one.
        ratio: Share of cells to hide; the count is fixed here, once.
        rounding: See :func:`medmae.masking.base.visible_count`; of cells, not of tokens.

    Raises:
        ValueError: If cells do not tile the grid, or the ratio leaves 0 or all of them visible.
    """

    cut_by_padding = "cells"

    def __init__(
        self,
        *,
        grid: Sequence[int],
        ratio: float,
        cell: int | Sequence[int] = 2,
        rounding: Rounding = "truncate_visible",
    ) -> None:
        self.grid, self.cell = tuple(grid), per_axis(cell, ndim=len(grid), name="cell")
        if any(tokens % edge for tokens, edge in zip(self.grid, self.cell, strict=True)):
            raise ValueError(
                f"cells of {self.cell} tokens do not tile a grid of {self.grid}: choose a cell that does (1 always "
                "does), or another image or patch size"
            )
        self.ratio, self.rounding = ratio, rounding
        self.num_tokens = math.prod(self.grid)
        self.num_cells = self.num_tokens // math.prod(self.cell)
        self.num_visible = visible_count(num_tokens=self.num_cells, ratio=ratio, rounding=rounding)  # cells

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: one a cell, in raster order."""
        return self.num_cells

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`: the cells with the smallest noise stay visible."""
        hidden = torch.ones_like(noise, dtype=torch.bool)
        hidden.scatter_(1, noise.argsort(dim=1)[:, : self.num_visible], False)
        return Mask.from_bool(self._spread(hidden))

    def _spread(self, cells: Tensor) -> Tensor:
        """Values of cells ``(B, cells)`` -> of their tokens ``(B, N)``."""
        counts = [tokens // edge for tokens, edge in zip(self.grid, self.cell, strict=True)]
        spread = cells.unflatten(1, counts)
        for axis, edge in enumerate(self.cell):
            spread = spread.repeat_interleave(edge, dim=axis + 1)
        return spread.flatten(1)
