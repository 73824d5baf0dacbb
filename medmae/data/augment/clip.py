"""Augmentation of single clips where they are read: what is drawn holds for all frames of a clip.

RandAugment is timm's (m7 n4 mstd0.5 inc1 in VideoMAE's fine-tuning), applied to the resized crop; random erasing is its
``pixel`` mode. A flip is off unless asked for: left and right differ in medical images, and in actions as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, log
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from medmae.data.augment.draws import check_shares

_ERASED = (0.02, 1 / 3)  # share of the area
_ASPECT = (0.3, 1 / 0.3)  # height over width of what is erased


@dataclass(frozen=True, kw_only=True)
class ClipAugment:
    """``augment(clip, rng)``: a clip ``(C, T, H, W)`` uint8 of one or three channels, changed alike in all frames.

    Args:
        flip: Chance of a left-right flip.
        operations: Of RandAugment, each applied with a chance of one half; 0 for none.
        magnitude: Of these, 0 to 10.
        spread: Standard deviation of the magnitude.
        erase: Chance that a box is filled with noise, as deep as the clip.

    Raises:
        ValueError: If a chance lies outside [0, 1], or a number is negative.
    """

    flip: float = 0.0
    operations: int = 0
    magnitude: float = 7.0
    spread: float = 0.5
    erase: float = 0.0

    def __post_init__(self) -> None:
        check_shares({"flip": self.flip, "erase": self.erase})
        if self.operations < 0 or self.spread < 0 or not 0 <= self.magnitude <= 10:
            raise ValueError(
                "operations and spread must be >= 0 and magnitude from 0 to 10, got "
                f"{self.operations}, {self.spread}, {self.magnitude}"
            )

    def __call__(self, clip: Tensor, rng: np.random.Generator) -> Tensor:
        """A new clip of the same shape."""
        if rng.random() < self.flip:
            clip = clip.flip(-1)
        if self.operations:
            clip = self._rand_augmented(clip, int(rng.integers(2**31)))
        if rng.random() < self.erase:
            clip = _erased(clip, rng)
        return clip

    def _rand_augmented(self, clip: Tensor, seed: int) -> Tensor:
        change = self._timm(grey=len(clip) == 1)
        frames = clip.permute(1, 2, 3, 0).numpy()  # (T, H, W, C)
        changed = []
        for frame in frames:
            image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame)
            with _seeded(seed):  # timm draws from the global generators: the same for each frame
                changed.append(np.asarray(change(image)).reshape(frame.shape))
        return torch.from_numpy(np.stack(changed)).permute(3, 0, 1, 2).contiguous()

    def _timm(self, *, grey: bool) -> Any:  # noqa: ANN401 - timm is untyped
        from timm.data.auto_augment import rand_augment_transform

        config = f"rand-m{self.magnitude:g}-n{self.operations}-mstd{self.spread:g}-inc1"
        fill = 128 if grey else (128, 128, 128)
        return rand_augment_transform(config, {"img_mean": fill, "interpolation": Image.Resampling.BICUBIC})


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Python's and NumPy's global generators from a seed, and afterwards as they were."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)


def _erased(clip: Tensor, rng: np.random.Generator) -> Tensor:
    C, T, H, W = clip.shape
    for _ in range(10):
        area = H * W * rng.uniform(*_ERASED)
        shape = exp(rng.uniform(log(_ASPECT[0]), log(_ASPECT[1])))
        height, width = round((area * shape) ** 0.5), round((area / shape) ** 0.5)
        if 0 < height < H and 0 < width < W:
            top, left = int(rng.integers(H - height + 1)), int(rng.integers(W - width + 1))
            clip = clip.clone()
            noise = rng.integers(0, 256, (C, T, height, width), dtype=np.uint8)
            clip[:, :, top : top + height, left : left + width] = torch.from_numpy(noise)
            return clip
    return clip
