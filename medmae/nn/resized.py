"""Pictures brought to one size, as a part of a network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

_MODES = {2: "bilinear", 3: "trilinear"}


class Resized(nn.Module):
    """Resizes slices or volumes linearly, as slices are when they are read for networks of one size.

    Args:
        size: Extent along each axis, two or three of them.
    """

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = list(size)
        self.mode = _MODES[len(self.size)]

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, ...)`` -> ``(B, C, *size)``."""
        return F.interpolate(data, size=self.size, mode=self.mode, align_corners=False)
