"""Mixup and CutMix of labelled batches, with the drawing apart from the applying."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from medmae.methods.base import entry
from medmae.objectives.mixing import beta_share


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Mixes each batch with itself in reverse order, by one share: timm's rule for whole batches.

    H. Zhang et al., "mixup", arXiv 1710.09412; S. Yun et al., "CutMix", arXiv 1905.04899. Where both are on, each batch
    gets one of them, as likely. (timm's own class draws from NumPy's global generator.)

    Args:
        mixup: Parameter of the Beta distribution of the share; 0 switches it off.
        cutmix: Likewise.
        smoothing: Share of each label that is spread over all classes.
    """

    mixup: float = 0.8
    cutmix: float = 1.0
    smoothing: float = 0.1

    def __call__(
        self, images: Tensor, labels: Tensor, *, num_classes: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Images ``(B, C, *size)`` and labels ``(B,)`` -> mixed images, and shares of the classes ``(B, K)``.

        Raises:
            ValueError: If the images are whole numbers: a share of bytes is no byte, and no scale suits what comes out.
        """
        if not images.is_floating_point():
            raise ValueError(f"images of {images.dtype} are not mixed: read them as float32")
        hard = F.one_hot(labels, num_classes).float()
        targets = hard * (1 - self.smoothing) + self.smoothing / num_classes
        cut = self.cutmix > 0 and (self.mixup == 0 or float(torch.rand((), generator=generator)) < 0.5)
        alpha = self.cutmix if cut else self.mixup
        if alpha == 0:
            return images, targets
        share = beta_share(alpha, generator)
        if cut:
            images, share = _cut(images, share, generator)
        else:
            images = share * images + (1 - share) * images.flip(0)
        return images, share * targets + (1 - share) * targets.flip(0)


@dataclass(frozen=True, kw_only=True)
class LabelledAugment:
    """``augment(batch, generator=...)`` for training on labels: moves the images, then mixes images and labels.

    Args:
        num_classes: K.
        name: Of the kind of data.
        augment: Of the images alone, such as :class:`medmae.data.augment.stain.StainAugment`; None leaves them.
        mixing: None leaves images and labels as they are.
    """

    num_classes: int
    name: str = "image"
    augment: Callable[..., Mapping[str, Tensor]] | None = None
    mixing: Mixing | None = Mixing()

    def __call__(self, batch: Mapping[str, Tensor], *, generator: torch.Generator) -> dict[str, Tensor]:
        """A batch with data of the name and ``label`` -> the same with ``target``, shares of the classes ``(B, K)``."""
        moved = dict(self.augment(batch, generator=generator) if self.augment is not None else batch)
        if self.mixing is None:
            return {**moved, "target": F.one_hot(moved["label"].long(), self.num_classes).float()}
        data, target = self.mixing(
            entry(moved, self.name), moved["label"].long(), num_classes=self.num_classes, generator=generator
        )
        return {**moved, self.name: data, "target": target}


def _cut(images: Tensor, share: float, generator: torch.Generator) -> tuple[Tensor, float]:
    """Pastes one rectangle over the last two axes of the reversed batch, the same at every depth, frame and channel.

    Its borders may lie outside, so that the true share is given back.
    """
    H, W = images.shape[-2:]
    half_h, half_w = (int(n * math.sqrt(1 - share)) // 2 for n in (H, W))
    y, x = (int(torch.randint(n, (), generator=generator)) for n in (H, W))
    top, bottom, left, right = max(y - half_h, 0), min(y + half_h, H), max(x - half_w, 0), min(x + half_w, W)
    rows, columns = slice(top, bottom), slice(left, right)
    mixed = images.clone()
    mixed[..., rows, columns] = images.flip(0)[..., rows, columns]
    return mixed, 1 - (bottom - top) * (right - left) / (H * W)
