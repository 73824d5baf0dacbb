"""Does this belong to that? True pairs against others of the same batch (video-text matching)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def next_other(ids: Tensor) -> tuple[Tensor, Tensor]:
    """For each sample the next one of the batch, around its end, that is another.

    In batches of random order that is any other sample with the same chance, and nothing has to be drawn.

    Args:
        ids: ``(B,)`` int64, equal where samples are no others of each other.

    Returns:
        Which one, ``(B,)``, and whether there is one, ``(B,)`` bool; where there is none it is the next sample.
    """
    return next_where(ids.unsqueeze(1) != ids)


def next_where(others: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`next_other`, of a table that says which are others of each, ``(B, B)`` bool."""
    count = len(others)
    place = torch.arange(count, device=others.device)
    order = (place.unsqueeze(1) + torch.arange(1, max(count, 2), device=others.device)) % count  # (B, B - 1)
    another = others.gather(1, order)
    first = another.int().argmax(dim=1, keepdim=True)  # (B, 1)
    return order.gather(1, first).squeeze(1), another.any(dim=1)


def hard_weights(likeness: Tensor, same: Tensor) -> Tensor:
    """How likely each other sample is to be drawn as a negative: the more alike, the likelier (ALBEF, Singularity).

    Args:
        likeness: Of each sample to others, in the units of a contrast: divided by its temperature, ``(B, K)``.
        same: ``(B, K)`` bool, True where two belong together and are no negatives.

    Returns:
        ``(B, K)``, zero where ``same``; rows do not add up to 1.
    """
    return ((likeness + 1e-4).softmax(dim=1)).masked_fill(same, 0.0)


def hard_other(weights: Tensor, *, first: int = 0) -> tuple[Tensor, Tensor]:
    """One other sample for each, as likely as its weight says, and nothing is drawn.

    Row i takes the quantile (i + 1/2) / B of its weights, laid one behind the other from the sample behind itself on.
    In batches of random order a row says nothing of which others follow it, so that this is a draw by weight,
    with a resolution of 1 / B; a compiled step draws nothing behind its masks.

    Args:
        weights: ``(B, K)``, not negative.
        first: Which of the K is that of row 0, where K are those of all processes.

    Returns:
        Which one, ``(B,)``, and whether any has a weight, ``(B,)`` bool; where none has it is the sample itself.
    """
    count, others = weights.shape
    row = torch.arange(count, device=weights.device).unsqueeze(1)
    order = (first + row + 1 + torch.arange(others, device=weights.device)) % others  # (B, K), itself last
    laid = weights.gather(1, order).cumsum(dim=1)
    total = laid[:, -1:]
    # Strictly above: what has no weight is never reached.
    place = (laid <= total * (row + 0.5) / count).sum(dim=1, keepdim=True).clamp(max=others - 1)
    return order.gather(1, place).squeeze(1), total.squeeze(1) > 0


def matching_loss(true: Tensor, others: Tensor, *, counted: Tensor | None = None) -> Tensor:
    """Mean cross-entropy, in nats, of logits ``(B, 2)`` of true pairs (class 1) and ``(K, 2)`` of others (class 0).

    Args:
        true: Of true pairs.
        others: Of others.
        counted: ``(K,)`` bool, which of the others count; None: all.
    """
    labels = torch.cat([true.new_ones(len(true)), others.new_zeros(len(others))]).long()
    logits = torch.cat([true, others])
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    error = F.cross_entropy(logits, labels, reduction="none")
    if counted is None:
        return error.mean()
    weight = torch.cat([torch.ones_like(true[:, 0]), counted.to(true.dtype)])
    return (error * weight).sum() / weight.sum()
