"""Masking of whole lines of a grid: some of its rows, and some of its columns (AudioMAE's time and frequency)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from medmae.masking.base import Mask, Rounding, visible_count
from medmae.masking.noise import NoiseMasking


class LineMasking(NoiseMasking):
    """Hides a fixed share of the places along each axis, drawn for each sample: a token is seen where no axis hides it.

    Args:
        grid: Tokens along each axis.
        ratios: Share of the places along each axis that is hidden: 0.7 of time and 0.3 of frequency in AudioMAE's
            pre-training, where it is an option; 0.2 and 0.2 in its fine-tuning. 0 hides nothing along an axis.
        rounding: See :func:`medmae.masking.base.visible_count`; of each axis by itself.

    Raises:
        ValueError: If there is not a ratio for each axis, all are 0, or one leaves no or every place visible.
    """

    cut_by_padding = "lines"

    def __init__(
        self, *, grid: Sequence[int], ratios: Sequence[float], rounding: Rounding = "truncate_visible"
    ) -> None:
        if len(ratios) != len(grid) or not any(ratios):
            raise ValueError(f"a grid of {tuple(grid)} needs a ratio for each axis, not all of them 0, got {ratios}")
        self.grid, self.ratios, self.rounding = tuple(grid), tuple(ratios), rounding
        self.kept = [
            visible_count(num_tokens=extent, ratio=ratio, rounding=rounding) if ratio else extent
            for extent, ratio in zip(grid, ratios, strict=True)
        ]
        self.num_tokens, self.num_visible = math.prod(self.grid), math.prod(self.kept)

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: one a place along each axis, first axis first."""
        return sum(self.grid)

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`: the places with the smallest noise stay; tokens in raster order."""
        seen = noise.new_ones(len(noise), *(1,) * len(self.grid), dtype=torch.bool)  # (B, 1, ..., 1)
        for axis, (part, kept) in enumerate(zip(noise.split(self.grid, dim=1), self.kept, strict=True)):
            line = torch.zeros_like(part, dtype=torch.bool).scatter(1, part.argsort(dim=1)[:, :kept], True)
            seen = seen & line.reshape(len(noise), *(1,) * axis, -1, *(1,) * (len(self.grid) - axis - 1))
        return Mask.from_bool(~seen.flatten(1))
