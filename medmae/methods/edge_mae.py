"""Edge-MAE: one encoder, two targets - the hidden pixels and the Sobel edges of an MR slice (stage 1 of SLMT-Net).

Paper: Y. Li, T. Zhou, K. He, Y. Zhou, D. Shen, "Multi-scale Transformer Network with Edge-aware Pre-training for
Cross-Modality MR Image Synthesis", IEEE TMI 2023, doi 10.1109/TMI.2023.3288001, arXiv 2212.01108.
Reference: lyhkevin/MT-Net (c08afea).

As released, both heads share one decoder trunk (the paper's figure draws two decoders) and the edge loss, too, is
taken on hidden patches only. Deviations: transformer blocks that the reference builds and never calls are not built
(an importer accepts and reports them); volumes, further channels and a contrast token are ours; the easy-to-hard
``curriculum`` is what the paper intends, ``reference`` (always hard) is what its code does and the default, and so is
``initial_brightness``, for short trainings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masks, Rounding
from medmae.masking.random import RandomMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PixelMethod
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.init import start_at
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.objectives.edge import SobelEdges, WeightMode, patchwise_weight
from medmae.objectives.pixel import TargetNorm, masked_mse

Schedule = Literal["reference", "curriculum"]
PAPER: EncoderSizes = {"image_size": 256, "patch_size": 8, "in_channels": 1, "embed_dim": 128, "num_heads": 16}
PAPER["norm_eps"] = 1e-5  # not MAE's 1e-6


def edge_mae_paper(**options: Any) -> EdgeMAE:
    """256 px, patch 8, width 128: 3,001,554 parameters (3,301,458 in the reference, with its unused blocks)."""
    return EdgeMAE(**options)


def edge_mae_volume(**options: Any) -> EdgeMAE:
    """Crops of 32 x 96 x 96 voxels in patches of 8: the paper's network on the 576 tokens of a volume (ours)."""
    return EdgeMAE(**{"image_size": (32, 96, 96), **options})


def edge_mae_demo(**options: Any) -> EdgeMAE:
    """96 px in 64 patches of 12: learns anatomy within minutes on two cores (ours)."""
    sizes = {"image_size": 96, "patch_size": 12, "depth": 6, "num_heads": 4, "initial_brightness": 0.1}
    return EdgeMAE(**{**sizes, "decoder_dim": 128, "decoder_depth": 2, "decoder_heads": 4, **options})


