"""Random resized crops with a flip, each sample its own; torchvision's rule, drawn apart from being applied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.data.augment.draws import device_of

_ATTEMPTS = 10  # then the centre is taken


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Where each sample is cut, and whether it is mirrored.

    Args:
        boxes: (B, 4) int64: top, left, height, width.
        flips: (B,) bool: left-right.
    """

    boxes: Tensor
    flips: Tensor


def draw_crops(
    shape: Sequence[int],
    *,
    scale: Sequence[float],
    ratio: Sequence[float],
    flip: float,
    generator: torch.Generator | None,
) -> Crops:
    """Crops of images ``(B, C, H, W)``, on the generator's device.

    Args:
        shape: Of the images.
        scale: Least and largest share of the area, drawn uniformly.
        ratio: Least and largest width over height, drawn uniformly in its logarithm.
        flip: Chance of a flip.
        generator: Source of randomness.
    """
    B, _, H, W = shape
    device = device_of(generator)

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=generator, device=device)

    area = H * W * uniform(scale[0], scale[1], B, _ATTEMPTS)
    aspect = uniform(math.log(ratio[0]), math.log(ratio[1]), B, _ATTEMPTS).exp()
    width, height = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
    fits = (width > 0) & (width <= W) & (height > 0) & (height <= H)  # (B, attempts)
    first = fits.int().argmax(dim=1, keepdim=True)
    centre_h, centre_w = _largest(H, W, ratio=ratio)
    found = fits.any(dim=1)
    height = torch.where(found, height.gather(1, first)[:, 0], centre_h)  # (B,)
    width = torch.where(found, width.gather(1, first)[:, 0], centre_w)
    top = torch.where(found, (uniform(0, 1, B) * (H - height + 1)).long(), (H - centre_h) // 2)
    left = torch.where(found, (uniform(0, 1, B) * (W - width + 1)).long(), (W - centre_w) // 2)
    return Crops(boxes=torch.stack([top, left, height, width], dim=1), flips=uniform(0, 1, B) < flip)


def crop_and_resize(
    images: Tensor, crops: Crops, *, size: int | Sequence[int], mode: Literal["bilinear", "bicubic"] = "bilinear"
) -> Tensor:
    """Images ``(B, C, H, W)`` cut, resized (antialiased where they shrink) and mirrored.

    Sample by sample, which is faster on a CPU than one resampling of the batch, and torchvision's arithmetic exactly.
    Of uint8 whole numbers come out, as of Pillow; on a CPU that is several times as fast as floats.

    Args:
        images: ``(B, C, H, W)``, float or uint8.
        crops: Where, and which are mirrored.
        size: Height and width of what comes out; one integer is a square.
        mode: Of the resizing; ``bicubic`` overshoots at edges.

    Returns:
        ``(B, C, *size)``.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    out = images.new_empty(*images.shape[:2], rows, columns)
    for image, box, flip, target in zip(images, crops.boxes.tolist(), crops.flips.tolist(), out, strict=True):
        top, left, height, width = box
        part = image[None, :, top : top + height, left : left + width]
        if image.dtype == torch.uint8:
            part = part.contiguous(memory_format=torch.channels_last)  # torch's fast kernels want it so
        # Where nothing shrinks, antialiasing changes nothing of the linear kernel, but the cubic one is another.
        smooth = mode == "bicubic" or height > rows or width > columns
        part = F.interpolate(part, size=(rows, columns), mode=mode, align_corners=False, antialias=smooth)[0]
        target.copy_(part.flip(-1) if flip else part)
    return out


def _largest(height: int, width: int, *, ratio: Sequence[float]) -> tuple[int, int]:
    """Height and width of the largest box whose width over height lies within ``ratio``."""
    if width < ratio[0] * height:
        return round(width / ratio[0]), width
    if width > ratio[1] * height:
        return height, round(height * ratio[1])
    return height, width
