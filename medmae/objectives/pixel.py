"""Regression of patch values, with the per-patch normalised target in the forms published systems use."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TargetNorm:
    """Normalises each patch of a target by its own mean and deviation.

    The defaults are MAE's: jointly over channels, unbiased variance. BootMAE works per channel, biased, 1e-5; what
    VideoMAE does is :class:`medmae.objectives.cube.CubeNorm`.

    Attributes:
        per_channel: Statistics of each channel of the patch by itself.
        unbiased: Divide the variance by n - 1.
        eps: Keeps constant patches finite, ``sqrt(var + eps)``.
    """

    per_channel: bool = False
    unbiased: bool = True
    eps: float = 1e-6

    def __call__(self, rows: Tensor, *, channels: int) -> Tensor:
        """Normalised patches, ``(B, M, P)`` -> ``(B, M, P)``."""
        return self._rows(self._normalised(self._groups(rows, channels)))

    def invert(self, rows: Tensor, mean: Tensor, deviation: Tensor, *, channels: int) -> Tensor:
        """Undoes the normalisation with statistics ``(B, M, 1 or C)``, ``(B, M, P)`` -> the same.

        Those of the true patches hand the viewer information that was hidden from the network: fit for looking at
        pictures, never for a figure of merit.
        """
        return self._rows(self._groups(rows, channels) * deviation.unsqueeze(3) + mean.unsqueeze(3))

    def statistics(self, rows: Tensor, *, channels: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each patch ``(B, M, P)``, or of its channels: ``(B, M, 1 or C)``."""
        mean, deviation = self._statistics(self._groups(rows, channels))
        return mean.squeeze(3), deviation.squeeze(3)

    def _normalised(self, groups: Tensor) -> Tensor:
        mean, deviation = self._statistics(groups)
        return (groups - mean) / deviation

    def _statistics(self, groups: Tensor) -> tuple[Tensor, Tensor]:
        """Of each group, ``(B, M, G, n)`` -> ``(B, M, G, 1)``."""
        variance, mean = torch.var_mean(groups, dim=3, correction=int(self.unbiased), keepdim=True)
        return mean, (variance + self.eps).sqrt()

    def _groups(self, rows: Tensor, channels: int) -> Tensor:
        """Values that share statistics, side by side in memory: ``(B, M, P)`` -> ``(B, M, C or 1, n)``."""
        groups = rows.unflatten(2, (-1, channels)).mT.contiguous() if self.per_channel else rows.unsqueeze(2)
        if self.unbiased and groups.shape[3] < 2:
            raise ValueError(f"an unbiased variance needs at least 2 values a patch, got patches of {groups.shape[3]}")
        return groups

    @staticmethod
    def _rows(groups: Tensor) -> Tensor:
        """The inverse, channel fastest: ``(B, M, G, n)`` -> ``(B, M, P)``."""
        return groups.mT.flatten(2)


def masked_mse(prediction: Tensor, target: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Mean over masked tokens of the whole batch of the mean squared error of a token.

    Callers pass masked tokens only, and every sample hides the same number, so this equals MAE's
    ``sum(mask * error) / sum(mask)``.

    Args:
        prediction: ``(B, M, P)``.
        target: ``(B, M, P)``.
        weight: Factor of each token's error, ``(B, M)``; the divisor stays the token count.
    """
    error = (prediction - target).square()  # (B, M, P); F.mse_loss would keep both of them for the backward pass
    if weight is None:
        return error.mean()
    return (error.mean(dim=2) * weight).mean()


def batch_mse(prediction: Tensor, target: Tensor, *, counted: Tensor | None = None) -> Tensor:
    """Mean over the counted tokens of the whole batch, not sample by sample, of their mean squared error (AV-MAE).

    Args:
        prediction: ``(B, M, P)``.
        target: ``(B, M, P)``.
        counted: ``(B,)`` bool, False for samples that do not count; None: all do.

    Returns:
        A scalar; 0 where nothing counts.
    """
    if counted is None:
        return masked_mse(prediction, target)
    error = (prediction - target).square().mean(dim=2)  # (B, M)
    weight = counted.to(error.dtype).unsqueeze(1)
    return (error * weight).sum() / (weight.sum() * error.shape[1]).clamp(min=1)
