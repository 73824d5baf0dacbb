"""Regression of patch values, with the per-patch normalised target in the forms published systems use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchNorm:
    """Normalises each patch of a target by its own mean and deviation.

    The defaults are MAE's: jointly over channels, unbiased variance, epsilon inside the root. BootMAE works per
    channel, biased, 1e-5; VideoMAE per channel, unbiased, epsilon outside the root.

    Attributes:
        per_channel: Statistics of each channel of the patch by itself.
        unbiased: Divide the variance by n - 1.
        eps: Keeps constant patches finite.
        eps_inside: ``sqrt(var + eps)`` if True, ``sqrt(var) + eps`` if False.
    """

    per_channel: bool = False
    unbiased: bool = True
    eps: float = 1e-6
    eps_inside: bool = True

    def __call__(self, rows: Tensor, *, channels: int) -> Tensor:
        """Normalised patches, ``(B, M, P)`` -> ``(B, M, P)``."""
        mean, deviation = self.statistics(rows, channels=channels)
        return ((self._split(rows, channels) - mean) / deviation).reshape(rows.shape)

    def invert(self, rows: Tensor, reference: Tensor, *, channels: int) -> Tensor:
        """Undoes the normalisation with the statistics of ``reference`` ``(B, M, P)``.

        With the true patches as reference this hands the viewer information that was hidden from the network:
        fit for looking at pictures, never for a figure of merit.
        """
        mean, deviation = self.statistics(reference, channels=channels)
        return (self._split(rows, channels) * deviation + mean).reshape(rows.shape)

    def statistics(self, rows: Tensor, *, channels: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each patch, ``(B, M, 1, 1 or C)``."""
        values = self._split(rows, channels)
        if self.unbiased and values.shape[2] * (1 if self.per_channel else channels) < 2:
            raise ValueError(f"an unbiased variance needs at least 2 values a patch, got patches of {rows.shape[2]}")
        axes = (2,) if self.per_channel else (2, 3)
        variance, mean = torch.var_mean(values, dim=axes, correction=int(self.unbiased), keepdim=True)
        deviation = (variance + self.eps).sqrt() if self.eps_inside else variance.sqrt() + self.eps
        return mean, deviation

    @staticmethod
    def _split(rows: Tensor, channels: int) -> Tensor:
        return rows.unflatten(2, (-1, channels))  # (B, M, P / C, C)


def masked_mse(prediction: Tensor, target: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Mean over masked tokens of the whole batch of the mean squared error of a token.

    Callers pass masked tokens only, and every sample hides the same number, so this equals MAE's
    ``sum(mask * error) / sum(mask)``.

    Args:
        prediction: ``(B, M, P)``.
        target: ``(B, M, P)``.
        weight: Factor of each token's error, ``(B, M)``; the divisor stays the token count.
    """
    error = (prediction - target).square()  # (B, M, P)
    if weight is None:
        return error.mean()
    return (error.mean(dim=2) * weight).mean()
