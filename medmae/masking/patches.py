"""Masking of patches of clouds: any of them, or those around one."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask, visible_count

Choice = Literal["random", "block"]


class PatchMasking:
    """Hides a fixed share of the patches of a cloud; the count of hidden ones is cut off, not rounded.

    Args:
        num_patches: G.
        ratio: Share to hide, 0.7 in MAE3D, 0.6 in Point-MAE.
        choice: ``random`` ones; or as a ``block`` those whose centres are nearest to that of one drawn patch.
        batch_shared: One draw for all clouds of a batch, as MAE3D's code has it; of a block the number of the patch,
            which is another place in each cloud.

    Raises:
        ValueError: If the ratio leaves no or every patch visible.
    """

    def __init__(
        self, *, num_patches: int, ratio: float, choice: Choice = "random", batch_shared: bool = False
    ) -> None:
        check_choice(choice, get_args(Choice), name="choice")
        self.num_patches, self.ratio, self.choice, self.batch_shared = num_patches, ratio, choice, batch_shared
        self.num_visible = visible_count(num_tokens=num_patches, ratio=ratio, rounding="truncate_hidden")

    def sample(
        self,
        batch_size: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        real: Tensor | None = None,
        centres: Tensor | None = None,
    ) -> Mask:
        """Draws a mask, or replays one from given noise.

        Args:
            batch_size: B.
            generator: Source of randomness, on the CPU.
            noise: Uniform in [0, 1), ``(B, G)``, or ``(1, G)`` where the batch shares it; when given, nothing is drawn.
            real: Clouds have patches of real points only: there is nothing to say.
            centres: ``(B, G, 3)``, what a block is made of.

        Raises:
            ValueError: If a block is asked for without centres, or ``real`` or noise of another shape is given.
        """
        if real is not None:
            raise ValueError("all patches of a cloud are real: pad its points, not its patches")
        shape = (1 if self.batch_shared else batch_size, self.num_patches)
        noise = torch.rand(shape, generator=generator) if noise is None else noise
        if noise.shape != shape:
            raise ValueError(f"noise must be {shape}, got {tuple(noise.shape)}")
        if self.choice == "random":
            return Mask.from_noise(noise.expand(batch_size, -1), num_visible=self.num_visible)
        if centres is None:
            raise ValueError("a block is made of neighbours: give the centres of the patches")
        seed = noise.argmin(dim=1).expand(batch_size).to(centres.device)
        chosen = centres[torch.arange(batch_size, device=centres.device), seed].unsqueeze(1)  # (B, 1, 3)
        order = (centres - chosen).square().sum(dim=2).argsort(dim=1, descending=True, stable=True)
        return Mask(order[:, : self.num_visible], order[:, self.num_visible :], self.num_patches)