def edge_mae_tiny(**options: Any) -> EdgeMAE:
    """64 px, for tests."""
    sizes = {"image_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 4}
    return EdgeMAE(**{**sizes, "decoder_dim": 16, "decoder_depth": 2, "decoder_heads": 2, **options})


@register(
    "edge_mae",
    title="Edge-MAE (SLMT-Net, stage 1)",
    paper="Li et al., Multi-scale Transformer Network with Edge-aware Pre-training, IEEE TMI 2023, arXiv 2212.01108",
    presets={"tiny": edge_mae_tiny, "demo": edge_mae_demo, "paper": edge_mae_paper, "volume": edge_mae_volume},
)
class EdgeMAE(PixelMethod):
    """Masked autoencoder with an image head and an edge head over one trunk.

    Args:
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks.
        decoder_heads: Decoder heads.
        mask_ratio: Share of patches hidden.
        rounding: How the ratio becomes a count.
        image_weight: Factor of the image loss in the total.
        edge_head: False builds and trains no edge head (ablation).
        patchwise: Weights the image loss by the density of hidden neighbours; the edge loss always is (section 7).
        schedule: ``reference`` weights hard patches from the start; ``curriculum`` easy ones for the first half.
        num_contrasts: Adds one learned token for the contrast of each sample (ours), read from ``batch["contrast"]``.
        target_norm: Normalisation of image targets; None in the paper. The image head then has no sigmoid.
        initial_brightness: What untrained heads show everywhere, in (0, 1); None is the paper's medium grey. Near the
            targets' mean it saves the hundreds of steps in which all pixels are driven to black first (ours).
        encoder: Sizes of the encoder, see :class:`medmae.nn.sizes.EncoderSizes`; what is not said is the paper's.
    """

    target_scaled = False

    def __init__(
        self,
        *,
        decoder_dim: int = 64,
        decoder_depth: int = 8,
        decoder_heads: int = 8,
        mask_ratio: float = 0.7,
        rounding: Rounding = "truncate_visible",
        image_weight: float = 10.0,
        edge_head: bool = True,
        patchwise: bool = True,
        schedule: Schedule = "reference",
        num_contrasts: int | None = None,
        target_norm: TargetNorm | None = None,
        initial_brightness: float | None = None,
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        check_choice(schedule, get_args(Schedule), name="schedule")
        self.encoder = MaskedViT(**(PAPER | sized(encoder)))
        self.patches, dim, norm_eps = self.encoder.patches, self.encoder.dim, self.encoder.norm_eps
        self.decoder = MaskedDecoder(self.encoder, dim=decoder_dim, depth=decoder_depth, num_heads=decoder_heads)
        values = self.patches.num_values
        self.image_head = PatchHead(dim=decoder_dim, num_values=values, norm_eps=norm_eps, sigmoid=target_norm is None)
        self.edge_head = (
            PatchHead(dim=decoder_dim, num_values=values, norm_eps=norm_eps, sigmoid=True) if edge_head else None
        )
        if initial_brightness is not None:
            for head in (self.image_head, self.edge_head):
                if head is not None and head.sigmoid:
                    start_at(head.pred, brightness=initial_brightness)
        self.sobel = SobelEdges(ndim=self.patches.ndim)
        self.contrast_token = nn.Embedding(num_contrasts, dim) if num_contrasts else None
        if self.contrast_token is not None:
            nn.init.normal_(self.contrast_token.weight, std=0.02)
        self.masking = RandomMasking(num_tokens=self.patches.num_tokens, ratio=mask_ratio, rounding=rounding)
        self.image_weight, self.patchwise, self.schedule = image_weight, patchwise, schedule
        self.target_norm = target_norm

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"image": (B, C, *size)[, "contrast": (B,)]}``; see :meth:`Method.forward`."""
        rows, name = self.rows(batch), self.kind.name  # (B, N, P)
        mask = self.mask(batch, masks, generator=generator)
        trunk = self.decoder(self._encode(rows, batch, mask), mask)  # (B, M, D')
        weight = patchwise_weight(mask, grid=self.patches.grid, mode=self.weight_mode(progress))  # (B, M)

        image = self.image_head(trunk)  # (B, M, P)
        target = self.target(mask.hidden(self.patches.patchify(self.data(batch))))
        image_loss = masked_mse(image, target, weight=weight if self.patchwise else None)
        terms, prediction = {name: self.image_weight * image_loss}, {name: image}
        if self.edge_head is not None:
            prediction["edge"] = self.edge_head(trunk)  # (B, M, P)
            edges = mask.hidden(self.patches.patchify(self.sobel(self.data(batch))))
            terms["edge"] = masked_mse(prediction["edge"], edges, weight=weight)
        return StepOutput.of(terms=terms, prediction=prediction, masks={name: mask})

    def weight_mode(self, progress: float) -> WeightMode:
        """Which patches count more at this point of training."""
        return "easy" if self.schedule == "curriculum" and progress < 0.5 else "hard"

    def predict(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """Head outputs for all tokens in raster order ``(B, N, P)``; those of visible tokens mean nothing."""
        latent = self._encode(self.rows(batch), batch, mask)
        trunk = self.decoder(latent, mask.complete(), masked_only=False)  # (B, N, D')
        heads = {self.kind.name: self.image_head, "edge": self.edge_head}
        return {name: head(trunk) for name, head in heads.items() if head is not None}

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`; beside the data its edges, if there is a head for them."""
        mask, name = self.mask(batch, masks).complete(), self.kind.name
        predicted = self.predict(batch, mask)
        parts = {name: self.shown(batch, mask, mask.hidden(predicted[name]))}
        if "edge" in predicted:
            edges, hidden = self.sobel(self.data(batch)), parts[name].hidden
            made = torch.where(hidden, self.patches.unpatchify(predicted["edge"]), edges)
            kind = replace(self.kind, name="edge", peak=1.0, unit="")
            parts["edge"] = Shown(kind, edges, hidden, made, beside=name)
        return parts

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        batch = super().example_batch(batch_size, generator=generator)
        if self.contrast_token is not None:
            batch["contrast"] = torch.arange(batch_size) % self.contrast_token.num_embeddings
        return batch

    def _encode(self, rows: Tensor, batch: Batch, mask: Mask) -> Tensor:
        if self.contrast_token is None:
            return self.encoder.forward_patches(rows, mask.visible)
        if "contrast" not in batch:
            raise ValueError('this method has a contrast token: the batch needs "contrast", a number for each sample')
        token = self.contrast_token(batch["contrast"]).unsqueeze(1)  # (B, 1, D)
        return self.encoder.forward_patches(rows, mask.visible, token)
