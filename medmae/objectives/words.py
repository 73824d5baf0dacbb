"""Which words were hidden: cross-entropy of masked language modelling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.masking.base import Mask


def masked_words(logits: Tensor, words: Tensor, mask: Mask) -> Tensor:
    """Mean cross-entropy, in nats, over all hidden words of the batch; 0, with zero gradients, where none is hidden.

    Args:
        logits: Of hidden words in the order of ``mask.masked``, ``(B, M, K)``.
        words: Numbers of all words, ``(B, L)``.
        mask: Which are hidden; its ``weight`` says which entries count.

    Returns:
        A scalar.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    error = F.cross_entropy(logits.flatten(0, 1), mask.hidden(words.unsqueeze(2)).flatten(), reduction="none")
    if mask.weight is None:
        return error.mean()
    weight = mask.weight.flatten()
    return (error * weight).sum() / weight.sum().clamp(min=1)
