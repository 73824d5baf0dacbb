"""Two views of an image that lie a few pixels apart: what CMAE contrasts (Huang et al., TPAMI 2023, arXiv 2207.13532).

Both are windows of one random resized crop, the master. The online view is its top left corner and keeps its colours,
because it is also what is to be rebuilt; the target view lies at a random offset, and its colours change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.data.augment.colour_jitter import ColourJitter, ColourJitterParams
from medmae.data.augment.draws import check_shares, device_of
from medmae.data.augment.geometric import flip_and_turn
from medmae.data.augment.resized_crops import Crops, crop_and_resize, draw_crops

_PUBLISHED_JITTER = ColourJitter()


@dataclass(frozen=True, kw_only=True)
class PixelShiftParams:
    """All that chance decides for one batch.

    Args:
        crops: Of the masters; None where images are masters themselves.
        target_crops: The same, unless the crops of the two views are independent.
        flips: (B,) bool: along the last axis, of masters that are not cropped.
        shifts: (B, axes) int64: offset of the target view.
        online: Colours of the online view, or None.
        target: Colours of the target view, or None.
    """

    crops: Crops | None
    target_crops: Crops | None
    flips: Tensor
    shifts: Tensor
    online: ColourJitterParams | None
    target: ColourJitterParams | None


class PixelShiftViews:
    """``augment(batch, generator=...)``: ``image`` becomes the online view, ``target_view`` is added beside it.

    Images are ``(B, C, *size)``, uint8 or float in [0, 1]; what else the batch holds is passed on.

    Args:
        size: Extent of the views along each axis; an integer means square images.
        max_shift: Largest offset of the target view along each axis, in pixels; every one from 0 on is as likely.
        master: Extent of the master along each axis; None is size + max_shift + 1, as the published 256.
        scale: Least and largest share of the area that becomes the master. None crops nothing: images (or volumes) are
            masters as they come, and must have room for the shift.
        ratio: Least and largest width over height of the crop.
        flip: Chance of a flip along the last axis, of both views.
        online: Changes of the online view's colours; none in the published recipe, where they harm (ablation).
        target: Changes of the target view's colours; for images that are not RGB without saturation, hue and grey.
        independent: Crops the two views independently instead of shifting one; for comparison, it harms.

    >>> batch = {"image": torch.rand(2, 3, 48, 40)}
    >>> views = PixelShiftViews(size=(32, 24), max_shift=4)(batch, generator=torch.Generator().manual_seed(0))
    >>> views["image"].shape == views["target_view"].shape
    True
    """

    def __init__(
        self,
        *,
        size: int | Sequence[int] = 224,
        max_shift: int = 31,
        master: int | Sequence[int] | None = None,
        scale: Sequence[float] | None = (0.2, 1.0),
        ratio: Sequence[float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        online: ColourJitter | None = None,
        target: ColourJitter | None = _PUBLISHED_JITTER,
        independent: bool = False,
    ) -> None:
        self.size = [size, size] if isinstance(size, int) else list(size)
        room = [extent + max_shift + 1 for extent in self.size]
        self.master = room if master is None else [master] * len(room) if isinstance(master, int) else list(master)
        self.scale, self.ratio = None if scale is None else list(scale), list(ratio)
        self.max_shift, self.flip, self.independent = max_shift, flip, independent
        self.online, self.target = online, target
        self._check()

    def __call__(self, batch: Mapping[str, Tensor], *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A new batch; the one given is left as it is.

        Raises:
            ValueError: If samples are padded, have no room for the shift, or their axes are not those of ``size``.
        """
        if "real" in batch:
            raise ValueError('samples are padded (the batch has "real"), and views of padding compare nothing')
        return self.apply(batch, self.draw(batch["image"].shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> PixelShiftParams:
        """Everything random about images of this shape ``(B, C, *size)``; on the generator's device."""
        self._check_shape(shape)
        B, device = shape[0], device_of(generator)
        crops = self._crops(shape, generator)
        return PixelShiftParams(
            crops=crops,
            target_crops=self._crops(shape, generator) if self.independent else crops,
            flips=torch.rand(B, generator=generator, device=device) < self.flip,
            shifts=torch.randint(self.max_shift + 1, (B, len(self.size)), generator=generator, device=device),
            online=None if self.online is None else self.online.draw(B, generator=generator),
            target=None if self.target is None else self.target.draw(B, generator=generator),
        )

    def apply(self, batch: Mapping[str, Tensor], params: PixelShiftParams) -> dict[str, Tensor]:
        """A pure function of its arguments."""
        images = batch["image"].float().div(255) if batch["image"].dtype == torch.uint8 else batch["image"]
        master = other = self._master(images, params.crops, params.flips)
        if params.target_crops is not params.crops:
            other = self._master(images, params.target_crops, params.flips)
        image = self._window(master, torch.zeros_like(params.shifts))
        view = self._window(other, params.shifts)
        if self.online is not None and params.online is not None:
            image = self.online.apply(image, params.online)
        if self.target is not None and params.target is not None:
            view = self.target.apply(view, params.target)
        return {**batch, "image": image, "target_view": view}

    def _crops(self, shape: Sequence[int], generator: torch.Generator | None) -> Crops | None:
        if self.scale is None:
            return None
        return draw_crops(shape, scale=self.scale, ratio=self.ratio, flip=self.flip, generator=generator)

    def _master(self, images: Tensor, crops: Crops | None, flips: Tensor) -> Tensor:
        """``(B, C, *master)``, or as large as the images are."""
        if crops is not None:  # which are flipped, too
            return crop_and_resize(images, crops, size=self.master, mode="bicubic").clamp_(0, 1)  # it overshoots
        last = torch.zeros(len(images), len(self.size), dtype=torch.bool)
        last[:, -1] = flips.cpu()
        return flip_and_turn(images, flips=last, turns=torch.zeros(len(images), dtype=torch.long))

    def _window(self, master: Tensor, shifts: Tensor) -> Tensor:
        """Each sample's part of the wanted size that begins at its shift ``(B, axes)``: ``(B, C, *size)``."""
        out = master.new_empty(*master.shape[:2], *self.size)
        for sample, shift, part in zip(master, shifts.tolist(), out, strict=True):
            part.copy_(sample[:, *(slice(a, a + extent) for a, extent in zip(shift, self.size, strict=True))])
        return out

    def _check(self) -> None:
        check_shares({"flip": self.flip} | ({} if self.scale is None else {"the largest scale": self.scale[1]}))
        if min(self.size) < 1 or self.max_shift < 0:
            raise ValueError(f"size must be positive and max_shift not negative, got {self.size}, {self.max_shift}")
        least = [extent + self.max_shift for extent in self.size]
        if len(self.master) != len(least) or any(m < n for m, n in zip(self.master, least, strict=False)):
            raise ValueError(
                f"a master of {self.master} has no room for views of {self.size} shifted by {self.max_shift}"
            )
        if self.scale is None and self.independent:
            raise ValueError("independent=True is about crops, and scale=None crops nothing")
        if self.scale is not None and (len(self.size) != 2 or not 0 < self.scale[0] <= self.scale[1]):
            raise ValueError(
                f"scale is the least and the largest share of an image, got {self.scale} for views of {self.size}; "
                "None is for volumes, and for images that are cut already"
            )
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio must be in order, got {self.ratio}")

    def _check_shape(self, shape: Sequence[int]) -> None:
        least = [extent + self.max_shift for extent in self.size]
        if len(shape) != len(least) + 2:
            raise ValueError(f"views of {self.size} are of images (B, C, {len(least)} axes), got {tuple(shape)}")
        if self.scale is None and any(have < need for have, need in zip(shape[2:], least, strict=True)):
            raise ValueError(
                f"images of {tuple(shape[2:])} have no room for views of {self.size} and a shift of up to "
                f"{self.max_shift} pixels: read larger ones, or shift less"
            )
