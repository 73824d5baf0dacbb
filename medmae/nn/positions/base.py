"""What every kind of position table is: drawn for a new network, resized for another grid, trained or not."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn

_MOST = 1_000_000_000  # numbers of a table: more is a mistake, or a file that means harm
Trained = Literal["never", "fine_tuning", "always"]


class Positions(ABC):
    """A kind of position table for tokens on a grid.

    Attributes:
        trained: ``never`` is computed, holds nothing learned and is in no file; ``fine_tuning`` is fixed in
            pre-training and may be trained downstream (MAE); ``always`` is learned from the start.
    """

    trained: ClassVar[Trained]

    @abstractmethod
    def table(self, *, grid: Sequence[int], dim: int, prefix: int = 0) -> Tensor:
        """The table of a new network: ``(1, prefix + rows, D)`` float32; what is random comes from torch's generator.

        Args:
            grid: Tokens along each axis.
            dim: D.
            prefix: Rows put before the grid's, for class tokens.
        """

    @abstractmethod
    def resize(self, table: Tensor, *, old_grid: Sequence[int], new_grid: Sequence[int], prefix: int) -> Tensor:
        """The table ``(1, prefix + rows, D)`` of one grid as that of another; prefix rows are kept.

        Raises:
            ValueError: If it is no table of ``old_grid``.
        """

    def num_rows(self, grid: Sequence[int]) -> int:
        """Rows of a table for this grid, without a prefix: one a token, unless a kind says otherwise."""
        return math.prod(grid)

    def laid(self, grid: Sequence[int]) -> tuple[int, ...]:
        """The grid whose rows a table of ``grid`` holds, in their order: itself, unless a kind says otherwise."""
        return tuple(grid)

    def axis_rows(self, grid: Sequence[int]) -> Tensor | None:
        """Which rows add up to the position of a token, ``(N, A)`` int64; None where row i is that of token i."""
        return None


def hold_positions(
    module: nn.Module, positions: Positions, *, grid: Sequence[int], dim: int, prefix: int = 0, trainable: bool = False
) -> None:
    """Draws the table of a module as its ``pos_embed``: a parameter, or an unsaved buffer where it is computed.

    ``axis_rows``, another such buffer, is what :func:`spread_axes` needs.

    Args:
        module: Holds it.
        positions: Of which kind.
        grid: Tokens along each axis.
        dim: D.
        prefix: Rows for class tokens.
        trainable: Train it, where the kind leaves that open.

    Raises:
        ValueError: If a table is to be trained that never is, or would have over a thousand million numbers.
    """
    if math.prod(grid) * dim > _MOST:
        raise ValueError(f"positions of {' x '.join(map(str, grid))} tokens, {dim} wide: use larger patches")
    table = positions.table(grid=grid, dim=dim, prefix=prefix)
    if positions.trained == "never":
        if trainable:
            raise ValueError(f"{positions} are computed and never trained: leave trainable_positions out")
        module.register_buffer("pos_embed", table, persistent=False)
    else:
        module.pos_embed = nn.Parameter(table, requires_grad=trainable or positions.trained == "always")
    module.register_buffer("axis_rows", positions.axis_rows(grid), persistent=False)


def spread_axes(table: Tensor, axis_rows: Tensor | None) -> Tensor:
    """One position a token, ``(1, N, D)``, from a table without its prefix; plain enough for TorchScript."""
    if axis_rows is None:
        return table
    return table[:, axis_rows].sum(dim=2)  # (1, N, A, D) -> (1, N, D)
