"""Tube masking: a place that is hidden is hidden at all times, so that no other frame shows it (VideoMAE)."""

from __future__ import annotations

from collections.abc import Sequence

from medmae.masking.base import Rounding
from medmae.masking.cells import CellMasking


class TubeMasking(CellMasking):
    """Hides a fixed share of places, drawn for each sample, through the whole of the first axis: time.

    Cells (see :class:`medmae.masking.cells.CellMasking`) that are one place wide and as long as the clip.

    Args:
        grid: Tokens along each axis, time first.
        ratio: Share of places to hide, 0.75 to 0.95 in the paper; the count is fixed here, once.
        rounding: See :func:`medmae.masking.base.visible_count`; of places, not of tokens.

    Raises:
        ValueError: If there is no axis besides time, or the ratio leaves no or every place visible.
    """

    def __init__(self, *, grid: Sequence[int], ratio: float = 0.9, rounding: Rounding = "truncate_hidden") -> None:
        if len(grid) < 2:
            raise ValueError(f"tubes need a grid of time and at least one more axis, got {tuple(grid)}")
        super().__init__(grid=grid, ratio=ratio, cell=(grid[0], *(1 for _ in grid[1:])), rounding=rounding)
