"""Augmentation of Edge-MAE's pre-training, on whole batches of images in [0, 1].

The order and the figures are those of the published code (Li et al., TMI 2023, doi 10.1109/TMI.2023.3288001): flip,
quarter turn, Gaussian noise, salt and pepper, 8 bits, brightness, contrast, sharpness. Two deliberate deviations:
values are clipped before the cast to 8 bits (the reference wraps, and so turns noise into white dots), and the colour
step, which changes nothing in grey images, is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medmae.data.augment.draws import (
    TENTHS_AROUND_ONE,
    TENTHS_TO_THREE,
    check_shares,
    checked_factors,
    device_of,
    draw_factors,
    draw_flips,
    draw_turns,
)
from medmae.data.augment.geometric import flip_and_turn
from medmae.data.augment.photometric import adjust_brightness, adjust_contrast, adjust_sharpness, to_levels


@dataclass(frozen=True, kw_only=True)
class AugmentParams:
    """All that chance decides for one batch.

    Args:
        flips: (B, 2) bool: up-down, left-right; at most one of them.
        turns: (B,) quarter turns.
        noisy: (n,) samples that get noise.
        noise: (n, C, H, W) to be added to them.
        specked: (m,) samples that get salt and pepper.
        specks: (m, C, k) pixels as positions in H * W, all different.
        salt: (m, C, k): 1 for salt, 0 for pepper.
        brightness: (B,) factors.
        contrast: (B,) factors.
        sharpness: (B,) factors.
    """

    flips: Tensor
    turns: Tensor
    noisy: Tensor
    noise: Tensor
    specked: Tensor
    specks: Tensor
    salt: Tensor
    brightness: Tensor
    contrast: Tensor
    sharpness: Tensor


class MRPretrainAugment:
    """``augment(images, generator=...)``: draws parameters, then applies them. Shape stays, values stay in [0, 1].

    Args:
        flip: Chance of a flip; up-down and left-right share it.
        rotate: Whether to turn by quarters (by halves where images are not square).
        noise: Chance of Gaussian noise.
        noise_mean: Its mean.
        noise_std: Its standard deviation.
        salt_and_pepper: Chance of white and black pixels.
        salt_and_pepper_fraction: How many, as a share of H * W, cut off to a whole number.
        brightness: Factors, one of which is drawn for each sample.
        contrast: Likewise.
        sharpness: Likewise.

    >>> images = torch.rand(2, 1, 32, 32)
    >>> MRPretrainAugment()(images, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        *,
        flip: float = 2 / 3,
        rotate: bool = True,
        noise: float = 0.25,
        noise_mean: float = 0.002,
        noise_std: float = 0.002,
        salt_and_pepper: float = 0.25,
        salt_and_pepper_fraction: float = 0.0015,
        brightness: Sequence[float] = TENTHS_AROUND_ONE,
        contrast: Sequence[float] = TENTHS_AROUND_ONE,
        sharpness: Sequence[float] = TENTHS_TO_THREE,
    ) -> None:
        shares = {"flip": flip, "noise": noise, "salt_and_pepper": salt_and_pepper}
        check_shares(shares | {"salt_and_pepper_fraction": salt_and_pepper_fraction})
        if noise_std < 0:
            raise ValueError(f"noise_std must not be negative, got {noise_std}")
        self.flip, self.rotate, self.noise, self.salt_and_pepper = flip, rotate, noise, salt_and_pepper
        self.noise_mean, self.noise_std, self.fraction = noise_mean, noise_std, salt_and_pepper_fraction
        self.brightness = checked_factors("brightness", brightness)
        self.contrast = checked_factors("contrast", contrast)
        self.sharpness = checked_factors("sharpness", sharpness)

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """``(B, C, H, W)`` in [0, 1] -> the same shape, in steps of 1 / 255."""
        return self.apply(images, self.draw(images.shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> AugmentParams:
        """Everything random about a batch of this shape ``(B, C, H, W)``; on the generator's device."""
        B, C, H, W = _checked_shape(shape)
        device = device_of(generator)

        def rand(*size: int) -> Tensor:
            return torch.rand(size, generator=generator, device=device)

        flips = draw_flips(B, chance=self.flip, generator=generator)
        turns = draw_turns(B, square=H == W, generator=generator)
        noisy = (rand(B) < self.noise).nonzero().flatten()
        specked = (rand(B) < self.salt_and_pepper).nonzero().flatten()
        gauss = torch.randn((len(noisy), C, H, W), generator=generator, device=device)
        specks = rand(len(specked), C, H * W).topk(int(self.fraction * H * W), dim=-1).indices
        return AugmentParams(
            flips=flips,
            turns=turns if self.rotate else torch.zeros_like(turns),
            noisy=noisy,
            noise=gauss.mul_(self.noise_std).add_(self.noise_mean),
            specked=specked,
            specks=specks,
            salt=(rand(*specks.shape) < 0.5).float(),
            brightness=draw_factors(self.brightness, B, generator=generator),
            contrast=draw_factors(self.contrast, B, generator=generator),
            sharpness=draw_factors(self.sharpness, B, generator=generator),
        )

    def apply(self, images: Tensor, params: AugmentParams) -> Tensor:
        """A pure function of its arguments; ``images`` are left as they are."""
        _checked_shape(images.shape)
        out = flip_and_turn(images, flips=params.flips, turns=params.turns)  # (B, C, H, W), ours to write on
        noisy, specked = params.noisy.to(out.device), params.specked.to(out.device)
        out.index_add_(0, noisy, params.noise.to(out))
        if params.specks.numel():
            flat = out.flatten(2)  # (B, C, H * W)
            flat[specked] = flat[specked].scatter(2, params.specks.to(out.device), params.salt.to(out))
        out = to_levels(out)
        out = adjust_brightness(out, params.brightness, levels=True)
        out = adjust_contrast(out, params.contrast, levels=True)
        return adjust_sharpness(out, params.sharpness, levels=True).div_(255)


def _checked_shape(shape: Sequence[int]) -> tuple[int, int, int, int]:
    if len(shape) != 4:
        raise ValueError(f"images are (B, C, H, W), got {tuple(shape)}; volumes are for VolumeAugment")
    B, C, H, W = shape
    return B, C, H, W
