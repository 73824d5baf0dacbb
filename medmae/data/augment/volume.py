"""Augmentation of pre-training on volumes, on whole batches in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.data.augment.draws import (
    TENTHS_AROUND_ONE,
    check_shares,
    checked_factors,
    device_of,
    draw_factors,
    draw_turns,
)
from medmae.data.augment.geometric import flip_and_turn
from medmae.data.augment.photometric import adjust_brightness, adjust_contrast


@dataclass(frozen=True, kw_only=True)
class VolumeAugmentParams:
    """What chance decides for a batch of volumes: flips (B, 3) bool, quarter turns (B,), two factors (B,) each."""

    flips: Tensor
    turns: Tensor
    brightness: Tensor
    contrast: Tensor


class VolumeAugment:
    """The part of the recipe that has a meaning in 3-d, ours: flips, in-plane turns, brightness, contrast.

    Args:
        flip: Chance of a flip, for each of the axes (D, H, W).
        rotate: Whether to turn by quarters in the plane (H, W) (by halves where it is not square).
        brightness: Factors, one of which is drawn for each sample.
        contrast: Likewise; around the mean of the whole volume.
    """

    def __init__(
        self,
        *,
        flip: Sequence[float] = (0.5, 0.5, 0.5),
        rotate: bool = True,
        brightness: Sequence[float] = TENTHS_AROUND_ONE,
        contrast: Sequence[float] = TENTHS_AROUND_ONE,
    ) -> None:
        if len(flip) != 3:
            raise ValueError(f"flip needs a chance for each of the axes D, H, W, got {flip}")
        check_shares({f"flip[{axis}]": share for axis, share in enumerate(flip)})
        self.flip, self.rotate = torch.tensor(list(flip)), rotate
        self.brightness = checked_factors("brightness", brightness)
        self.contrast = checked_factors("contrast", contrast)

    def __call__(self, volumes: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """``(B, C, D, H, W)`` in [0, 1] -> the same shape, in [0, 1]."""
        return self.apply(volumes, self.draw(volumes.shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> VolumeAugmentParams:
        """Everything random about a batch of this shape ``(B, C, D, H, W)``."""
        if len(shape) != 5:
            raise ValueError(f"volumes are (B, C, D, H, W), got {tuple(shape)}; images are for MRPretrainAugment")
        B, device = shape[0], device_of(generator)
        turns = draw_turns(B, square=shape[-1] == shape[-2], generator=generator)
        return VolumeAugmentParams(
            flips=torch.rand((B, 3), generator=generator, device=device) < self.flip.to(device),
            turns=turns if self.rotate else torch.zeros_like(turns),
            brightness=draw_factors(self.brightness, B, generator=generator),
            contrast=draw_factors(self.contrast, B, generator=generator),
        )

    def apply(self, volumes: Tensor, params: VolumeAugmentParams) -> Tensor:
        """A pure function of its arguments; ``volumes`` are left as they are."""
        out = flip_and_turn(volumes, flips=params.flips, turns=params.turns).mul_(255)
        out = adjust_brightness(out, params.brightness, levels=False)
        return adjust_contrast(out, params.contrast, levels=False).div_(255)

    def move(self, maps: Tensor, params: VolumeAugmentParams) -> Tensor:
        """The geometric part alone, for what lies beside the volumes: maps ``(B, C, D, H, W)`` of any dtype."""
        return flip_and_turn(maps, flips=params.flips, turns=params.turns)
