"""Multi-modal MAE for H&E tiles: RGB, hematoxylin and eosin share one encoder and one budget of visible tokens.

Paper: W. O. Ikezogwo, M. S. Seyfioglu, L. Shapiro, "Multi-modal Masked Autoencoders Learn Compositional
Histopathological Representations", ML4H 2022, arXiv 2209.01534; built on R. Bachmann, D. Mizrahi et al., "MultiMAE",
ECCV 2022, arXiv 2204.01678. Reference: wisdomikezogwo/MMAE_Pathology (a5716f5).

Deviations: any set of modalities on one grid; a sample may lack some (the others get its whole budget, and it counts in
no loss of what it lacks); grids need not be square, where the reference scrambles positions; strategy ``one``, which
the reference cannot reach from its command line, shows each position at most once, exactly; uncertainty weighting
covers every output (the reference leaves out ``norm_rgb``). The reference can also draw a random subset of the
modalities before their shares; that, switched off there, is not here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import Mask, Masking, Masks
from medmae.masking.budget import BudgetMasking, Strategy
from medmae.methods.base import Batch, MaskedMethod, StepOutput
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.modalities import adapters_beside, encode_modalities, modality_encoder, modality_kinds
from medmae.nn.modality_decoder import ModalityDecoder
from medmae.objectives.modalities import Error, Output
from medmae.tokens.modalities import ModalityPatches

STAINS: Mapping[str, int] = {"rgb": 3, "h": 1, "e": 1}
CONTRASTS: Mapping[str, int] = {"t1": 1, "t2": 1, "flair": 1}
RGB_OUTPUTS: Mapping[str, Error] = {"rgb": "mse", "norm_rgb": "mse"}
JOINT = "modalities"  # name of the mask, which counts the tokens of all of them


def he_mmae_small(**options: Any) -> HEMMAE:
    """The published run, ViT-S/16, 224 px: 27,446,272 parameters."""
    return HEMMAE(**options)


def he_mmae_base(**options: Any) -> HEMMAE:
    """ViT-B/16: 92,122,624 parameters."""
    return HEMMAE(**{"embed_dim": 768, "num_heads": 12, **options})


def he_mmae_large(**options: Any) -> HEMMAE:
    """ViT-L/16: 309,987,840 parameters."""
    return HEMMAE(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **options})


def he_mmae_rgb(**options: Any) -> HEMMAE:
    """The baseline, RGB alone with the same 98 visible tokens, of 196: 24,380,928 parameters."""
    return HEMMAE(**{"modalities": {"rgb": 3}, "outputs": {"rgb": "mse"}, "alphas": 1.0, **options})


def he_mmae_mri(**options: Any) -> HEMMAE:
    """MR contrasts as modalities, each rebuilt from whatever is visible of all of them (ours)."""
    outputs = dict.fromkeys(CONTRASTS, "mse")
    return HEMMAE(**{"modalities": CONTRASTS, "outputs": outputs, "alphas": 1.0, "strategy": "one", **options})


def he_mmae_demo(**options: Any) -> HEMMAE:
    """96 px in 64 patches of 12, a sixth of all tokens visible: minutes on two cores (ours)."""
    sizes = {"image_size": 96, "patch_size": 12, "embed_dim": 192, "depth": 6, "num_heads": 4, "num_visible": 32}
    return HEMMAE(**{**sizes, "decoder_dim": 128, "decoder_heads": 4, **options})


def he_mmae_tiny(**options: Any) -> HEMMAE:
    """32 px, all outputs, for tests."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_visible": 14}
    decoder = {"decoder_dim": 16, "decoder_depth": 2, "decoder_heads": 2}
    return HEMMAE(**{**sizes, **decoder, "outputs": {**RGB_OUTPUTS, "h": "l1", "e": "l1"}, "alphas": 2.0, **options})


