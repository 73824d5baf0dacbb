"""A target without its finest detail: data smoothed by a Gaussian (SAIM, AAAI 2023, arXiv 2212.01610)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class GaussianSmoothing:
    """Smooths every axis of ``(B, C, *size)``, each channel by itself.

    Outside the data lie zeros, as in the reference: of data that is normalised to mean 0, the mean. A border of
    ``size // 2`` values is therefore drawn towards it.

    Attributes:
        size: Taps of the kernel along each axis; odd.
        sigma: Standard deviation in pixels.
    """

    size: int = 9
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0 or self.sigma <= 0:
            raise ValueError(f"smoothing needs an odd size and a sigma above 0, got {self.size} and {self.sigma}")

    @property
    def kernel(self) -> tuple[float, ...]:
        """Weights along one axis; they add up to 1, and the kernel over all axes is their outer product."""
        weights = [math.exp(-0.5 * ((tap - self.size // 2) / self.sigma) ** 2) for tap in range(self.size)]
        return tuple(weight / sum(weights) for weight in weights)

    @torch.no_grad()
    def __call__(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` -> the same shape, float32, without gradient."""
        data, half = data.float(), self.size // 2
        for axis in range(2, data.ndim):
            padding = [0, 0] * (data.ndim - 1 - axis) + [half, half]  # the last axis comes first
            padded, length = F.pad(data, padding), data.shape[axis]
            parts = (padded.narrow(axis, start, length) * weight for start, weight in enumerate(self.kernel))
            data = sum(parts, torch.zeros_like(data))
        return data
