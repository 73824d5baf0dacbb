"""A spatio-temporal graph network (STGCN's) over joints or landmarks: one feature a sequence.

Yu, Yin, Zhu, "Spatio-Temporal Graph Convolutional Networks", IJCAI 2018, arXiv 1709.04875; as mpuc-mer builds it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.kinds import Kind, ScaleLike
from medmae.nn.landmarks import FACE_EDGES
from medmae.nn.whole import WholeEncoder

LANDMARKS = Kind.of("landmarks", ["time", "joint"], channels=["x", "y"])
_KERNEL = 3  # along time, without padding: each unit costs two steps
_UNITS = 5


def normalised_adjacency(num_nodes: int, edges: Sequence[Sequence[int]], *, loops: float = 1.0) -> Tensor:
    """``D^-1/2 (A + loops I) D^-1/2`` ``(J, J)``, D the row sums (Kipf and Welling, ICLR 2017).

    Args:
        num_nodes: J.
        edges: Pairs of neighbours, each once, in any direction.
        loops: Weight of each node's edge to itself; mpuc-mer adds it twice.

    Raises:
        ValueError: If an edge is a loop, is there twice, or leads to no node.
    """
    table, seen = torch.zeros(num_nodes, num_nodes), set()
    for one, other in edges:
        pair = frozenset((one, other))
        if len(pair) < 2 or pair in seen or not all(0 <= node < num_nodes for node in pair):
            raise ValueError(f"edge {(one, other)} is a loop, is there twice, or leads to none of {num_nodes} nodes")
        seen.add(pair)
        table[one, other] = table[other, one] = 1
    table += loops * torch.eye(num_nodes)
    root = table.sum(dim=1).rsqrt()
    return root.unsqueeze(1) * table * root


class TimeUnit(nn.Module):
    """A gated convolution along time, ``(B, C, J, T)`` -> ``(B, C', J, T - 2)``.

    Args:
        channels: C.
        out: C'.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(channels, out, (1, _KERNEL)) for _ in range(3))

    def forward(self, data: Tensor) -> Tensor:
        """See the class."""
        return F.relu(self.conv1(data) + self.conv2(data).sigmoid() + self.conv3(data))


class GraphTimeBlock(nn.Module):
    """Time, neighbours, time, and a norm of each node: ``(B, C, J, T)`` -> ``(B, width, J, T - 4)``.

    Args:
        channels: C.
        width: Channels of the units along time.
        mixed: Channels after neighbours are mixed.
        num_nodes: J.
    """

    def __init__(self, channels: int, *, width: int, mixed: int, num_nodes: int) -> None:
        super().__init__()
        self.temporal1, self.temporal2 = TimeUnit(channels, width), TimeUnit(mixed, width)
        self.mix = nn.Parameter(torch.empty(width, mixed))
        self.norm = nn.BatchNorm2d(num_nodes)
        bound = mixed**-0.5
        nn.init.uniform_(self.mix, -bound, bound)

    def forward(self, data: Tensor, adjacency: Tensor) -> Tensor:
        """See the class; ``adjacency`` ``(J, J)``."""
        near = torch.einsum("ij,bcjt->bcit", adjacency, self.temporal1(data))
        mixed = F.relu(torch.einsum("bcit,cd->bdit", near, self.mix))
        return self.norm(self.temporal2(mixed).transpose(1, 2)).transpose(1, 2)


class GraphTimeNet(WholeEncoder):
    """``(B, C, T, J)`` -> ``(B, D)``.

    Args:
        num_nodes: J.
        edges: Pairs of neighbours.
        frames: T for which the layer behind time is built. Sequences of other lengths are averaged to it.
        dim: D.
        width: Channels along time.
        mixed: Channels after neighbours are mixed.
        node_dim: Of what each node gives to the last layer; None is D.
        loops: See :func:`normalised_adjacency`.
        dropout: Share of the feature that is dropped in training.
        kind: What it takes.
        scale: See :class:`WholeEncoder`.

    Raises:
        ValueError: If ``frames`` are fewer than 11, which five units along time need.
    """

    adjacency: Tensor

    def __init__(
        self,
        *,
        num_nodes: int = 51,
        edges: Sequence[Sequence[int]] = FACE_EDGES,
        frames: int = 30,
        dim: int = 512,
        width: int = 64,
        mixed: int = 16,
        node_dim: int | None = None,
        loops: float = 2.0,
        dropout: float = 0.1,
        kind: Kind = LANDMARKS,
        scale: ScaleLike | None = None,
    ) -> None:
        example = (len(kind.channels), frames, num_nodes)
        super().__init__(kind=kind, dim=dim, example=example, scale=scale)
        self.num_nodes, self.steps = num_nodes, _left_of(frames)
        self.register_buffer("adjacency", normalised_adjacency(num_nodes, edges, loops=loops), persistent=False)
        sizes = {"width": width, "mixed": mixed, "num_nodes": num_nodes}
        self.block1 = GraphTimeBlock(len(kind.channels), **sizes)
        self.block2 = GraphTimeBlock(width, **sizes)
        self.last_temporal = TimeUnit(width, width)
        node_dim = dim if node_dim is None else node_dim
        self.fully = nn.Linear(self.steps * width, node_dim)
        self.output = nn.Linear(num_nodes * node_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, T, J)``, scaled -> ``(B, D)``.

        Raises:
            ValueError: If it has another number of nodes, or fewer than 11 frames.
        """
        if data.shape[3] != self.num_nodes:
            raise ValueError(f"the encoder was built for {self.num_nodes} {self.kind.name}, got {data.shape[3]}")
        steps = _left_of(data.shape[2])
        hidden = data.transpose(2, 3)  # (B, C, J, T)
        for block in (self.block1, self.block2):
            hidden = block(hidden, self.adjacency)
        hidden = self.last_temporal(hidden)  # (B, width, J, T - 10)
        if steps != self.steps:
            hidden = F.adaptive_avg_pool2d(hidden, (self.num_nodes, self.steps))
        nodes = self.fully(hidden.permute(0, 2, 3, 1).flatten(2))  # (B, J, D')
        return self.dropout(self.output(nodes.flatten(1)))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        parts = (self.block1, self.block2, self.last_temporal, self.fully, self.output)
        return [list(part.parameters()) for part in parts]


def _left_of(frames: int) -> int:
    left = frames - _UNITS * (_KERNEL - 1)
    if left < 1:
        raise ValueError(f"five units along time need {1 - left + frames} frames at least, got {frames}")
    return left
