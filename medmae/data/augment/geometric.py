"""Flips and quarter turns, each sample its own."""

from __future__ import annotations

import torch
from torch import Tensor


def flip_and_turn(data: Tensor, *, flips: Tensor, turns: Tensor) -> Tensor:
    """Mirrors, then turns in the plane of the last two axes, towards the left as ``numpy.rot90``; a new tensor.

    Args:
        data: (B, C, *size).
        flips: (B, number of spatial axes) bool.
        turns: (B,) quarter turns.
    """
    out = torch.empty_like(data)
    for sample, mirrored, quarter, target in zip(data, flips.tolist(), turns.tolist(), out, strict=True):
        axes = [axis + 1 for axis, yes in enumerate(mirrored) if yes]
        target.copy_(torch.rot90(sample.flip(axes) if axes else sample, quarter, (-2, -1)))
    return out
