"""What colour alone says about a tile: the baselines that every score in pathology must stand beside.

On NCT-CRC-HE-100K mean colour alone is right on more than half of the tiles, a histogram of colours on more than 82 %
(A. Ignatov, G. Malivenko, "NCT-CRC-HE: Not All Histopathological Datasets Are Equally Useful", arXiv 2409.11546).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.evaluate.batches import Items, each_batch
from medmae.evaluate.classify.predict import over_views

Describe = Callable[[Tensor], Tensor]


def mean_colour(images: Tensor) -> Tensor:
    """Mean of each channel: ``(B, C, H, W)`` in [0, 1] -> ``(B, C)``."""
    return images.mean(dim=(2, 3))


def colour_histogram(images: Tensor, *, bins: int = 8) -> Tensor:
    """Share of pixels in each cell of the RGB cube: ``(B, 3, H, W)`` in [0, 1] -> ``(B, bins ** 3)``."""
    cells = (images * bins).long().clamp(0, bins - 1).flatten(2)  # (B, 3, H W)
    index = (cells[:, 0] * bins + cells[:, 1]) * bins + cells[:, 2]  # (B, H W)
    counts = images.new_zeros(len(images), bins**3)
    return counts.scatter_add_(1, index, counts.new_ones(index.shape)) / index.shape[1]


def raw_pixels(images: Tensor, *, size: int = 16) -> Tensor:
    """The image itself, reduced by means over blocks: ``(B, C, H, W)`` -> ``(B, C * size ** 2)``."""
    return F.adaptive_avg_pool2d(images, size).flatten(1)


# What a feature that was learnt is compared with, in the order in which tables show it.
COLOUR_BASELINES: Mapping[str, Describe] = {
    "mean_colour": mean_colour,
    "colour_histogram": colour_histogram,
    "raw_pixels": raw_pixels,
}
# The same of images of any number of channels.
GREY_BASELINES: Mapping[str, Describe] = {"mean_intensity": mean_colour, "raw_pixels": raw_pixels}


@torch.no_grad()
def describe_images(
    images: Items[Mapping[str, Any]],
    *,
    by: Mapping[str, Describe],
    batch_size: int = 64,
    left_out: dict[int, str] | None = None,
) -> dict[str, np.ndarray]:
    """Each description of every image that can be read, read once.

    Args:
        images: Items with an ``image``.
        by: Descriptions by name, images ``(B, C, *size)`` -> ``(B, D)``.
        batch_size: Images at once.
        left_out: Receives why an image was left out, by its number.

    Returns:
        ``(N, D)`` float32 by name.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in by}
    for _, batch in each_batch(images, batch_size=batch_size, left_out=left_out):
        for name, describe in by.items():
            parts[name].append(over_views(batch, describe).float())
    return {name: torch.cat(some).numpy() for name, some in parts.items() if some}
