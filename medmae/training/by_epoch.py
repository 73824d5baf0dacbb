"""A small training without Lightning: batches of an epoch at their rates, and steps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from medmae.training.schedule import WarmupCosine


def epoch_batches(
    samples: np.ndarray,
    *,
    epoch: int,
    epochs: int,
    batch_size: int,
    optimizer: torch.optim.Optimizer,
    schedule: WarmupCosine,
    peak: float,
    generator: torch.Generator,
) -> Iterator[np.ndarray]:
    """Batches of one epoch in a drawn order, of like size, none dropped; each at its own rate of the schedule.

    Args:
        samples: Their numbers ``(N,)``.
        epoch: Which, from 0.
        epochs: Of the training.
        batch_size: At most so many samples.
        optimizer: Receives the rate of each step, times the ``lr_scale`` of a group that has one.
        schedule: Of the rate.
        peak: Its highest.
        generator: Draws the order, before the first batch.
    """
    order = samples[torch.randperm(len(samples), generator=generator).numpy()]
    batches = np.array_split(order, -(-len(order) // batch_size))
    for step, batch in enumerate(batches):
        rate = schedule.value(epoch + step / len(batches), peak=peak, epochs=epochs)
        for group in optimizer.param_groups:
            group["lr"] = rate * group.get("lr_scale", 1.0)
        yield batch


def take_step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of a loss, and of nothing before it."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
