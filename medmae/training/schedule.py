"""Learning rate as a function of the fractional epoch, updated at every optimiser step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Schedule(Protocol):
    """A learning-rate schedule."""

    def value(self, epoch: float, *, peak: float, epochs: float) -> float:
        """Learning rate at a fractional epoch of a training that lasts ``epochs``."""


@dataclass(frozen=True)
class WarmupCosine:
    """Linear from 0 to the peak, then half a cosine to the minimum (MAE).

    Attributes:
        warmup_epochs: Length of the linear part; the very first step has a rate of exactly 0 if it is positive.
        min_lr: Rate at the end, absolute.
    """

    warmup_epochs: float = 40.0
    min_lr: float = 0.0

    def value(self, epoch: float, *, peak: float, epochs: float) -> float:
        """See :class:`Schedule`."""
        if epoch < self.warmup_epochs:
            return peak * epoch / self.warmup_epochs
        done = (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-12)
        return self.min_lr + (peak - self.min_lr) * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))


@dataclass(frozen=True)
class WarmupTimesCosine:
    """Half a cosine over all of training, times a linear warm-up: the peak itself is never reached (AV-MAE).

    Attributes:
        warmup_epochs: Length of the linear part, during which the cosine falls, too.
    """

    warmup_epochs: float = 4.0

    def value(self, epoch: float, *, peak: float, epochs: float) -> float:
        """See :class:`Schedule`."""
        warm = min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0
        return peak * warm * 0.5 * (1.0 + math.cos(math.pi * min(epoch / max(epochs, 1e-12), 1.0)))


@dataclass(frozen=True)
class WarmupStep:
    """Linear warm-up, then a factor ``gamma`` at each milestone (Edge-MAE in MT-Net: 0.1 at epoch 50).

    Attributes:
        milestones: Epochs at which the rate drops.
        gamma: Factor of a drop.
        warmup_epochs: Length of the linear part.
    """

    milestones: Sequence[float] = field(default=(50,))
    gamma: float = 0.1
    warmup_epochs: float = 0.0

    def value(self, epoch: float, *, peak: float, epochs: float) -> float:
        """See :class:`Schedule`."""
        if epoch < self.warmup_epochs:
            return peak * epoch / self.warmup_epochs
        return peak * self.gamma ** sum(epoch >= milestone for milestone in self.milestones)


@dataclass(frozen=True)
class EveryEpochs:
    """A factor ``gamma`` after every so many epochs, without warm-up (torch's StepLR; the pairwise contrast's).

    Attributes:
        every: Epochs of one rate.
        gamma: Factor from one rate to the next.
    """

    every: float = 5.0
    gamma: float = 0.9

    def value(self, epoch: float, *, peak: float, epochs: float) -> float:
        """See :class:`Schedule`."""
        return peak * self.gamma ** math.floor(epoch / self.every + 1e-9)
