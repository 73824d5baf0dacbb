"""Cross-entropy where several answers may be right, or none is known."""

from __future__ import annotations

import torch
from torch import Tensor


def accepted_cross_entropy(logits: Tensor, accepted: Tensor) -> Tensor:
    """Of answers ``(B, K)``, each accepted one of a question sharing its weight; the mean over questions that have one.

    Args:
        logits: ``(B, K)``.
        accepted: ``(B, K)``, 1 for what counts; a row of zeros is left out.

    Returns:
        A scalar; 0, with a gradient of 0, where no question has an accepted answer.
    """
    found = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
    count = accepted.sum(dim=1)
    each = -(found * accepted).sum(dim=1) / count.clamp(min=1)
    return each.sum() / (count > 0).sum().clamp(min=1)
