"""A patch of points from one feature: a square sheet is folded around each centre.

Yang et al., "FoldingNet", CVPR 2018, arXiv 1712.07262; around centres as MAE3D has it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def sheet(side: int, *, reach: float = 0.1) -> Tensor:
    """Points of a square grid in [-reach, reach], x fastest: ``(side * side, 2)``."""
    line = torch.linspace(-reach, reach, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)


class Folding(nn.Module):
    """``(B, D)`` and centres ``(B, G, 3)`` -> points ``(B, G * side^2, 3)``, patch by patch.

    Args:
        dim: D.
        side: Points along an edge of the sheet.
        hidden: Width between.
    """

    sheet: Tensor

    def __init__(self, *, dim: int, side: int = 8, hidden: int = 512) -> None:
        super().__init__()
        self.register_buffer("sheet", sheet(side), persistent=False)
        self.layers = nn.Sequential(
            nn.Conv1d(dim + 2 + 3, hidden, 1),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 1),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Conv1d(hidden, 3, 1),
        )

    def forward(self, feature: Tensor, centres: Tensor) -> Tensor:
        """See the class."""
        batch, patches, each = *centres.shape[:2], len(self.sheet)
        around = centres.repeat_interleave(each, dim=1)  # (B, G side^2, 3)
        flat = self.sheet.repeat(patches, 1).expand(batch, -1, -1)  # (B, G side^2, 2)
        whole = feature.unsqueeze(1).expand(-1, patches * each, -1)
        folded = self.layers(torch.cat([whole, flat, around], dim=2).transpose(1, 2)).transpose(1, 2)
        return around + folded
