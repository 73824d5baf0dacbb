"""Does this belong to that? True pairs against others of the same batch (video-text matching)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def draw_others(weights: Tensor, *, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """For each sample another one, with chances in proportion to weights.

    Args:
        weights: ``(B, B)``, none negative; 0 for what is no other: the sample itself, and what equals it.
        generator: On the CPU.

    Returns:
        Whose a row's other is, ``(K,)``, and which one, ``(K,)``; samples that have none are left out.
    """
    weights = weights.detach().float().cpu()
    which = (weights.sum(dim=1) > 0).nonzero().squeeze(1)  # (K,)
    if not len(which):
        return which, which
    return which, torch.multinomial(weights[which], 1, generator=generator).squeeze(1)


def matching_loss(true: Tensor, others: Tensor) -> Tensor:
    """Mean cross-entropy, in nats, of logits ``(B, 2)`` of true pairs (class 1) and ``(K, 2)`` of others (class 0)."""
    labels = torch.cat([true.new_ones(len(true)), others.new_zeros(len(others))]).long()
    return F.cross_entropy(torch.cat([true, others]).float(), labels)
