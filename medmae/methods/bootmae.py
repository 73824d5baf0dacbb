"""BootMAE: regress the hidden pixels, and the features that a momentum copy of the encoder sees in the whole image.

Paper: X. Dong, J. Bao, T. Zhang, D. Chen, W. Zhang, L. Yuan, D. Chen, F. Wen, N. Yu, "Bootstrapped Masked Autoencoders
for Vision BERT Pretraining", ECCV 2022, arXiv 2207.07116. Reference: LightDXY/BootMAE (d604b18).

Each target has its own decoder, which reads features of the encoder by cross-attention: of an early block for pixels,
of the last for features. Deviations: any number of axes, channels and non-square sizes; the teacher is a copy of the
encoder alone; queries, keys and values have a bias (the reference's keys have none; softmax ignores it); last decoder
blocks, heads and losses run on hidden tokens only (same losses, exactly).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack, cast

import torch
from torch import Generator, Tensor, nn

from medmae.masking.base import Mask, Masks, Rounding
from medmae.masking.block import BlockMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PixelMethod
from medmae.methods.registry import register
from medmae.nn.deconvolution import PatchDeconvolution
from medmae.nn.ema import EMATeacher, ramped_momentum
from medmae.nn.heads import PatchHead
from medmae.nn.init import initialise_linears
from medmae.nn.injection import InjectionDecoder
from medmae.nn.positions import SinCos
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.objectives.edge import patchwise_weight
from medmae.objectives.momentum import normalised_mse
from medmae.objectives.pixel import TargetNorm, masked_mse

MOMENTUM_EPOCHS = (0, 100, 400)


def bootmae_base(**options: Any) -> BootMAE:
    """ViT-B/16, 224 px: 115,625,411 parameters as published, and 14,304 biases of keys; the teacher is not counted."""
    return BootMAE(**options)


def bootmae_large(**options: Any) -> BootMAE:
    """ViT-L/16, 224 px: 349,451,779 parameters as published; its momentum stays at 0.9999."""
    sizes = {"embed_dim": 1024, "depth": 24, "num_heads": 16, "momentum": (0.999, 0.9999, 0.9999)}
    return BootMAE(**{**sizes, **options})


def bootmae_small_images(**options: Any) -> BootMAE:
    """64 px in patches of 8, 6 blocks of width 192; a momentum for trainings of a few thousand steps (ours)."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6, "decoder_dim": 128}
    return BootMAE(**{**sizes, "momentum": (0.99, 0.999, 0.999), **options})


