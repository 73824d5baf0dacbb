"""CMAE: a masked autoencoder whose features must also tell its image from others, seen whole and slightly shifted.

Paper: Z. Huang, X. Jin, C. Lu, Q. Hou, M.-M. Cheng, D. Fu, X. Shen, J. Feng, "Contrastive Masked Autoencoders are
Stronger Vision Learners", IEEE TPAMI 2023, doi 10.1109/TPAMI.2023.3336525, arXiv 2207.13532.
Reference: ZhichengHuang/CMAE (e786a52), which hides 65 % in cells of 2 x 2 patches; so does this.

Deviations: any number of axes (signals, volumes), channels and non-square sizes; the feature decoder's width is the
encoder's, where the reference has P values and needs P = D; a batch without ``target_view`` contrasts an image with
itself; one sample alone is normalised by running statistics; the last block of the pixel decoder runs on hidden tokens
only (same loss, exactly). The two views are made beforehand, by ``medmae.data.augment.pixel_shift.PixelShiftViews``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import torch
from torch import Generator, Tensor, nn

from medmae.masking.base import Mask, Masks, Rounding
from medmae.masking.cells import CellMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PixelMethod
from medmae.methods.registry import register
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.ema import EMATeacher, cosine_momentum
from medmae.nn.heads import PatchHead
from medmae.nn.positions import SinCos
from medmae.nn.projector import FeatureDecoder, Projector
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.objectives.contrastive import info_nce
from medmae.objectives.pixel import TargetNorm, masked_mse


def cmae_base(**options: Any) -> CMAE:
    """ViT-B/16, 224 px: 208,845,824 parameters, of which 121,118,208 are trained."""
    return CMAE(**options)


def cmae_large(**options: Any) -> CMAE:
    """ViT-L/16, 224 px."""
    return CMAE(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **options})


def cmae_small_images(**options: Any) -> CMAE:
    """64 px in patches of 8, 6 blocks of width 192 (ours)."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6}
    decoders = {"decoder_dim": 128, "decoder_depth": 4, "decoder_heads": 4}
    return CMAE(**{**sizes, **decoders, "projector_dim": 384, "projection_dim": 64, **options})


