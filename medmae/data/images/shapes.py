"""One image to the channels, the shape and the type that a network takes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as Pillow has it


def with_channels(image: Tensor, channels: int) -> Tensor:
    """``(C, *size)`` with so many channels: grey is repeated, colour becomes grey.

    Raises:
        ValueError: For any other change.
    """
    if len(image) == channels:
        return image
    if len(image) == 1:
        return image.expand(channels, *image.shape[1:]).contiguous()
    if (len(image), channels) == (3, 1):
        grey = torch.tensordot(image.new_tensor(_LUMA, dtype=torch.float32), image.float(), dims=1)[None]
        return grey.round_().to(torch.uint8) if image.dtype == torch.uint8 else grey
    raise ValueError(f"an image has {len(image)} channels, and {channels} are wanted")


def largest_part(height: int, width: int, *, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the largest part that has the shape of ``size``: resized to it, nothing is stretched."""
    scale = min(height / size[0], width / size[1])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def cover(image: Tensor, *, size: tuple[int, int]) -> Tensor:
    """The largest centred part of ``(C, H, W)`` that has the shape of ``size``, resized to it."""
    H, W = image.shape[1:]
    height, width = largest_part(H, W, size=size)
    top, left = (H - height) // 2, (W - width) // 2
    part = image[:, top : top + height, left : left + width]
    if (height, width) == size:
        return part.contiguous()
    return F.interpolate(part[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0].contiguous()


def to_bytes(image: Tensor) -> Tensor:
    """[0, 1] to whole numbers from 0 to 255."""
    return (image * 255).round_().clamp_(0, 255).to(torch.uint8)
