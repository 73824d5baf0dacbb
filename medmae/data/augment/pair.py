"""Augmentation of SLMT-Net's fine-tuning, on whole batches of pairs in [0, 1].

The figures are those of the published code (Li et al., TMI 2023, doi 10.1109/TMI.2023.3288001): flips and quarter turns
move source and target together; only the source is cut to 8 bits and changed in brightness, contrast and sharpness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from medmae.data.augment.draws import check_shares, checked_factors, draw_factors, draw_flips, draw_some_turns
from medmae.data.augment.geometric import flip_and_turn
from medmae.data.augment.photometric import adjust_brightness, adjust_contrast, adjust_sharpness, to_levels
from medmae.errors import check_choice

Photometric = Literal["source", "all", "none"]
_TENTHS = tuple(tenth / 10 for tenth in range(14))
_MOVED = ("image", "target", "lesion", "real")  # what lies on the same grid, and so moves together


@dataclass(frozen=True, kw_only=True)
class PairAugmentParams:
    """All that chance decides for one batch.

    Args:
        flips: (B, 2) bool: up-down, left-right; at most one of them.
        turns: (B,) quarter turns.
        brightness: (B,) factors.
        contrast: (B,) factors.
        sharpness: (B,) factors.
    """

    flips: Tensor
    turns: Tensor
    brightness: Tensor
    contrast: Tensor
    sharpness: Tensor


class PairAugment:
    """``augment(batch, generator=...)``: draws parameters, then applies them. Shapes stay, values stay in [0, 1].

    The batch holds ``image`` ``(B, C, *size)`` and, for pairs, ``target``; what else it holds is passed on. Volumes are
    flipped and turned in the plane of their last two axes, as slices are.

    Args:
        flip: Chance of a flip; up-down and left-right share it.
        turn: Chance of a turn by one, two or three quarters (by two where images are not square).
        brightness: Factors, one of which is drawn for each sample.
        contrast: Likewise.
        sharpness: Likewise.
        photometric: What is cut to 8 bits and gets those factors: ``source`` the image of a pair; ``all`` every channel
            of a stack, in which an image is source and target at once; ``none`` nothing.

    >>> pair = {"image": torch.rand(2, 1, 32, 32), "target": torch.rand(2, 1, 32, 32)}
    >>> PairAugment()(pair, generator=torch.Generator().manual_seed(0))["target"].shape
    torch.Size([2, 1, 32, 32])
    """

    def __init__(
        self,
        *,
        flip: float = 2 / 3,
        turn: float = 0.5,
        brightness: Sequence[float] = _TENTHS[7:14],
        contrast: Sequence[float] = _TENTHS[4:12],
        sharpness: Sequence[float] = _TENTHS[7:14],
        photometric: Photometric = "source",
    ) -> None:
        check_shares({"flip": flip, "turn": turn})
        check_choice(photometric, get_args(Photometric), name="photometric")
        self.flip, self.turn, self.photometric = flip, turn, photometric
        self.brightness = checked_factors("brightness", brightness)
        self.contrast = checked_factors("contrast", contrast)
        self.sharpness = checked_factors("sharpness", sharpness)

    def __call__(self, batch: Mapping[str, Tensor], *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """A new batch; the one given is left as it is."""
        return self.apply(batch, self.draw(batch["image"].shape, generator=generator))

    def draw(self, shape: Sequence[int], *, generator: torch.Generator | None = None) -> PairAugmentParams:
        """Everything random about images of this shape ``(B, C, *size)``; on the generator's device."""
        if len(shape) not in (4, 5):
            raise ValueError(f"images are (B, C, H, W) or (B, C, D, H, W), got {tuple(shape)}")
        B, square = shape[0], shape[-1] == shape[-2]
        return PairAugmentParams(
            flips=draw_flips(B, chance=self.flip, generator=generator),
            turns=draw_some_turns(B, chance=self.turn, square=square, generator=generator),
            brightness=draw_factors(self.brightness, B, generator=generator),
            contrast=draw_factors(self.contrast, B, generator=generator),
            sharpness=draw_factors(self.sharpness, B, generator=generator),
        )

    def apply(self, batch: Mapping[str, Tensor], params: PairAugmentParams) -> dict[str, Tensor]:
        """A pure function of its arguments.

        Raises:
            ValueError: If image and target differ in size, or ``photometric`` asks for the source of a batch without
                target, or for all of one with a target.
        """
        image = batch["image"]
        if "target" in batch and batch["target"].shape[2:] != image.shape[2:]:
            raise ValueError(f"image and target differ in size: {image.shape[2:]} and {batch['target'].shape[2:]}")
        if self.photometric != "none" and ("target" in batch) != (self.photometric == "source"):
            raise ValueError(
                f"photometric='source' is for pairs and 'all' for stacks, got {self.photometric!r} and {sorted(batch)}"
            )
        still = params.flips.new_zeros(len(image), image.ndim - 4)  # axes before the plane
        flips = torch.cat([still, params.flips], dim=1)
        moved = {name: flip_and_turn(batch[name], flips=flips, turns=params.turns) for name in _MOVED if name in batch}
        if self.photometric != "none":
            moved["image"] = self._changed(moved["image"], params)
        return {**batch, **moved}

    @staticmethod
    def _changed(image: Tensor, params: PairAugmentParams) -> Tensor:
        out = to_levels(image)
        out = adjust_brightness(out, params.brightness, levels=True)
        out = adjust_contrast(out, params.contrast, levels=True)
        return adjust_sharpness(out, params.sharpness, levels=True).div_(255)
