"""DGCNN: features of points from their nearest neighbours, found anew in each layer's own space.

Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", ACM TOG 2019, arXiv 1801.07829; as MAE3D has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.kinds import Kind, ScaleLike
from medmae.nn.whole import WholeEncoder
from medmae.tokens.points import POINTS, pick

_SLOPE = 0.2


class EdgeConv(nn.Module):
    """The most of what a layer says of each point and its neighbours, ``(B, N, C)`` -> ``(B, N, C')``.

    Args:
        channels: C.
        out: C'.
        neighbours: How many, the point itself among them; of a smaller cloud all.
    """

    def __init__(self, channels: int, out: int, *, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.conv = nn.Conv2d(2 * channels, out, 1, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, points: Tensor) -> Tensor:
        """See the class."""
        count = min(self.neighbours, points.shape[1])
        with torch.no_grad():  # which points are near has no gradient
            near = torch.cdist(points, points).topk(count, dim=2, largest=False).indices  # (B, N, k)
        other, own = self.conv.weight.flatten(1).chunk(2, dim=1)  # of x_j - x_i and of x_i, (C', C) each
        # The layer is linear: what it says of a point is worked out once, not for each of its k neighbours.
        edges = pick(F.linear(points, other), near) + F.linear(points, own - other).unsqueeze(2)  # (B, N, k, C')
        return F.leaky_relu(self.norm(edges.permute(0, 3, 1, 2)), _SLOPE).amax(dim=3).transpose(1, 2)


class DGCNN(WholeEncoder):
    """``(B, 3, N)`` of any N -> ``(B, 2 D)``: the greatest and the mean feature of its points.

    Args:
        out: D, features of a point.
        widths: Of the layers.
        neighbours: See :class:`EdgeConv`.
        kind: What it takes.
        scale: See :class:`~medmae.nn.whole.WholeEncoder`.
    """

    def __init__(
        self,
        *,
        out: int = 1024,
        widths: Sequence[int] = (64, 64, 128, 256),
        neighbours: int = 20,
        kind: Kind = POINTS,
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__(kind=kind, dim=2 * out, example=(len(kind.channels), 128), scale=scale)
        ends = zip((len(kind.channels), *widths), widths, strict=False)
        self.edges = nn.ModuleList(EdgeConv(*pair, neighbours=neighbours) for pair in ends)
        self.conv = nn.Conv1d(sum(widths), out, 1, bias=False)
        self.norm = nn.BatchNorm1d(out)

    def of_points(self, rows: Tensor) -> Tensor:
        """Features of each point, ``(B, N, 3)``, scaled -> ``(B, N, D)``."""
        found = []
        for edge in self.edges:
            rows = edge(rows)
            found.append(rows)
        joined = torch.cat(found, dim=2).transpose(1, 2)  # (B, sum of widths, N)
        return F.leaky_relu(self.norm(self.conv(joined)), _SLOPE).transpose(1, 2)

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        features = self.of_points(data.transpose(1, 2))
        return torch.cat([features.amax(dim=1), features.mean(dim=1)], dim=1)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        last = [*self.conv.parameters(), *self.norm.parameters()]
        return [*(list(edge.parameters()) for edge in self.edges), last]
