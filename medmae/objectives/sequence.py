"""Targets of sequences: coordinates normalised over all of their time, or how they change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST = 0.02  # of the squares of a sequence, that are of what is seen


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

    def completed(self, data: Tensor, normed: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of a whole sequence of which a part is known only as it is normalised.

        A normalised sequence has a mean of 0 and a deviation of 1, so that what is seen and what a network says of the
        rest give both: exactly, if it is right. Those of what is seen alone are off by as much as the joints that are
        hidden lie elsewhere in the body.

        Args:
            data: ``(B, C, T, V)``, of which hidden values are not looked at.
            normed: Likewise, of which hidden values alone are.
            hidden: ``(B, 1, T, V)`` bool.

        Returns:
            ``(B, C, 1, 1)`` each. Where what is said contradicts what is seen, the deviation is bounded.
        """
        seen = (~hidden).to(data.dtype)
        n_seen, n_hidden = (count.sum(dim=(2, 3), keepdim=True) for count in (seen, hidden.to(data.dtype)))
        mean, deviation = self.statistics(data, real=~hidden)
        said = torch.where(hidden, normed, 0.0).sum(dim=(2, 3), keepdim=True) / n_hidden.clamp(min=1)
        squares = torch.where(hidden, normed, 0.0).square().sum(dim=(2, 3), keepdim=True)
        total = n_seen + n_hidden
        left = total - squares - n_hidden.square() / n_seen * said.square()  # of the squares of the whole sequence
        whole = deviation * (n_seen / left.clamp(min=_LEAST * total)).sqrt()
        return mean + n_hidden / n_seen * said * whole, whole

    def __call__(self, data: Tensor) -> Tensor:
        """``(B, C, T, V)`` -> the same shape."""
        mean, deviation = self.statistics(data)
        return (data - mean) / deviation


def motion_of(data: Tensor) -> Tensor:
    """How each coordinate changes to the next frame, ``(B, C, T, V)`` -> the same shape; of the last frame 0."""
    return torch.cat([data[:, :, 1:] - data[:, :, :-1], torch.zeros_like(data[:, :, :1])], dim=2)
