"""Clips and sentences as points of one space, and a layer that tells pairs from others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.config import Configured
from medmae.nn.init import initialise_linears

_COLDEST, _WARMEST = 0.001, 0.5  # temperatures


class PairHead(Configured, nn.Module):
    """Projections of class tokens, their learned temperature, and the matching layer (Singularity, ALBEF).

    Args:
        dim: D.
        projected: P, width of the common space.
        temperature: At first; it stays within 0.001 and 0.5.
        matching: Whether there is a matching layer.
    """

    def __init__(self, dim: int, *, projected: int = 256, temperature: float = 0.07, matching: bool = True) -> None:
        super().__init__()
        self.frames, self.words = nn.Linear(dim, projected), nn.Linear(dim, projected)
        self.matcher = nn.Linear(dim, 2) if matching else None
        self.temperature = nn.Parameter(torch.tensor(temperature))
        initialise_linears(self)

    def each_frame(self, class_tokens: Tensor) -> Tensor:
        """Frames ``(B, F, P)`` from class tokens ``(B, F, D)``, of length 1."""
        return F.normalize(self.frames(class_tokens), dim=2)

    def of_frames(self, class_tokens: Tensor) -> Tensor:
        """Clips ``(B, P)`` from class tokens ``(B, F, D)``: the mean of frames, each of length 1."""
        return self.each_frame(class_tokens).mean(dim=1)

    def of_words(self, class_tokens: Tensor) -> Tensor:
        """Sentences ``(B, P)`` from class tokens ``(B, D)``, of length 1."""
        return F.normalize(self.words(class_tokens), dim=1)

    def warmth(self) -> Tensor:
        """The temperature within its bounds; beyond them it still gets a gradient that may lead back."""
        free = self.temperature
        return free + (free.clamp(_COLDEST, _WARMEST) - free).detach()

    def likeness(self, first: Tensor, second: Tensor) -> Tensor:
        """Of points ``(B, P)`` to points ``(K, P)``: ``(B, K)``, over the temperature."""
        return first @ second.T / self.warmth()
