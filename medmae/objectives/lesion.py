"""Errors of a picture in which lesions weigh more than tissue (ours)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F


def lesion_weights(lesion: Tensor, *, more: float) -> Tensor:
    """1 everywhere, and ``more`` on top in lesions and in what touches them, corners included.

    Args:
        lesion: Share of lesion in each pixel, ``(B, 1, *size)`` in [0, 1], two or three axes.
        more: At least 0.

    Returns:
        Of the shape of ``lesion``.
    """
    spread = F.max_pool2d if lesion.ndim == 4 else F.max_pool3d
    return 1 + more * spread(lesion, 3, stride=1, padding=1)


def weighted_error(error: Callable[..., Tensor], found: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """The weighted mean of an error such as :func:`torch.nn.functional.l1_loss`; None weighs all pixels alike.

    Args:
        error: Of two tensors, with ``reduction``.
        found: ``(K, 1, *size)``.
        target: The same shape.
        weight: The same shape.
    """
    if weight is None:
        return error(found, target)
    return (weight * error(found, target, reduction="none")).sum() / weight.sum()
