"""What visible tokens let one expect of hidden ones, without any learning and without a look at what is hidden."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.base import Mask, gather_tokens

_POWER = 4  # of the distance, which falls fast enough for the nearest to lead and gently enough to leave no edges


def from_visible(values: Tensor, mask: Mask, *, grid: Sequence[int]) -> Tensor:
    """Values of hidden tokens as means of the visible ones, weighted by inverse distance on the grid.

    Args:
        values: Of visible tokens, ``(B, V, K)``, in the order of ``mask.visible``.
        mask: Which those are.
        grid: Tokens along each axis.

    Returns:
        ``(B, M, K)`` in the order of ``mask.masked``.
    """
    axes = (torch.arange(extent, dtype=values.dtype, device=values.device) for extent in grid)
    places = torch.cartesian_prod(*axes).reshape(1, -1, len(grid))  # (1, N, A)
    distance = torch.cdist(gather_tokens(places, mask.masked), gather_tokens(places, mask.visible))  # (B, M, V)
    weight = distance.pow(-_POWER)  # a hidden token is no visible one, so that no distance is 0
    return weight @ values / weight.sum(dim=2, keepdim=True)
