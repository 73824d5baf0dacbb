"""Who takes part in ``benchmarks/image_methods.py``: four methods over one encoder, and what their papers ablate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from image_sets import GRID, ImageSet
from race import Augment
from torch import Tensor

from medmae.data.augment.colour_jitter import ColourJitter
from medmae.data.augment.image import ImageAugment
from medmae.data.augment.pixel_shift import PixelShiftViews
from medmae.methods.base import Batch, MaskedMethod
from medmae.methods.bootmae import BootMAE
from medmae.methods.cmae import CMAE
from medmae.methods.mae import MAE
from medmae.methods.saim import SAIM

ENCODER = {"embed_dim": 128, "depth": 6, "num_heads": 4}
_MAE = {"decoder_dim": 96, "decoder_depth": 4, "decoder_heads": 4}
# Momenta are for hundreds of steps, where the published ones are for hundreds of thousands.
_BOOTMAE = {"decoder_dim": 96, "momentum": (0.98, 0.99, 0.99)}
_CMAE = {**_MAE, "projector_dim": 256, "projection_dim": 64, "momentum": 0.99, "last_momentum": 0.99}
_SAIM = {"query_depth": 6}


@dataclass(frozen=True)
class Entry:
    """A method, and what happens to its batches."""

    method: MaskedMethod
    augment: Augment


@dataclass(frozen=True)
class Kind:
    """How a contestant is made.

    Attributes:
        method: Its class.
        options: Of the class, beside the encoder's.
        views: Options of the two views; None has one view, cropped and flipped.
    """

    method: Callable[..., MaskedMethod]
    options: Mapping[str, Any]
    views: Mapping[str, Any] | None = None


CONTESTANTS = {
    "mae": Kind(MAE, _MAE),
    "bootmae": Kind(BootMAE, _BOOTMAE),
    "cmae": Kind(CMAE, _CMAE, {}),
    "saim": Kind(SAIM, _SAIM),
    "mae_hide_50": Kind(MAE, {**_MAE, "mask_ratio": 0.5}),
    "mae_hide_90": Kind(MAE, {**_MAE, "mask_ratio": 0.9}),
    "mae_raw_target": Kind(MAE, {**_MAE, "target_norm": None}),
    "mae_1_decoder_block": Kind(MAE, {**_MAE, "decoder_depth": 1}),
    "bootmae_pixels_only": Kind(BootMAE, {**_BOOTMAE, "feature_weight": 0.0}),
    "cmae_no_shift": Kind(CMAE, _CMAE, {"max_shift": 0}),
    "cmae_separate_crops": Kind(CMAE, _CMAE, {"independent": True}),
    "saim_raster": Kind(SAIM, {**_SAIM, "order": "raster"}),
}


def build(name: str, images: ImageSet, *, seed: int) -> Entry:
    """A contestant for these images; weights go by the seed, and the encoder is alike for all of a method."""
    kind, size, channels = CONTESTANTS[name], images.size, images.pool.shape[1]
    torch.manual_seed(seed)
    sizes = {"image_size": size, "patch_size": size // GRID, "in_channels": channels}
    method = kind.method(**sizes, **ENCODER, **kind.options)
    if kind.views is None:
        return Entry(method, _OneView(ImageAugment(size=size, mode="bilinear")))
    jitter = ColourJitter() if channels == 3 else ColourJitter(saturation=0.0, hue=0.0, grey=0.0)
    # 31 of 224 pixels, as published.
    views = PixelShiftViews(**{"size": size, "max_shift": round(31 / 224 * size), "target": jitter, **kind.views})
    return Entry(method, views)


class _OneView:
    """``augment(batch, generator=...)`` of an image alone."""

    def __init__(self, augment: ImageAugment) -> None:
        self._augment = augment

    def __call__(self, batch: Batch, *, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return {"image": self._augment(batch["image"], generator=generator)}
