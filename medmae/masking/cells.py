"""Random masking in cells of neighbouring tokens: CMAE hides squares of 2 x 2 patches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.base import Mask, Rounding, visible_count
from medmae.tokens.patches import per_axis


class CellMasking:
    """Hides a fixed share of cells, chosen uniformly for each sample; the tokens of a cell share its fate.

    Args:
        grid: Tokens along each axis.
        cell: Tokens of a cell along each axis; 1 hides tokens one by one.
        ratio: Share of cells to hide; the count is fixed here, once.
        rounding: See :func:`medmae.masking.base.visible_count`; of cells, not of tokens.

    Raises:
        ValueError: If cells do not tile the grid, or the ratio leaves 0 or all of them visible.
    """

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

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        real: Tensor | None = None,
    ) -> Mask:
        """Draws a mask, or replays one from given noise: the cells with the smallest noise stay visible.

        Args:
            batch_size: B.
            generator: Source of randomness, on the CPU, so that a seed means the same mask on every device.
            noise: Uniform in [0, 1), ``(B, cells)``, cells in raster order; when given, nothing is drawn.
            real: Must be None: padding cuts through cells.

        Raises:
            ValueError: If the noise has another shape, or samples are padded.
        """
        if real is not None:
            raise ValueError(
                'samples are padded (the batch has "real"), which masking in cells does not know: use crops that are '
                "no larger than the smallest sample"
            )
        if noise is None:
            noise = torch.rand(batch_size, self.num_cells, generator=generator)
        if noise.shape != (batch_size, self.num_cells):
            raise ValueError(f"noise must be {(batch_size, self.num_cells)}, got {tuple(noise.shape)}")
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
