"""Facial action units as a graph: a node a unit, a vector of many dimensions for each ordered pair of them.

C. Luo, S. Song, W. Xie, L. Shen, H. Gunes, "Learning Multi-dimensional Edge Feature-based AU Relation Graph for Facial
Action Unit Recognition", IJCAI 2022, pp. 1239-1246. Reference: CVI-SZU/ME-GraphAU (dda53cb).

Edges are numbered ``end * N + start``. Nothing here minds how many tokens there are of a face: a head reads all patches
of a whole one, or those that are visible of an occluded one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.config import Configured
from medmae.nn.encoder import mean_of
from medmae.nn.unit_queries import UnitQueries

RELATIONS = 4  # classes of a pair of units: 2 * one of them + the other


@dataclass(frozen=True)
class UnitGraph:
    """What a head says of faces.

    Attributes:
        units: Shares in [0, 1] that each unit is active, ``(B, N)``.
        nodes: Features of units, no less than 0, ``(B, N, C)``.
        edges: Of ordered pairs, ``(B, N * N, C)``; None of a head that has no edges.
        relations: Logits of which of a pair are active, ``(B, N * N, 4)``; None likewise.
        plain_nodes: Nodes before units were told of each other, ``(B, N, C)``.
        plain_edges: Likewise.
        intensities: From 0 to 5 where they were learnt, ``(B, N)``; None of a head without them.
    """

    units: Tensor
    nodes: Tensor
    edges: Tensor | None
    relations: Tensor | None
    plain_nodes: Tensor
    plain_edges: Tensor | None
    intensities: Tensor | None = None


class TokenBlock(Configured, nn.Module):
    """A linear layer, a batch norm over all tokens of all samples, and a ReLU.

    Args:
        dim: Of what goes in.
        out: Of what comes out.
    """

    def __init__(self, *, dim: int, out: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(dim, out), nn.BatchNorm1d(out)
        _draw(self)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(B, V, dim)`` -> ``(B, V, out)``."""
        return F.relu(self.norm(self.linear(tokens).transpose(1, 2)).transpose(1, 2))


