"""Exponential moving average of a network: the momentum teacher of BootMAE, CMAE and others."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class EMATeacher(nn.Module):
    """A frozen copy that follows its student; parameters are averaged, by name, and buffers copied.

    The copy never receives a gradient. A part of it may be taken away (``teacher.network.norm = nn.Identity()``): what
    the copy has not is not followed.

    Args:
        student: The network to follow.
        own_statistics: False keeps the copy in evaluation mode. True lets it train and evaluate as the student does
            and leaves its buffers to itself: its batch norms know the batches that it saw, not the student's (CMAE).
    """

    def __init__(self, *, student: nn.Module, own_statistics: bool = False) -> None:
        super().__init__()
        self.own_statistics = own_statistics
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.train(student.training)

    @torch.no_grad()
    def update(self, student: nn.Module, *, momentum: float) -> None:
        """``teacher = momentum * teacher + (1 - momentum) * student``.

        Raises:
            ValueError: If ``momentum`` is outside [0, 1].
        """
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum must lie in [0, 1], got {momentum}")
        mine, theirs = dict(self.network.named_parameters()), dict(student.named_parameters())
        values: list[Tensor] = list(mine.values())
        torch._foreach_lerp_(values, [theirs[name].detach() for name in mine], 1.0 - momentum)
        if self.own_statistics:
            return
        buffers = dict(student.named_buffers())
        for name, buffer in self.network.named_buffers():
            buffer.copy_(buffers[name])

    def train(self, mode: bool = True) -> EMATeacher:
        """Stays in evaluation mode whatever the student does, unless its statistics are its own."""
        return super().train(mode and self.own_statistics)

    def forward(self, *args: Tensor) -> Tensor:
        """The averaged network's output."""
        return self.network(*args)


def cosine_momentum(*, first: float, last: float, progress: float) -> float:
    """Momentum at a share of training that is done, from ``first`` to ``last`` along half a cosine (BYOL's rule)."""
    return last - (last - first) * (math.cos(math.pi * progress) + 1) / 2


def ramped_momentum(epoch: float, *, at: Sequence[float], values: Sequence[float]) -> float:
    """Momentum ``values`` at the epochs ``at``, linear between them and constant after the last (BootMAE's rule).

    Raises:
        ValueError: If there are not as many values as epochs.
    """
    if len(at) != len(values):
        raise ValueError(f"momentum needs a value at each of the epochs {tuple(at)}, got {tuple(values)}")
    return float(np.interp(epoch, at, values))