@register(
    "he_mmae",
    title="MMAE (multi-modal MAE for H&E)",
    paper="Ikezogwo et al., Multi-modal Masked Autoencoders Learn Compositional Histopathological Representations, "
    "ML4H 2022, arXiv 2209.01534",
    presets={
        "tiny": he_mmae_tiny,
        "demo": he_mmae_demo,
        "small": he_mmae_small,
        "base": he_mmae_base,
        "large": he_mmae_large,
        "rgb": he_mmae_rgb,
        "mri": he_mmae_mri,
    },
)
class HEMMAE(MaskedMethod):
    """One encoder over the visible tokens of all modalities, and a cross-attention decoder for each output.

    ``encoder`` is that of the first modality, RGB, and works alone downstream: no mask, no other modality.

    Args:
        modalities: Channels of each modality by name, in the order of their tokens.
        outputs: What is rebuilt, and its error: a modality, or ``norm_`` and a modality for its normalised patches.
            Further outputs of the published code: ``{"h": "l1", "e": "l1"}``.
        image_size: Extent along each axis, the same for all modalities; an integer means a square image.
        patch_size: Extent of a patch along each axis.
        embed_dim: Encoder width.
        depth: Encoder blocks.
        num_heads: Encoder heads.
        decoder_dim: Width of each decoder.
        decoder_depth: Self-attention blocks of each decoder, after its cross-attention.
        decoder_heads: Heads of each decoder.
        mlp_ratio: MLP width over width, everywhere.
        norm_eps: LayerNorm epsilon.
        drop_path: Stochastic depth of the encoder's last block (fine-tuning only).
        num_visible: The budget, visible tokens of a sample over all modalities.
        alphas: Concentration of each modality's share of it; see :class:`medmae.masking.budget.BudgetMasking`.
        strategy: ``independent`` as released, or ``one`` modality a position.
        uncertainty: Weights each loss L by a learned s as ``exp(-s) L + s``.
        scale: What the encoder expects of its own modality, the first; see :class:`medmae.nn.vit.MaskedViT`. The others
            are taken as they are.

    Raises:
        ValueError: If an output names no modality or no known error, or the budget does not suit the tokens.
    """

    def __init__(
        self,
        *,
        modalities: Mapping[str, int] = STAINS,
        outputs: Mapping[str, Error] = RGB_OUTPUTS,
        image_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        decoder_dim: int = 256,
        decoder_depth: int = 2,
        decoder_heads: int = 8,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        drop_path: float = 0.0,
        num_visible: int = 98,
        alphas: float | Sequence[float] = (8.0, 1.0, 1.0),
        strategy: Strategy = "independent",
        uncertainty: bool = False,
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__()
        self.modalities = ModalityPatches(size=image_size, patch=patch_size, channels=modalities)
        self.outputs = {name: Output.of(name, error=error, among=self.modalities) for name, error in outputs.items()}
        self.encoder = modality_encoder(
            self.modalities,
            dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            drop_path=drop_path,
            scale=scale,
        )
        self.patches = self.encoder.patches
        self.adapters = adapters_beside(self.encoder, self.modalities)
        decoder = {"dim": decoder_dim, "depth": decoder_depth, "num_heads": decoder_heads}
        self.decoders = nn.ModuleDict(
            {
                name: ModalityDecoder(self.encoder, self.modalities, modality=output.modality, **decoder)
                for name, output in self.outputs.items()
            }
        )
        self.log_variance = nn.ParameterDict({name: torch.zeros(()) for name in outputs if uncertainty})
        self.masking = BudgetMasking(
            num_modalities=len(modalities),
            tokens_each=self.modalities.num_tokens,
            num_visible=num_visible,
            alphas=alphas,
            strategy=strategy,
        )

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"rgb": (B, 3, H, W), "h": (B, 1, H, W), "e": (B, 1, H, W)[, "available": (B, 3) bool]}``.

        A modality that a sample lacks is False in ``available``; one that all lack may be left out of the batch. All of
        them may also be the channels of one ``image``.
        Predictions are all tokens of their modality in raster order, ``(B, n, P)``: samples hide different numbers.
        """
        rows = self._rows(batch)  # T tensors (B, n, P)
        mask = self.mask(masks or self.draw_masks(batch, generator=generator))
        prediction = self._decode(rows, mask)
        counted = self._hidden(batch, mask)  # (B, T, n)
        terms = {}
        for name, output in self.outputs.items():
            masked = counted[:, output.number]
            terms[name] = self._weighted(name, output.loss(prediction[name], rows, masked), masked)
        return StepOutput.of(terms=terms, prediction=prediction, masks={JOINT: mask})

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`Method.kinds`; any but one of them may be missing."""
        return {**modality_kinds(self.modalities), **self.encoder.kinds}

    @property
    def rebuilds(self) -> frozenset[str]:
        """See :attr:`MaskedMethod.rebuilds`."""
        return frozenset(output.modality for output in self.outputs.values() if output.norm is None)

    @property
    def maskings(self) -> Mapping[str, Masking]:  # type: ignore[override]
        """See :attr:`MaskedMethod.maskings`: one, of the tokens of all modalities."""
        return {JOINT: self.masking}

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`; what a sample lacks gets nothing of its budget."""
        if "real" in batch:
            raise ValueError("padded samples are not known here: crop or resize, and leave 'real' out of the batch")
        available = self.modalities.available(batch)
        real = None if available.all() else available.repeat_interleave(self.modalities.num_tokens, dim=1)  # (B, N)
        return {JOINT: self.masking.sample(len(available), generator=generator, real=real).to(available.device)}

    def mask(self, masks: Masks) -> Mask:
        """That of all tokens.

        Raises:
            ValueError: If samples show different numbers of tokens, or tokens are to be replaced.
        """
        mask = masks[JOINT]
        if mask.padded or mask.replaced:
            raise ValueError("MMAE drops hidden tokens and shows equally many of each sample: it takes no other mask")
        return mask

    def predict(self, batch: Batch, mask: Mask) -> dict[str, Tensor]:
        """All tokens of each output, ``(B, n, P)`` in raster order; those of visible tokens mean nothing."""
        return self._decode(self._rows(batch), mask)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: every modality of the batch by its name.

        A normalised target is undone with the true patch statistics: for the eye, and only where they are known.
        """
        mask, rows, parts = self.mask(masks), self._rows(batch), {}
        counted, predicted = self._hidden(batch, mask), self._decode(rows, mask)  # (B, T, n)
        kinds = modality_kinds(self.modalities)
        for name, data in self.modalities.given(batch).items():
            hidden = self.modalities.patches[name].paint(counted[:, self.modalities.names.index(name)])
            parts[name] = Shown(kinds[name], data, hidden)
        for name, output in self.outputs.items():
            if output.modality in parts:
                made, shown = output.patches.unpatchify(output.pixels(predicted[name], rows)), parts[output.modality]
                made = self.encoder.scaling.invert(made) if output.number == 0 else made
                pasted = torch.where(shown.hidden, made, shown.given)
                parts[output.modality] = (
                    replace(shown, made=pasted) if output.norm is None else replace(shown, by_patch=pasted)
                )
        return parts

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        return {
            name: torch.rand(batch_size, patches.channels, *patches.size, generator=generator)
            for name, patches in self.modalities.patches.items()
        }

    def _rows(self, batch: Batch) -> list[Tensor]:
        """Patches ``(B, n, P_t)`` of each modality, the encoder's own as it expects them."""
        given, own = self.modalities.given(batch), self.modalities.names[0]
        if own in given:
            given[own] = self.encoder.scaling(given[own])
        return self.modalities.patchify({**batch, **given})

    def _hidden(self, batch: Batch, mask: Mask) -> Tensor:
        """True for each hidden token of a modality that the sample has: ``(B, T, n)``."""
        return self.modalities.split(mask.as_bool()) & self.modalities.available(batch).unsqueeze(2)

    def _decode(self, rows: Sequence[Tensor], mask: Mask) -> dict[str, Tensor]:
        latent = encode_modalities(self.encoder, self.adapters, rows, mask.visible)  # (B, V + 1, D)
        return {name: decoder(latent, mask.visible) for name, decoder in self.decoders.items()}

    def _weighted(self, name: str, loss: Tensor, masked: Tensor) -> Tensor:
        """Weighted by its learned s; 0 where no token ``(B, n)`` counts, of which s has nothing to learn."""
        if name not in self.log_variance:
            return loss
        return masked.any() * ((-self.log_variance[name]).exp() * loss + self.log_variance[name])
