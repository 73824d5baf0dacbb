"""Crops and flips that move all modalities of a tile together, and the range of their values, on whole batches.

Figures are those of wisdomikezogwo/MMAE_Pathology (a5716f5). There RGB is cropped by one draw, H and E by another, so
that tokens of one position show different places: ``geometry="reference_misaligned"`` does so, for comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.data.augment.draws import check_shares
from medmae.data.augment.resized_crops import Crops, crop_and_resize, draw_crops
from medmae.errors import check_choice

Geometry = Literal["shared", "reference_misaligned"]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class StainAugmentParams:
    """All that chance decides for one batch.

    Args:
        first: Of the first modality.
        others: Of the others; the same, unless they are misaligned on purpose.
    """

    first: Crops
    others: Crops


class StainAugment:
    """``augment(batch, generator=...)``: a random resized crop and a flip, one draw for all modalities of a sample.

    Modalities are float ``(B, C, H, W)`` of one size, in any scale of values; what else the batch holds is passed on.

    Args:
        size: Edge of what comes out, in pixels.
        scale: Least and largest share of the area.
        ratio: Least and largest width over height.
        flip: Chance of a left-right flip.
        geometry: ``shared``, or ``reference_misaligned``: one draw for the first modality, another for the others.
        modalities: Their names. Those that a batch lacks are passed over.

    >>> batch = {"rgb": torch.rand(2, 3, 32, 32), "h": torch.rand(2, 1, 32, 32), "e": torch.rand(2, 1, 32, 32)}
    >>> StainAugment(size=32)(batch, generator=torch.Generator().manual_seed(0))["h"].shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        *,
        size: int = 224,
        scale: Sequence[float] = (0.8, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        geometry: Geometry = "shared",
        modalities: Sequence[str] = ("rgb", "h", "e"),
    ) -> None:
        check_choice(geometry, get_args(Geometry), name="geometry")
        check_shares({"flip": flip, "the largest scale": scale[1]})
        if size < 1 or not 0 < scale[0] <= scale[1] or not 0 < ratio[0] <= ratio[1]:
            raise ValueError(f"size, scale and ratio must be positive and in order, got {size}, {scale}, {ratio}")
        self.size, self.scale, self.ratio, self.flip = size, list(scale), list(ratio), flip
        self.geometry, self.modalities = geometry, list(modalities)

    def __call__(self, batch: Batch, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A new batch; the one given is left as it is.

        Raises:
            ValueError: If modalities differ in size, or there is none.
        """
        sizes = {name: tuple(batch[name].shape[2:]) for name in self.modalities if name in batch}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"a batch needs {', '.join(self.modalities)}, or some of them, of one size, got {sizes}")
        return self.apply(batch, self.draw(batch[next(iter(sizes))].shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> StainAugmentParams:
        """Everything random about modalities of this shape ``(B, C, H, W)``; on the generator's device."""
        first = self._crops(shape, generator)
        others = first if self.geometry == "shared" else self._crops(shape, generator)
        return StainAugmentParams(first=first, others=others)

    def apply(self, batch: Batch, params: StainAugmentParams) -> dict[str, Tensor]:
        """A pure function of its arguments."""
        crops = dict.fromkeys(self.modalities[1:], params.others) | {self.modalities[0]: params.first}
        moved = {name: crop_and_resize(batch[name], crops[name], size=self.size) for name in crops if name in batch}
        return {**batch, **moved}

    def _crops(self, shape: Sequence[int], generator: torch.Generator | None) -> Crops:
        return draw_crops(shape, scale=self.scale, ratio=self.ratio, flip=self.flip, generator=generator)


def unit(images: Tensor) -> Tensor:
    """uint8 to float32 in [0, 1]; floats as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def standardised(images: Tensor) -> Tensor:
    """Each picture of ``(B, C, H, W)`` by mean and deviation of its pixels between the 10th and 90th percentile."""
    values = images.flatten(2).sort(dim=2).values  # (B, C, H W)
    count = values.shape[2]
    middle = values[:, :, int(0.1 * count) : max(int(0.9 * count), int(0.1 * count) + 1)]
    variance, mean = torch.var_mean(middle, dim=2, correction=0, keepdim=True)  # (B, C, 1)
    return (images - mean.unsqueeze(3)) / (variance.unsqueeze(3) + 1e-6).sqrt()