class CrossReading(nn.Module):
    """Attention of one head, whose queries and keys are half as wide as what is read.

    Args:
        dim: C.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.query, self.key, self.value = nn.Linear(dim, dim // 2), nn.Linear(dim, dim // 2), nn.Linear(dim, dim)

    def forward(self, asking: Tensor, read: Tensor, keys: Tensor | None = None) -> Tensor:
        """Each of the tokens ``(..., V, C)`` that ask gets a mean of those that are read, ``(..., W, C)``.

        ``keys``, bool and broadcast to ``(..., V, W)``, is False for padding, which nobody reads.
        """
        query, key, value = self.query(asking), self.key(read), self.value(read)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=keys)


class NeighbourGraph(nn.Module):
    """A unit is told of those whose features are most like its own, in each face anew (the teacher's first stage).

    Args:
        units: N.
        dim: C.
        neighbours: K; more where several are equally like.
    """

    def __init__(self, *, units: int, dim: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.own, self.other, self.norm = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.BatchNorm1d(units)

    def forward(self, nodes: Tensor) -> Tensor:
        """``(B, N, C)`` -> the same, no less than 0."""
        told = self.adjacency(nodes.detach()) @ self.other(nodes)
        return F.relu(nodes + self.norm(told + self.own(nodes)))

    def adjacency(self, nodes: Tensor) -> Tensor:
        """Who is told of whom, normalised by the degrees of both, ``(B, N, N)``."""
        likeness = nodes @ nodes.transpose(1, 2)
        least = likeness.topk(self.neighbours, dim=2).values[:, :, -1:]  # (B, N, 1)
        linked = (likeness >= least).to(nodes.dtype)
        scale = linked.sum(dim=2).rsqrt()  # (B, N)
        return scale.unsqueeze(2) * linked * scale.unsqueeze(1)


class EdgeExtractor(nn.Module):
    """Vectors of ordered pairs: units read the face, then each reads what each other found there.

    Args:
        units: N.
        dim: C.
    """

    def __init__(self, *, units: int, dim: int) -> None:
        super().__init__()
        self.face, self.pair = CrossReading(dim=dim), CrossReading(dim=dim)
        self.project, self.norm = nn.Linear(dim, dim), nn.BatchNorm2d(units * units)

    def forward(
        self, units: Tensor, tokens: Tensor, keys: Tensor | None = None, own_keys: Tensor | None = None
    ) -> Tensor:
        """Tokens of units ``(B, N, K, C)`` and of the face ``(B, V, C)`` -> edges ``(B, N * N, C)``.

        ``keys``, bool ``(B, V)``, is False for padding of the face, ``own_keys``, ``(B, K)``, for that of units.
        """
        real = None if keys is None else keys[:, None, None]  # (B, 1, 1, V)
        found = self.face(units, tokens.unsqueeze(1), real)  # (B, N, K, C)
        # Shares of a mean add up to 1: what is read may be projected first, for N units and not for N * N pairs.
        query, key, value = self.pair.query(found), self.pair.key(found), self.project(self.pair.value(found))
        if not self.training:  # a norm of known statistics is linear, and so may follow the mean
            return self.norm(_read_mean(query, key, value, own_keys).unsqueeze(2)).squeeze(2)
        count, own = units.shape[1], None if own_keys is None else own_keys[:, None, None]
        start, end, read = query.repeat(1, count, 1, 1), *(_each(part, count) for part in (key, value))
        pairs = F.scaled_dot_product_attention(start, end, read, attn_mask=own)  # (B, N * N, K, C)
        return _mean(self.norm(pairs), own_keys)


def _read_mean(query: Tensor, key: Tensor, value: Tensor, own_keys: Tensor | None) -> Tensor:
    """What the tokens of each unit read in each other one, in the mean over the tokens that read, ``(B, N * N, C)``.

    The mean of shares is taken before anything is read by them: a third of the arithmetic of reading token by token.

    Args:
        query: ``(B, N, K, D)``.
        key: Likewise.
        value: ``(B, N, K, C)``.
        own_keys: Bool ``(B, K)``, False for padding; None: there is none.
    """
    sizes = query.shape[1:3]
    logits = query.flatten(1, 2) @ key.flatten(1, 2).transpose(1, 2) * query.shape[3] ** -0.5
    logits = logits.unflatten(2, sizes).unflatten(1, sizes)  # (B, N of starts, K, N of ends, K)
    if own_keys is not None:
        logits = logits.masked_fill(~own_keys[:, None, None, None], -torch.inf)
    shares = _mean(logits.softmax(dim=4).flatten(3), own_keys).unflatten(2, sizes)  # (B, starts, ends, K)
    return (shares.transpose(1, 2) @ value).flatten(1, 2)  # (B, ends * starts, C)


def _each(rows: Tensor, count: int) -> Tensor:
    """Every entry of ``(B, N, V, C)`` so many times, one after the other: ``(B, N * count, V, C)``."""
    return rows.unsqueeze(2).expand(-1, -1, count, -1, -1).flatten(1, 2)


class GatedLayer(nn.Module):
    """Edges are told of their two nodes; then nodes of all others, as far as edges let through.

    Args:
        units: N.
        dim: C.
    """

    def __init__(self, *, units: int, dim: int) -> None:
        super().__init__()
        self.end, self.start, self.edge, self.own, self.other = (nn.Linear(dim, dim, bias=False) for _ in range(5))
        self.node_norm, self.edge_norm = nn.BatchNorm1d(units), nn.BatchNorm1d(units * units)

    def forward(self, nodes: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, N, C)`` and ``(B, N * N, C)`` -> the same."""
        count = nodes.shape[1]
        told = self.end(nodes).repeat_interleave(count, dim=1) + self.start(nodes).repeat(1, count, 1)
        edges = edges + F.relu(self.edge_norm(told + self.edge(edges)))
        gates = edges.sigmoid().unflatten(1, (count, count)).softmax(dim=2)  # (B, N of ends, N of starts, C)
        heard = (gates * self.other(nodes).unsqueeze(1)).sum(dim=2) / count  # (B, N, C)
        return F.relu(nodes + self.node_norm(self.own(nodes) + heard)), edges


class UnitHead(Configured, nn.Module):
    """Tokens of a face -> its action units.

    Args:
        units: N.
        dim: C, of tokens and nodes.
        edges: Of the teacher's second stage: edges, and nodes told by them in two layers. False: its first stage, which
            has no edges.
        neighbours: K of the first stage; 4 of BP4D, 3 of DISFA.
        intensities: Whether the intensity of each unit is learnt, too (ours, as pain scores need it).
        queries: Of each unit, by which it asks the tokens (ours); 0: its tokens are made of all of them, as published.

    Raises:
        ValueError: If there are no units, or more neighbours than units.
    """

    def __init__(
        self,
        *,
        units: int,
        dim: int = 512,
        edges: bool = True,
        neighbours: int = 4,
        intensities: bool = False,
        queries: int = 0,
    ) -> None:
        super().__init__()
        if units < 1 or (not edges and not 1 <= neighbours <= units):
            raise ValueError(f"{units} units cannot be told of {neighbours} neighbours: name 1 to {units}")
        self.dim = dim
        self.units = nn.ModuleList([TokenBlock(dim=dim, out=dim) for _ in range(units)])
        self.neighbours = None if edges else NeighbourGraph(units=units, dim=dim, neighbours=neighbours)
        self.extractor = EdgeExtractor(units=units, dim=dim) if edges else None
        self.layers = nn.ModuleList([GatedLayer(units=units, dim=dim) for _ in range(2)] if edges else [])
        _draw(self)
        self.prototypes = nn.Parameter(nn.init.xavier_uniform_(torch.empty(units, dim)))
        self.relation: nn.Linear | None = None
        if edges:
            self.relation = nn.Linear(dim, RELATIONS)
            nn.init.xavier_uniform_(self.relation.weight)
            nn.init.zeros_(self.relation.bias)
        self.intensity = nn.Parameter(torch.full((units, dim), dim**-0.5)) if intensities else None
        self.asking = UnitQueries(units=units, each=queries, dim=dim) if queries else None

    def forward(self, tokens: Tensor, keys: Tensor | None = None) -> UnitGraph:
        """``(B, V, C)`` -> units, nodes and edges.

        ``keys``, bool ``(B, V)``, is False for padding: it is read by nobody and enters no mean. In training it enters
        the statistics of batch norms, which is why a padded entry repeats a token of its sample.
        """
        apart, own_keys = self._apart(tokens, keys)
        nodes = plain = _mean(apart, own_keys)
        edges = plain_edges = relations = None
        if self.extractor is not None:
            assert self.relation is not None
            edges = plain_edges = self.extractor(apart, tokens, keys, own_keys)
            for layer in self.layers:
                nodes, edges = layer(nodes, edges)
            relations = self.relation(edges)
        else:
            assert self.neighbours is not None
            nodes = self.neighbours(nodes)
        shares = F.cosine_similarity(nodes, F.relu(self.prototypes), dim=2).clamp(0, 1)  # rounding may give more
        strength = None if self.intensity is None else (nodes * self.intensity).sum(dim=2)
        return UnitGraph(shares, nodes, edges, relations, plain, plain_edges, strength)

    def _apart(self, tokens: Tensor, keys: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Tokens of each unit ``(B, N, K, C)``, and which of them are no padding ``(B, K)``; None: all."""
        if self.asking is None:
            return torch.stack([unit(tokens) for unit in self.units], dim=1), keys  # K = V
        asked = self.asking(tokens, keys).unbind(dim=1)
        return torch.stack([unit(own) for unit, own in zip(self.units, asked, strict=True)], dim=1), None


def _mean(tokens: Tensor, keys: Tensor | None) -> Tensor:
    """The mean over those of K tokens ``(B, N, K, C)`` that are no padding, ``(B, N, C)``; None: over all."""
    if keys is None:
        return tokens.mean(dim=2)
    count = tokens.shape[1]
    return mean_of(tokens.flatten(0, 1), keys.repeat_interleave(count, dim=0)).unflatten(0, (-1, count))


def _draw(module: nn.Module) -> None:
    """Weights as the reference begins with: normal, by how many a layer gives."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=math.sqrt(2 / layer.out_features))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
