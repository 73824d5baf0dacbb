"""Regression of the features of a momentum teacher (BootMAE, ECCV 2022)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from medmae.objectives.pixel import masked_mse


def normalised_mse(prediction: Tensor, target: Tensor, *, weight: Tensor | None = None, eps: float = 1e-6) -> Tensor:
    """Mean squared error between tokens that are brought to mean 0 and variance 1 each, on both sides.

    So it does not matter how a teacher without a final norm scales its tokens; neither norm has weights.

    Args:
        prediction: Of masked tokens, ``(B, M, D)``.
        target: ``(B, M, D)``; no gradient flows into it where the teacher has none.
        weight: Factor of each token's error, ``(B, M)``; the divisor stays the token count.
        eps: Of both norms.
    """
    sides = (F.layer_norm(side, side.shape[-1:], eps=eps) for side in (prediction, target))
    return masked_mse(*sides, weight=weight)
