"""How far two clouds of points are apart; each convention by its own name, for they differ by factors.

Fan, Su, Guibas, "A Point Set Generation Network", CVPR 2017, arXiv 1612.00603.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from medmae.clouds import BY_TREE
from medmae.tokens.points import nearest, pick, searchable, squared_distances

Reduction = Literal["mean", "sum"]
_AT_ONCE = 2**24  # distances that are held at a time


def nearest_squared(one: Tensor, other: Tensor, *, real: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Squared distance of each point to the nearest of the other cloud: ``(B, M)``, and ``(B, N)`` or fewer.

    Args:
        one: ``(B, M, 3)``.
        other: ``(B, N, 3)``.
        real: ``(B, N)`` bool, False where ``other`` is padded: near nothing, and left out of the second, which then is
            one row of all clouds.

    Of few points all distances are worked out; of many only those to the nearest, to one of which, where several are
    equally near, the whole gradient goes. On a CPU trees find them (:mod:`medmae.clouds`).
    """
    if _by_tree(one, other) or len(one) * one.shape[1] * other.shape[1] > _AT_ONCE:
        there, back = _nearest_numbers(one, other, real)
        far, near = ((a - pick(b, n)).square().sum(dim=2) for a, b, n in ((one, other, there), (other, one, back)))
        return (far, near) if real is None else (far, near[real])
    distance = squared_distances(one, other)  # (B, M, N)
    if real is None:
        return distance.amin(dim=2), distance.amin(dim=1)
    return distance.masked_fill(~real.unsqueeze(1), torch.inf).amin(dim=2), distance.amin(dim=1)[real]


def _by_tree(one: Tensor, other: Tensor) -> bool:
    return min(one.shape[1], other.shape[1]) >= BY_TREE and searchable(one, other)


@torch.no_grad()
def _nearest_numbers(one: Tensor, other: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
    """Number of the nearest point of the other cloud, of each point, ``(B, M)`` and ``(B, N)``, some at a time."""
    if _by_tree(one, other):
        return nearest(one, other, count=1, real=real).squeeze(2), nearest(other, one, count=1).squeeze(2)
    step = max(1, _AT_ONCE // (len(one) * other.shape[1]))
    there = []
    best = torch.full(other.shape[:2], torch.inf, device=one.device, dtype=one.dtype)
    back = torch.zeros(other.shape[:2], dtype=torch.int64, device=one.device)
    for first, some in zip(range(0, one.shape[1], step), one.split(step, dim=1), strict=True):
        distance = squared_distances(some, other)  # (B, step, N)
        least = distance.min(dim=1)
        closer = least.values < best
        best, back = torch.where(closer, least.values, best), torch.where(closer, least.indices + first, back)
        masked = distance if real is None else distance.masked_fill(~real.unsqueeze(1), torch.inf)
        there.append(masked.argmin(dim=2))
    return torch.cat(there, dim=1), back


def chamfer_l2(one: Tensor, other: Tensor, *, reduction: Reduction = "mean", real: Tensor | None = None) -> Tensor:
    """Squared distances in both directions, added.

    Args:
        one: ``(B, M, 3)``.
        other: ``(B, N, 3)``.
        reduction: ``mean`` of points of each direction and of the batch (Point-MAE's ``cdl2``, PyTorch3D's default);
            or their ``sum``, over the batch too (MAE3D), which for M = N is B * N times the mean.
        real: See :func:`nearest_squared`.
    """
    there, back = nearest_squared(one, other, real=real)
    return there.mean() + back.mean() if reduction == "mean" else there.sum() + back.sum()


def chamfer_l1(one: Tensor, other: Tensor) -> Tensor:
    """Half of the sum of both mean distances, not squared, of clouds ``(B, M, 3)`` and ``(B, N, 3)``.

    Point-MAE's ``cdl1``; tables of completion (PCN, PoinTr) print it times 1000.
    """
    there, back = (_root(each) for each in nearest_squared(one, other))
    return (there.mean() + back.mean()) / 2


def f_score(one: Tensor, other: Tensor, *, within: float) -> Tensor:
    """Harmonic mean of the shares of points that have one of the other cloud within a distance, ``(B,)``.

    Args:
        one: What was made, ``(B, M, 3)``: its share is the precision.
        other: The truth, ``(B, N, 3)``: its share is the recall.
        within: In the unit of the points, such as 1 mm.

    Source: Knapitsch et al., "Tanks and Temples", ACM TOG 2017.
    """
    precision, recall = ((each <= within**2).float().mean(dim=1) for each in nearest_squared(one, other))
    return 2 * precision * recall / (precision + recall).clamp(min=1e-12)


def earth_mover(one: Tensor, other: Tensor, *, squared: bool = False) -> Tensor:
    """Mean distance between points that an optimal assignment, one to one, pairs: exact, ``(B,)``.

    Args:
        one: ``(B, N, 3)``.
        other: ``(B, N, 3)``.
        squared: Assigns and averages squared distances.

    The assignment is SciPy's, on the CPU, in O(N^3); gradients flow through the distances of what is paired.

    Raises:
        ValueError: If the clouds have different numbers of points.
    """
    if one.shape != other.shape:
        raise ValueError(f"an assignment one to one needs as many points of both, got {one.shape} and {other.shape}")
    pairs = best_assignment(one, other, squared=squared)  # (B, N)
    paired = (one - other.gather(1, pairs.unsqueeze(2).expand_as(other))).square().sum(dim=2)
    return (paired if squared else _root(paired)).mean(dim=1)


@torch.no_grad()
def best_assignment(one: Tensor, other: Tensor, *, squared: bool = False) -> Tensor:
    """The point of ``other`` that each of ``one`` gets, ``(B, N)`` int64; see :func:`earth_mover`."""
    from scipy.optimize import linear_sum_assignment

    cost = squared_distances(one.double(), other.double())
    cost = cost if squared else cost.sqrt()
    found = [torch.from_numpy(linear_sum_assignment(each.cpu().numpy())[1]) for each in cost]
    return torch.stack(found).to(one.device)


def _root(squared: Tensor) -> Tensor:
    """With a gradient of 0 where points meet, which the root itself does not have."""
    there = squared > 0
    return torch.where(there, torch.where(there, squared, 1.0).sqrt(), 0.0)
