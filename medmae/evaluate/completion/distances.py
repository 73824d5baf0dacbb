"""How far one cloud is from another, shape by shape, in the unit of the points; each convention by its name."""

from __future__ import annotations

import torch
from torch import Tensor

from medmae.objectives.chamfer import chamfer_l1, chamfer_l2, f_score, nearest_squared

FIGURES = {
    "cd_l1": "half of the sum of both mean distances to the nearest point of the other cloud",
    "cd_l2": "the sum of both mean squared distances",
    "f_score": "harmonic mean of the shares of points that have one of the other cloud within {within}",
    "hidden_distance": "mean distance from each hidden point to the nearest that was made",
}


def figures_of(made: Tensor, whole: Tensor, hidden: Tensor, *, within: float) -> dict[str, float]:
    """Of one shape.

    Args:
        made: ``(M, 3)``.
        whole: ``(N, 3)``.
        hidden: Which of its points were hidden, ``(N,)`` bool.
        within: Distance of the F-score.
    """
    one, truth = made.unsqueeze(0), whole.unsqueeze(0)
    found = {
        "cd_l1": chamfer_l1(one, truth),
        "cd_l2": chamfer_l2(one, truth),
        "f_score": f_score(one, truth, within=within)[0],
    }
    gone = truth[:, hidden]
    far = nearest_squared(gone, one)[0].sqrt().mean() if gone.shape[1] else torch.tensor(float("nan"))
    return {name: float(value) for name, value in {**found, "hidden_distance": far}.items()}


def nearest_cloud(left: Tensor, others: Tensor) -> Tensor:
    """The one of some clouds ``(K, N, 3)`` that what is left ``(V, 3)`` lies nearest to: a guess without a network."""
    best, found = float("inf"), others[0]
    for other in others:
        away = float(nearest_squared(left.unsqueeze(0), other.unsqueeze(0))[0].mean())
        if away < best:
            best, found = away, other
    return found
