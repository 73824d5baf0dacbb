"""Augmentation of images of any number of channels, on whole batches: crops and flips, and changes of colour.

The defaults are MAE's pre-training: a random resized crop of 0.2 to 1 of the area, bicubic, and a flip; nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.data.augment.colour_jitter import ColourJitter, ColourJitterParams
from medmae.data.augment.draws import check_shares
from medmae.data.augment.resized_crops import Crops, crop_and_resize, draw_crops
from medmae.errors import check_choice

Mode = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, kw_only=True)
class ImageAugmentParams:
    """All that chance decides for one batch.

    Args:
        crops: Where each sample is cut, and whether it is mirrored.
        colours: Of the changes of colour, or None.
    """

    crops: Crops
    colours: ColourJitterParams | None


class ImageAugment:
    """``augment(images, generator=...)``: ``(B, C, H, W)``, uint8 or float in [0, 1] -> float32 in [0, 1].

    Bytes are resized as bytes, as Pillow does it, which is several times as fast as floats.

    Args:
        size: Height and width of what comes out; one integer is a square.
        scale: Least and largest share of the area.
        ratio: Least and largest width over height.
        flip: Chance of a left-right flip; 0 where left and right differ, as in radiographs of the chest.
        mode: Of the resizing.
        colours: Jitter, grey and blur; None changes none.

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
        colours: ColourJitter | None = None,
    ) -> None:
        check_choice(mode, get_args(Mode), name="mode")
        check_shares({"flip": flip, "the largest scale": scale[1]})
        self.size = [size, size] if isinstance(size, int) else list(size)
        if min(self.size) < 1 or not 0 < scale[0] <= scale[1] or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"size, scale and ratio must be positive and in order, got {size}, {scale}, {ratio}")
        self.scale, self.ratio, self.flip, self.mode = list(scale), list(ratio), flip, mode
        self.colours = colours

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """A new batch; the one given is left as it is."""
        return self.apply(images, self.draw(images.shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> ImageAugmentParams:
        """Everything random about images of this shape ``(B, C, H, W)``; on the generator's device."""
        crops = draw_crops(shape, scale=self.scale, ratio=self.ratio, flip=self.flip, generator=generator)
        colours = None if self.colours is None else self.colours.draw(shape[0], generator=generator)
        return ImageAugmentParams(crops=crops, colours=colours)

    def apply(self, images: Tensor, params: ImageAugmentParams) -> Tensor:
        """A pure function of its arguments."""
        out = crop_and_resize(images, params.crops, size=self.size, mode=self.mode)
        out = out.float().div_(255) if out.dtype == torch.uint8 else out.clamp_(0, 1)  # of floats bicubic overshoots
        if self.colours is None or params.colours is None:
            return out
        return self.colours.apply(out, params.colours)


@dataclass(frozen=True, kw_only=True)
class BatchImageAugment:
    """``augment(batch, generator=...)``: the ``image`` of a batch augmented, what else it holds passed on.

    Args:
        image: Of the images.
    """

    image: ImageAugment

    def __call__(self, batch: Mapping[str, Tensor], *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A new batch; the one given is left as it is."""
        return {**batch, "image": self.image(batch["image"], generator=generator)}
