"""A cloud of a batch as a network expects it, and its patches: those that preparation found, or new ones."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from medmae.kinds import Kind
from medmae.nn.scaling import InputScale
from medmae.tokens.patches import check_floating
from medmae.tokens.points import PointPatches


def cut_cloud(
    batch: Mapping[str, Tensor], *, kind: Kind, scaling: InputScale, count: int, size: int
) -> tuple[Tensor, PointPatches]:
    """Points ``(B, N, 3)``, scaled, and their patches.

    Args:
        batch: ``(B, 3, N)`` under the kind's name; maybe ``"members"`` ``(B, G, K)`` and ``"centres"`` ``(B, G, 3)``,
            in the unit of the points; or ``"real"`` ``(B, N)``. See :meth:`PointPatches.of`.
        kind: Of the points.
        scaling: Of the network.
        count: G.
        size: K.

    Raises:
        ValueError: If the batch has no points, or of another form, or patches of other numbers.
    """
    if kind.name not in batch:
        raise ValueError(f'this network needs "{kind.name}" in the batch, got {sorted(batch)}')
    data = batch[kind.name]
    check_floating(data)
    kind.check(data)
    rows = scaling(data).transpose(1, 2)
    brought = dict(batch)
    if "centres" in batch:
        brought["centres"] = scaling(batch["centres"].transpose(1, 2)).transpose(1, 2)
    return rows, PointPatches.of(brought, rows, count=count, size=size)
