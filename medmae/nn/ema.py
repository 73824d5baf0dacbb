"""Exponential moving average of a network: the momentum teacher of BootMAE, CMAE and others."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMATeacher(nn.Module):
    """A frozen copy that follows its student; buffers are copied, parameters averaged.

    The copy runs in evaluation mode and never receives a gradient.

    Args:
        student: The network to follow.
    """

    def __init__(self, *, student: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, student: nn.Module, *, momentum: float) -> None:
        """``teacher = momentum * teacher + (1 - momentum) * student``.

        Raises:
            ValueError: If ``momentum`` is outside [0, 1].
        """
        if not 0.0 <= momentum <= 1.0:
            raise ValueError(f"momentum must lie in [0, 1], got {momentum}")
        mine: list[Tensor] = list(self.network.parameters())
        theirs = [p.detach() for p in student.parameters()]
        torch._foreach_lerp_(mine, theirs, 1.0 - momentum)
        for mine_buffer, their_buffer in zip(self.network.buffers(), student.buffers(), strict=True):
            mine_buffer.copy_(their_buffer)

    def train(self, mode: bool = True) -> EMATeacher:
        """Stays in evaluation mode whatever the student does."""
        return super().train(False)

    def forward(self, *args: Tensor) -> Tensor:
        """The averaged network's output."""
        return self.network(*args)