def cmae_tiny(**options: Any) -> CMAE:
    """32 px, for tests."""
    sizes = {"image_size": 32, "patch_size": 4, "embed_dim": 48, "depth": 3, "num_heads": 4}
    decoders = {"decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 4}
    return CMAE(**{**sizes, **decoders, "projector_dim": 96, "projection_dim": 24, **options})


@register(
    "cmae",
    title="CMAE",
    paper="Huang et al., Contrastive Masked Autoencoders are Stronger Vision Learners, TPAMI 2023, arXiv 2207.13532",
    presets={"tiny": cmae_tiny, "base": cmae_base, "large": cmae_large, "small_images": cmae_small_images},
)
class CMAE(PixelMethod):
    """Online branch: masked encoder, pixel decoder, feature decoder. Target branch: their moving average, on all of it.

    Args:
        decoder_dim: Width of both decoders.
        decoder_depth: Blocks of the pixel decoder.
        decoder_heads: Heads of both decoders.
        feature_depth: Blocks of the feature decoder; 0 builds none and pools what is visible (ablation).
        projector_dim: Hidden width of projector and predictor.
        projection_dim: Width in which features are compared.
        mask_ratio: Share of cells hidden.
        mask_cell: Patches of a cell along each axis; 1 (and a ratio of 0.75) is what the paper's text describes.
        rounding: How the ratio becomes a count of cells.
        target_norm: Normalisation of the target patches; None regresses raw pixels.
        temperature: Of the contrast.
        image_weight: Factor of the image loss.
        contrast_weight: Factor of the contrast, which is 2 * temperature * cross-entropy.
        momentum: Of the moving average at the start; the published one is constant.
        last_momentum: At the end.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.EncoderSizes`. Its
            epsilon is that of batch norms, too.
    """

    no_weight_decay = frozenset({"cls_token", "mask_token"})

    def __init__(
        self,
        *,
        decoder_dim: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        feature_depth: int = 2,
        projector_dim: int = 1536,
        projection_dim: int = 256,
        mask_ratio: float = 0.65,
        mask_cell: int | Sequence[int] = 2,
        rounding: Rounding = "truncate_visible",
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        temperature: float = 0.07,
        image_weight: float = 1.0,
        contrast_weight: float = 1.0,
        momentum: float = 0.996,
        last_momentum: float = 0.996,
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        self.encoder = MaskedViT(**sized(encoder), positions=SinCos("first_first"))
        self.patches, dim, norm_eps = self.encoder.patches, self.encoder.dim, self.encoder.norm_eps
        self.masking = CellMasking(grid=self.patches.grid, cell=mask_cell, ratio=mask_ratio, rounding=rounding)
        sizes: dict[str, Any] = {"dim": decoder_dim, "num_heads": decoder_heads}
        self.decoder = MaskedDecoder(self.encoder, depth=decoder_depth, **sizes)
        self.head = PatchHead(dim=decoder_dim, num_values=self.patches.num_values, norm_eps=norm_eps)
        self.features: FeatureDecoder | None = None
        if feature_depth:
            trunk = MaskedDecoder(self.encoder, depth=feature_depth, **sizes)
            head = PatchHead(dim=decoder_dim, num_values=dim, norm_eps=norm_eps)
            self.features = FeatureDecoder(decoder=trunk, head=head)
        sizes = {"hidden_dim": projector_dim, "out_dim": projection_dim}
        self.projector = Projector(dim=dim, norm_eps=norm_eps, **sizes)
        self.predictor = Projector(dim=projection_dim, norm_eps=norm_eps, **sizes)
        self.target_encoder = EMATeacher(student=self.encoder)
        self.target_encoder.network.norm = nn.Identity()  # the target is what comes before the final norm
        self.target_projector = EMATeacher(student=self.projector, own_statistics=True)
        self.target_norm, self.temperature = target_norm, temperature
        self.image_weight, self.contrast_weight = image_weight, contrast_weight
        self.momentum, self.last_momentum = momentum, last_momentum

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"image": (B, C, *size)[, "target_view": the same]}``; see :meth:`Method.forward`."""
        rows, name = self.rows(batch), self.kind.name  # (B, N, P)
        mask = self.mask(batch, masks, generator=generator)
        latent = self.encoder.forward_patches(rows, mask.visible)  # (B, 1 + V, D)
        prediction = self.head(self.decoder(latent, mask))  # (B, M, P)
        image_loss = masked_mse(prediction, self.target(mask.hidden(rows)))

        query = self.predictor(self.projector(self.pooled(latent, mask)))  # (B, D')
        key = self.target_projection(batch.get("target_view", self.data(batch)))  # (B, D')
        contrast = 2 * self.temperature * info_nce(query, key, temperature=self.temperature)
        terms = {name: self.image_weight * image_loss, "contrast": self.contrast_weight * contrast}
        return StepOutput.of(terms=terms, prediction={name: prediction}, masks={name: mask})

    def pooled(self, latent: Tensor, mask: Mask) -> Tensor:
        """Mean feature of an image of which a part was seen: of all patches, hidden ones imagined; ``(B, D)``."""
        return latent[:, 1:].mean(dim=1) if self.features is None else self.features(latent, mask)

    @torch.no_grad()
    def target_projection(self, image: Tensor) -> Tensor:
        """What the target branch, which sees all of ``(B, C, *size)``, makes of it: ``(B, D')``."""
        return self.target_projector(self.target_encoder(image)[:, 1:].mean(dim=1))

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """See :attr:`Method.teachers`."""
        return {"target_encoder": self.target_encoder, "target_projector": self.target_projector}

    def update_teacher(self, *, progress: float) -> None:
        """Moves encoder and projector of the target branch; see :meth:`Method.update_teacher`."""
        self._move_teacher(self.momentum_at(progress))

    def momentum_at(self, progress: float) -> float:
        """Share of itself that the target branch keeps in a step."""
        return cosine_momentum(first=self.momentum, last=self.last_momentum, progress=progress)

    def restart_teacher(self) -> None:
        """Makes the target branch a copy again; for weights of an encoder alone that were loaded into this one."""
        self._move_teacher(0.0)

    def predict(self, batch: Batch, mask: Mask) -> Tensor:
        """Predictions for all tokens in raster order ``(B, N, P)``; those of visible tokens mean nothing."""
        latent = self.encoder.forward_patches(self.rows(batch), mask.visible)
        return self.head(self.decoder(latent, mask, masked_only=False))

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        shape = (batch_size, self.patches.channels, *self.patches.size)
        return {name: torch.rand(shape, generator=generator) for name in (self.kind.name, "target_view")}

    def _move_teacher(self, momentum: float) -> None:
        self.target_encoder.update(self.encoder, momentum=momentum)
        self.target_projector.update(self.projector, momentum=momentum)
