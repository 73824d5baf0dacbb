"""Which contrasts (channels, views) of a sample are given to a network, when any of them may be missing."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_subset(available: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """A random part of what each sample has: at least one, and never all of it.

    How many are given is uniform in 1 .. A - 1 for a sample that has A, and which ones is uniform, too: giving one and
    giving all but one are practised equally often.

    Args:
        available: ``(B, C)`` bool, True where a sample has a contrast.
        generator: Source of randomness, on the CPU, so that a seed means the same draw on every device.

    Returns:
        ``(B, C)`` bool, True where it is given; ``available & ~given`` is what can be asked for.

    Raises:
        ValueError: If a sample has fewer than two contrasts: nothing could be given and another asked for.
    """
    counts = available.sum(dim=1)  # (B,), A of each sample
    if bool((counts < 2).any()):
        poor = (counts < 2).nonzero().flatten().tolist()
        raise ValueError(
            f"samples {poor} of the batch have fewer than two contrasts, of which one is given and another asked for: "
            "leave them out of training"
        )
    noise = torch.rand(available.shape[0], available.shape[1] + 1, generator=generator).to(available.device)
    given = 1 + (noise[:, :1] * (counts.unsqueeze(1) - 1)).long()  # (B, 1), how many; rand is below 1
    rank = noise[:, 1:].masked_fill(~available, 2.0).argsort(dim=1).argsort(dim=1)  # missing ones come last
    return rank < given
