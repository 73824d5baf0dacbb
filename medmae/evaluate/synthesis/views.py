"""Test-time augmentation: a network looks at an image from all sides, and its answers are turned back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_PLANE = (-2, -1)


def over_views(network: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A network that gives mean and standard deviation over the flips and quarter turns of its input.

    They are the eight symmetries of a square in the plane of the last two axes, or the four of a rectangle where that
    is not square. Each answer is turned back before they are compared.

    Args:
        network: ``(B, C, *size) -> (B, C', *size)``.

    Returns:
        ``(B, C, *size) -> (B, 2 * C', *size)``: C' means, then C' standard deviations (of the views, not of a sample of
        more of them). Where all answers are equal the mean is that answer, bit for bit, and the deviation 0.
    """

    def summary(images: Tensor) -> Tensor:
        step = 1 if images.shape[-1] == images.shape[-2] else 2
        views = [(mirrored, turns) for mirrored in (False, True) for turns in range(0, 4, step)]
        answers = torch.stack([_seen(network, images, *view) for view in views])  # (V, B, C', *size)
        std, mean = torch.std_mean(answers, dim=0, correction=0)
        return torch.cat([mean, std], dim=1)

    return summary


def _seen(network: Callable[[Tensor], Tensor], images: Tensor, mirrored: bool, turns: int) -> Tensor:
    view = torch.rot90(images.flip(-1) if mirrored else images, turns, _PLANE)
    answer = torch.rot90(network(view), -turns, _PLANE)
    return answer.flip(-1) if mirrored else answer
