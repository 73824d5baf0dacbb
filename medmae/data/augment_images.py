"""Augmentation of images of any number of channels, on whole batches: crops and flips, and changes of colour.

The defaults are MAE's pre-training: a random resized crop of 0.2 to 1 of the area, bicubic, and a flip; nothing else.
Crops are torchvision's, sample by sample; colours are changed by kornia, the whole batch at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from torch import Tensor

from medmae.data.draws import check_shares, device_of
from medmae.data.resized_crops import Crops, crop_and_resize, draw_crops
from medmae.errors import check_choice

Mode = Literal["bilinear", "bicubic"]
_SIGMA = (0.1, 2.0)  # of the blur, in pixels, as in SimCLR and BYOL


@dataclass(frozen=True, kw_only=True)
class ImageAugmentParams:
    """All that chance decides for one batch.

    Args:
        crops: Where each sample is cut, and whether it is mirrored.
        factors: (B, 3): of brightness, contrast, saturation.
        blurred: (n,) samples that are blurred.
        sigma: (n,) standard deviation of the blur in pixels.
    """

    crops: Crops
    factors: Tensor
    blurred: Tensor
    sigma: Tensor


class ImageAugment:
    """``augment(images, generator=...)``: ``(B, C, H, W)``, uint8 or float in [0, 1] -> float32 in [0, 1].

    Args:
        size: Height and width of what comes out; one integer is a square.
        scale: Least and largest share of the area.
        ratio: Least and largest width over height.
        flip: Chance of a left-right flip; 0 where left and right differ, as in radiographs of the chest.
        mode: Of the resizing.
        jitter: Brightness, contrast and (of three channels) saturation change by a factor of 1 - jitter to 1 + jitter.
        blur: Chance of a Gaussian blur.

    >>> images = torch.rand(2, 1, 48, 40)
    >>> ImageAugment(size=(32, 24))(images, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 32, 24])
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int] = 224,
        scale: Sequence[float] = (0.2, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        mode: Mode = "bicubic",
        jitter: float = 0.0,
        blur: float = 0.0,
    ) -> None:
        check_choice(mode, get_args(Mode), name="mode")
        check_shares({"flip": flip, "the largest scale": scale[1], "jitter": jitter, "blur": blur})
        self.size = [size, size] if isinstance(size, int) else list(size)
        if min(self.size) < 1 or not 0 < scale[0] <= scale[1] or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"size, scale and ratio must be positive and in order, got {size}, {scale}, {ratio}")
        self.scale, self.ratio, self.flip, self.mode = list(scale), list(ratio), flip, mode
        self.jitter, self.blur = jitter, blur

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A new batch; the one given is left as it is."""
        return self.apply(images, self.draw(images.shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> ImageAugmentParams:
        """Everything random about images of this shape ``(B, C, H, W)``; on the generator's device."""
        B, device = shape[0], device_of(generator)
        crops = draw_crops(shape, scale=self.scale, ratio=self.ratio, flip=self.flip, generator=generator)

        def rand(*size: int) -> Tensor:
            return torch.rand(size, generator=generator, device=device)

        factors = 1 + self.jitter * (2 * rand(B, 3) - 1)
        blurred = (rand(B) < self.blur).nonzero().flatten()
        sigma = _SIGMA[0] + (_SIGMA[1] - _SIGMA[0]) * rand(len(blurred))
        return ImageAugmentParams(crops=crops, factors=factors, blurred=blurred, sigma=sigma)

    def apply(self, images: Tensor, params: ImageAugmentParams) -> Tensor:
        """A pure function of its arguments."""
        images = images.float().div(255) if images.dtype == torch.uint8 else images
        out = crop_and_resize(images, params.crops, size=self.size, mode=self.mode)  # type: ignore[arg-type]
        out = out.clamp_(0, 1)  # bicubic overshoots
        if self.jitter:
            out = _jittered(out, params.factors.to(out))
        if len(params.blurred):
            chosen, sigma = params.blurred.to(out.device), params.sigma.to(out)
            width = 2 * int(2 * _SIGMA[1]) + 1
            blurred = gaussian_blur2d(out[chosen], (width, width), sigma.unsqueeze(1).expand(-1, 2))
            out = out.index_copy(0, chosen, blurred)
        return out


def _jittered(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness as a factor, contrast about the mean, saturation of colour images; cut off at 0 and 1."""
    brightness, contrast, saturation = factors.unbind(1)
    images = adjust_brightness_accumulative(images, brightness)
    images = adjust_contrast_with_mean_subtraction(images, contrast).clamp(0, 1)
    return adjust_saturation_with_gray_subtraction(images, saturation) if images.shape[1] == 3 else images
