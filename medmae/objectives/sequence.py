"""Targets of sequences: coordinates normalised over all of their time, or how they change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SequenceNorm:
    """Normalises each coordinate of a sample over all its frames and joints.

    Within a token of a few frames coordinates hardly change, so that its own deviation says nothing; over the whole
    sequence it says where a joint is and how far it goes.

    Attributes:
        eps: Keeps what does not move finite, ``sqrt(var + eps)``.
    """

    eps: float = 1e-6

    def statistics(self, data: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and deviation ``(B, C, 1, 1)`` of ``(B, C, T, V)``; of the values ``real`` ``(B, 1, T, V)`` alone."""
        weight = torch.ones_like(data[:, :1]) if real is None else real.to(data.dtype)
        count = weight.sum(dim=(2, 3), keepdim=True)
        mean = (data * weight).sum(dim=(2, 3), keepdim=True) / count
        variance = ((data - mean).square() * weight).sum(dim=(2, 3), keepdim=True) / count
        return mean, (variance + self.eps).sqrt()

    def __call__(self, data: Tensor) -> Tensor:
        """``(B, C, T, V)`` -> the same shape."""
        mean, deviation = self.statistics(data)
        return (data - mean) / deviation


def motion_of(data: Tensor) -> Tensor:
    """How each coordinate changes to the next frame, ``(B, C, T, V)`` -> the same shape; of the last frame 0."""
    return torch.cat([data[:, :, 1:] - data[:, :, :-1], torch.zeros_like(data[:, :, :1])], dim=2)
