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
    count = len(ids)
    place = torch.arange(count, device=ids.device)
    order = (place.unsqueeze(1) + torch.arange(1, max(count, 2), device=ids.device)) % count  # (B, B - 1)
    another = ids[order] != ids.unsqueeze(1)
    first = another.int().argmax(dim=1, keepdim=True)  # (B, 1)
    return order.gather(1, first).squeeze(1), another.any(dim=1)


def matching_loss(true: Tensor, others: Tensor, *, counted: Tensor | None = None) -> Tensor:
    """Mean cross-entropy, in nats, of logits ``(B, 2)`` of true pairs (class 1) and ``(K, 2)`` of others (class 0).

    Args:
        true: Of true pairs.
        others: Of others.
        counted: ``(K,)`` bool, which of the others count; None: all.
    """
    labels = torch.cat([true.new_ones(len(true)), others.new_zeros(len(others))]).long()
    error = F.cross_entropy(torch.cat([true, others]).float(), labels, reduction="none")
    if counted is None:
        return error.mean()
    weight = torch.cat([torch.ones_like(true[:, 0]), counted.to(true.dtype)])
    return (error * weight).sum() / weight.sum()
