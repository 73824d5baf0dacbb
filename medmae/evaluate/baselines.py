"""What a reconstruction must beat: filling holes without having learned anything."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_fill(image: Tensor, hidden: Tensor) -> Tensor:
    """Every hidden pixel gets the mean of the visible pixels of its sample.

    Args:
        image: ``(B, C, *size)``.
        hidden: True where hidden, ``(B, 1, *size)``.
    """
    axes = tuple(range(1, image.ndim))
    visible = (~hidden).expand_as(image)
    mean = (image * visible).sum(axes, keepdim=True) / visible.sum(axes, keepdim=True)
    return torch.where(hidden, mean, image)


def neighbour_fill(image: Tensor, hidden: Tensor, *, iterations: int = 400) -> Tensor:
    """Hidden pixels from their visible neighbours: the harmonic surface that the visible pixels span.

    Solves Laplace's equation with visible pixels held fixed, by relaxation from the mean. The smooth answer is
    the strongest that uses no knowledge of anatomy.

    Args:
        image: ``(B, C, *size)``, 1 to 3 axes.
        hidden: True where hidden, ``(B, 1, *size)``.
        iterations: Relaxation sweeps; 400 leave less than 0.01 dB on patches of 8 pixels at a ratio of 0.7.
    """
    ndim = image.ndim - 2
    kernel = _neighbour_kernel(ndim).to(image)
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[ndim]
    current = mean_fill(image, hidden)
    flat_shape = (-1, 1, *image.shape[2:])
    for _ in range(iterations):
        padded = F.pad(current.reshape(flat_shape), [1, 1] * ndim, mode="replicate")
        current = torch.where(hidden, convolve(padded, kernel).reshape(image.shape), image)
    return current


def _neighbour_kernel(ndim: int) -> Tensor:
    kernel = torch.zeros((3,) * ndim)
    for axis in range(ndim):
        for side in (0, 2):
            index = [1] * ndim
            index[axis] = side
            kernel[tuple(index)] = 1 / (2 * ndim)
    return kernel[None, None]
