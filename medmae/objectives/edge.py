"""Edge targets and neighbour-density weights of Edge-MAE (TMI 2023, doi 10.1109/TMI.2023.3288001), 2-d and 3-d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.masking.base import Mask

WeightMode = Literal["hard", "easy"]


class SobelEdges(nn.Module):
    """Sobel gradient magnitude, clipped to 1; borders replicated, channels each by themselves.

    In 2-d the kernels are those of the reference. The 3-d kernels (ours) are the outer product of one derivative
    and two smoothing axes, divided by 4, so that a planar step has the magnitude it has in a 2-d slice.

    Args:
        ndim: 2 or 3.
    """

    def __init__(self, *, ndim: int = 2) -> None:
        super().__init__()
        if ndim not in (2, 3):
            raise ValueError(f"Sobel edges are defined here for images and volumes, got {ndim} axes")
        self.ndim = ndim
        if ndim == 2:
            derivative, smooth = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])
            kernels = torch.stack([torch.outer(smooth, derivative), torch.outer(-derivative, smooth)])
            # A frozen parameter, not a buffer: the published checkpoints and their parameter counts hold it so.
            self.weight = nn.Parameter(kernels.unsqueeze(1), requires_grad=False)

    @torch.no_grad()
    def forward(self, data: Tensor) -> Tensor:
        """``(B, C, *size)`` -> magnitude ``(B, C, *size)`` in [0, 1], float32, without gradient."""
        device = "cpu" if data.is_meta else data.device.type
        with torch.autocast(device, enabled=False):  # a target is not rounded because the network is
            return self._magnitude(data.float())

    def _magnitude(self, data: Tensor) -> Tensor:
        flat = data.reshape(-1, 1, *data.shape[2:])
        padded = F.pad(flat, [1, 1] * self.ndim, mode="replicate")  # (B * C, 1, *size + 2)
        if self.ndim == 2:
            gradients = F.conv2d(padded, self.weight.float())  # (B * C, 2, H, W)
        else:
            gradients = torch.stack([_derivative(padded[:, 0], axis) for axis in (1, 2, 3)], dim=1)
        return gradients.square().sum(dim=1).sqrt().clamp_(max=1.0).reshape(data.shape)


def _derivative(padded: Tensor, axis: int) -> Tensor:
    """The 3-d kernel of one axis, one axis after the other: several times faster than a dense convolution here."""
    for other in (1, 2, 3):
        size = padded.shape[other] - 2
        low, middle, high = (padded.narrow(other, start, size) for start in (0, 1, 2))
        padded = high - low if other == axis else low + 2 * middle + high
    return padded / 4


def neighbour_density(mask: Mask, *, grid: Sequence[int]) -> Tensor:
    """Share of masked tokens among each token and its neighbours (9 in 2-d, 27 in 3-d).

    The divisor is always 9 (27): what lies outside the image counts as visible, as in the reference.

    Returns:
        ``(B, N)`` in [0, 1].
    """
    table = mask.as_bool().float().reshape(-1, 1, *grid)
    pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[len(grid)]
    # Padded by hand: the 3-d pooling refuses grids of fewer than 3 tokens, whatever padding it is given.
    return pool(F.pad(table, [1, 1] * len(grid)), kernel_size=3, stride=1).flatten(1)


def patchwise_weight(mask: Mask, *, grid: Sequence[int], mode: WeightMode = "hard") -> Tensor:
    """Weight of each masked token's error: difficulty is the density d of masked neighbours.

    Args:
        mask: The mask.
        grid: Tokens along each axis.
        mode: ``hard`` gives 1 + d (hard patches count more), ``easy`` gives 2 - d.

    Returns:
        ``(B, M)`` in the order of ``mask.masked``; hard weights lie in [10/9, 2] in 2-d.
    """
    check_choice(mode, get_args(WeightMode), name="mode")
    density = neighbour_density(mask, grid=grid).gather(1, mask.masked)  # (B, M)
    return 1.0 + density if mode == "hard" else 2.0 - density
