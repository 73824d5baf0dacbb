"""Stochastic permutation: the order in which tokens are predicted, one after the other (SAIM, AAAI 2023)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask, Rounding
from medmae.masking.random import RandomMasking

Order = Literal["random", "raster"]


class Permutation(Mask):
    """A mask whose tokens have an order: the visible ones as they stand, then the masked ones.

    Each token is predicted from those before it, so none is hidden from all. Where a picture is painted, the visible
    ones are shown, as of any mask. Skipped tokens (padding) have no place in the order.
    """

    @property
    def order(self) -> Tensor:
        """Token indices in the order of their prediction, ``(B, N - skipped)``."""
        return torch.cat([self.visible, self.masked], dim=1)


class PermutationMasking(RandomMasking):
    """Draws an order of its own for every sample.

    Args:
        num_tokens: N, tokens of one sample.
        ratio: Share of tokens, the last ones, that count as hidden where a picture is painted. Orders do not depend
            on it.
        rounding: See :func:`medmae.masking.base.visible_count`.
        order: ``random``, or ``raster``: the same for all samples, from the first token to the last (iGPT).

    Raises:
        ValueError: If the ratio leaves 0 or all tokens visible.
    """

    def __init__(
        self, *, num_tokens: int, ratio: float = 0.75, rounding: Rounding = "truncate_visible", order: Order = "random"
    ) -> None:
        check_choice(order, get_args(Order), name="order")
        super().__init__(num_tokens=num_tokens, ratio=ratio, rounding=rounding)
        self.order = order

    def draw(self, batch_size: int, generator: torch.Generator | None) -> Tensor:
        """Noise ``(B, N)``; that of a raster order ascends, and none is drawn."""
        if self.order == "raster":
            return torch.linspace(0, 1, self.num_tokens + 1)[:-1].expand(batch_size, -1)
        return super().draw(batch_size, generator)

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Permutation:
        """See :meth:`NoiseMasking.mask_of`: a token with smaller noise comes earlier.

        Where some samples are padded, all have an order of as many tokens as the sample with the fewest real ones;
        what the others have more is skipped.
        """
        mask = super().mask_of(noise, real)
        return Permutation(mask.visible, mask.masked, mask.num_tokens, mask.skipped)
