"""What networks of action units learn: units, relations of them, intensities, and what a teacher makes of a face.

Weights, the asymmetric loss and relations are those of ME-GraphAU (CVI-SZU/ME-GraphAU, dda53cb). That units were coded
for some faces alone is ours: NaN marks what nobody coded, and enters no loss, no weight and no figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.errors import DataError
from medmae.nn.au_graph import UnitGraph

Distance = Literal["cosine", "mse"]
STRONGEST = 5.0  # intensity; FACS' letters A to E are 1 to 5
_NOBODY = -100  # PyTorch's class that enters no cross-entropy


def unit_loss(shares: Tensor, target: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Weighted asymmetric loss: an inactive unit counts the less, the surer the network is of it.

    Args:
        shares: In [0, 1], ``(B, N)``.
        target: 0 or 1, ``(B, N)``; NaN where nobody coded the unit.
        weight: Of units, ``(N,)``; see :func:`unit_weights`.

    Returns:
        The mean over what was coded; 0 where nothing was.
    """
    coded, shares = target.isfinite(), shares.float()
    there = target.nan_to_num().float()
    active, not_active = (part.clamp(min=1e-8).log() for part in (shares, 1 - shares))
    loss = there * active + (1 - there) * shares.detach() * not_active  # (B, N)
    if weight is not None:
        loss = loss * weight
    return -(loss * coded).sum() / coded.sum().clamp(min=1)


def relation_classes(target: Tensor) -> Tensor:
    """Which of each pair are active, ``(B, N * N)`` int64: ``2 * y_i + y_j`` at ``i * N + j``.

    -100 where one of the two was not coded, which no cross-entropy counts.
    """
    coded, there = target.isfinite(), target.nan_to_num().long()
    pairs = 2 * there.unsqueeze(2) + there.unsqueeze(1)  # (B, N, N)
    both = coded.unsqueeze(2) & coded.unsqueeze(1)
    return pairs.masked_fill(~both, _NOBODY).flatten(1)


def relation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of relations, logits ``(B, N * N, 4)`` for targets ``(B, N)``; 0 where no pair was coded."""
    classes = relation_classes(target).flatten()
    total = F.cross_entropy(logits.float().flatten(0, 1), classes, ignore_index=_NOBODY, reduction="sum")
    return total / (classes != _NOBODY).sum().clamp(min=1)


def intensity_loss(strength: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of intensities ``(B, N)`` in shares of the strongest; NaN in the target is not coded."""
    coded = target.isfinite()
    error = ((strength.float() - target.nan_to_num()) / STRONGEST).square() * coded
    return error.sum() / coded.sum().clamp(min=1)


def distillation(found: Tensor, taught: Tensor, *, distance: Distance = "cosine") -> Tensor:
    """How far features ``(B, K, C)`` are from a teacher's: the mean of 1 - cosine of vectors, or of squared errors."""
    if distance == "mse":
        return F.mse_loss(found, taught)
    return (1 - F.cosine_similarity(found, taught, dim=2)).mean()


def unit_terms(
    graph: UnitGraph,
    target: Tensor,
    *,
    weight: Tensor | None,
    relation_weight: float,
    intensity: Tensor | None = None,
    intensity_weight: float = 1.0,
) -> dict[str, Tensor]:
    """Terms of a loss of what was coded, weights applied.

    Args:
        graph: What a head said.
        target: ``(B, N)``, see :func:`unit_loss`.
        weight: Of units.
        relation_weight: Of relations; heads without edges have none.
        intensity: ``(B, N)`` from 0 to 5; None: nobody coded any.
        intensity_weight: Of intensities; heads without them have none.

    Raises:
        ValueError: If the target is of other units than the head.
    """
    if target.shape != graph.units.shape:
        raise ValueError(
            f"the target is of shape {tuple(target.shape)}, and the network of {graph.units.shape[1]} units: "
            "give 0 or 1 for each of its units, NaN where one was not coded"
        )
    terms = {"units": unit_loss(graph.units, target, weight=weight)}
    if graph.relations is not None and relation_weight:
        terms["relations"] = relation_weight * relation_loss(graph.relations, target)
    if graph.intensities is not None and intensity is not None:
        terms["intensities"] = intensity_weight * intensity_loss(graph.intensities, intensity)
    return terms


def unit_weights(target: Tensor, *, names: Sequence[str] = ()) -> list[float]:
    """Weights of units by how rare they are, of mean 1: the inverse of their rates, from labels of training alone.

    Args:
        target: ``(S, N)``, 0 or 1; NaN where a unit was not coded.
        names: Of units, for errors.

    Raises:
        DataError: If a unit is never active, or was never coded: it has no rate.
    """
    coded = target.isfinite()
    rates = (target.nan_to_num().double() * coded).sum(dim=0) / coded.sum(dim=0)
    never = [index for index, rate in enumerate(rates.tolist()) if not rate > 0]
    if never:
        raise DataError(
            "action units that are never active in the training split cannot be weighted by how rare they are",
            field="units",
            value=[names[index] if names else index for index in never],
            remedy="leave them out of the units that are learnt, or weight all alike",
        )
    inverse = 1 / rates
    return [float(one) for one in inverse / inverse.mean()]


def weight_tensor(weight: Sequence[float] | None, *, units: int) -> Tensor | None:
    """Weights of units as a tensor ``(N,)``.

    Raises:
        ValueError: If there are not as many as units, or one is not positive.
    """
    if weight is None:
        return None
    if len(weight) != units or min(weight) <= 0:
        raise ValueError(f"unit_weight has a positive number for each of {units} units, or is null, got {weight}")
    return torch.tensor([float(one) for one in weight])