def bootmae_tiny(**options: Any) -> BootMAE:
    """32 px, for tests."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4, "decoder_dim": 32}
    return BootMAE(**{**sizes, **options})


@register(
    "bootmae",
    title="BootMAE",
    paper="Dong et al., Bootstrapped Masked Autoencoders for Vision BERT Pretraining, ECCV 2022, arXiv 2207.07116",
    presets={"tiny": bootmae_tiny, "base": bootmae_base, "large": bootmae_large, "small_images": bootmae_small_images},
)
class BootMAE(PixelMethod):
    """Masked autoencoder with a pixel and a feature branch, and a momentum teacher.

    Args:
        decoder_dim: Width of the pixel decoder; heads need not tile it.
        decoder_depth: Blocks of each decoder.
        mask_ratio: Share of patches hidden.
        block_share: Share of patches that :class:`BlockMasking` marks in blocks.
        rounding: How the ratio becomes a count.
        pixel_tap: Block whose output the pixel decoder reads, counted as a list is; None: no injection (ablation).
        feature_tap: The same of the feature decoder.
        centre_weighted: Weights both errors of a patch by how many of its neighbours are hidden.
        target_norm: Normalisation of the pixel target; None regresses raw pixels.
        feature_weight: Factor of the feature loss once its ramp has ended; 0 builds no teacher and no feature branch.
        momentum: Of the teacher at epochs 0, 100 and 400, linear between them, then constant.
        epochs: Of a whole training, in which both ramps are counted; a training of another length stretches them.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.EncoderSizes`. Both decoders have as many heads, and
            the feature decoder its width.

    Raises:
        ValueError: If a tap is no block, or sizes and shares do not fit.
    """

    no_weight_decay = frozenset({"cls_token"})

    def __init__(
        self,
        *,
        decoder_dim: int = 512,
        decoder_depth: int = 2,
        mask_ratio: float = 0.75,
        block_share: float = 120 / 196,
        rounding: Rounding = "truncate_visible",
        pixel_tap: int | None = 0,
        feature_tap: int | None = -1,
        centre_weighted: bool = True,
        target_norm: TargetNorm | None = TargetNorm(per_channel=True, unbiased=False, eps=1e-5),  # noqa: B008 - frozen
        feature_weight: float = 1.0,
        momentum: Sequence[float] = (0.999, 0.9999, 0.99999),
        epochs: int = 801,
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        self.encoder = MaskedViT(**sized(encoder), positions=SinCos("first_first"))
        initialise_linears(self.encoder, unpack=True)
        nn.init.zeros_(self.encoder.patch_embed.proj.bias)
        assert self.encoder.cls_token is not None
        nn.init.normal_(self.encoder.cls_token, std=1e-6)
        self.patches = self.encoder.patches
        self.masking = BlockMasking(
            grid=self.patches.grid, ratio=mask_ratio, block_share=block_share, rounding=rounding
        )
        self.pixel_decoder = InjectionDecoder(
            self.encoder, dim=decoder_dim, depth=decoder_depth, inject=pixel_tap is not None
        )
        table = self.encoder.positions.table(grid=self.patches.grid, dim=decoder_dim, prefix=1)
        self.pixel_pos_embed = nn.Parameter(table, requires_grad=False)
        self.pixel_head = PatchDeconvolution(
            dim=decoder_dim, channels=self.patches.channels, patch=self.patches.patch, norm_eps=self.encoder.norm_eps
        )
        self.teacher: EMATeacher | None = None
        if feature_weight:
            self.feature_decoder = InjectionDecoder(
                self.encoder, dim=self.encoder.dim, depth=decoder_depth, inject=feature_tap is not None
            )
            self.feature_head = PatchHead(
                dim=self.encoder.dim, num_values=self.encoder.dim, norm_eps=self.encoder.norm_eps
            )
            self.teacher = EMATeacher(student=self.encoder)
        self.pixel_tap, self.feature_tap = pixel_tap, feature_tap
        self.centre_weighted, self.target_norm = centre_weighted, target_norm
        depth = len(self.encoder.blocks)
        for tap in (pixel_tap, feature_tap):
            if tap is not None and not -depth <= tap < depth:
                raise ValueError(f"a tap must be one of the {depth} blocks, -{depth} to {depth - 1}, got {tap}")
        self.feature_weight, self.momentum, self.epochs = feature_weight, tuple(momentum), epochs

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"image": (B, C, *size)}``; see :meth:`Method.forward`."""
        rows, name = self.rows(batch), self.kind.name  # (B, N, P)
        mask = self.mask(batch, masks, generator=generator)
        prediction = self._decode(rows, mask)  # (B, M, P) and (B, M, D)
        weight = patchwise_weight(mask, grid=self.patches.grid) if self.centre_weighted else None  # (B, M)
        terms = {name: masked_mse(prediction[name], self.target(mask.hidden(rows)), weight=weight)}
        if self.teacher is not None:
            wanted = mask.hidden(self.teacher_features(rows))  # (B, M, D)
            loss = normalised_mse(prediction["feature"], wanted, weight=weight, eps=self.encoder.norm_eps)
            terms["feature"] = self.feature_weight_at(progress) * loss
        return StepOutput.of(terms=terms, prediction=prediction, masks={name: mask})

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """See :attr:`Method.teachers`."""
        return {} if self.teacher is None else {"teacher": self.teacher}

    def update_teacher(self, *, progress: float) -> None:
        """See :meth:`Method.update_teacher`."""
        momentum = self.momentum_at(progress)
        if self.teacher is not None and momentum is not None:
            self.teacher.update(self.encoder, momentum=momentum)

    def momentum_at(self, progress: float) -> float | None:
        """Share of itself that the teacher keeps in a step; set once an epoch."""
        return (
            None
            if self.teacher is None
            else ramped_momentum(self._epoch(progress), at=MOMENTUM_EPOCHS, values=self.momentum)
        )

    def feature_weight_at(self, progress: float) -> float:
        """Factor of the feature loss: in the first quarter of the epochs it grows, from one epoch to the next."""
        return self.feature_weight * min(4 * (1 + self._epoch(progress)) / self.epochs, 1.0)

    @torch.no_grad()
    def teacher_features(self, rows: Tensor) -> Tensor:
        """Last block of the teacher, before any norm, for every token of whole data ``(B, N, P)``: ``(B, N, D)``."""
        assert self.teacher is not None
        network = cast(MaskedViT, self.teacher.network)
        return network.forward_patches(rows, final_norm=False)[:, 1:]  # no class token

    def predict(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """Predictions for all tokens in raster order, ``(B, N, P)`` and ``(B, N, D)``; visible ones mean nothing."""
        return self._decode(self.rows(batch), mask, masked_only=False)

    def _epoch(self, progress: float) -> int:
        return min(int(progress * self.epochs + 1e-6), self.epochs - 1)  # 50 / 801 * 801 is a little below 50

    def _decode(self, rows: Tensor, mask: Mask, *, masked_only: bool = True) -> dict[str, Tensor]:
        _, *blocks, latent = self.encoder.forward_intermediates(rows, mask.visible)  # (B, 1 + V, D) each
        tapped = None if self.pixel_tap is None else blocks[self.pixel_tap]
        positions = self.pixel_pos_embed[:, 1:]  # (1, N, D')
        pixel = self.pixel_decoder(latent, tapped, mask, positions=positions, masked_only=masked_only)
        prediction = {self.kind.name: self.pixel_head(pixel)}
        if self.teacher is not None:
            tapped = None if self.feature_tap is None else blocks[self.feature_tap]
            positions = self.encoder.pos_embed[:, 1:]  # (1, N, D)
            feature = self.feature_decoder(latent, tapped, mask, positions=positions, masked_only=masked_only)
            prediction["feature"] = self.feature_head(feature)
        return prediction
