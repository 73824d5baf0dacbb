"""AV-MAE: hide most of a clip and of its sound, encode what is left of both, rebuild both, or each from the other.

Paper: M.-I. Georgescu, E. Fonseca, R. T. Ionescu, M. Lucic, C. Schmid, A. Arnab, "Audiovisual Masked Autoencoders",
ICCV 2023, arXiv 2212.05922. Reference: google-research/scenic (4a38d475), projects/av_mae; the paper's body was not at
hand.

Four ways of fusion in the encoder, three decoders, two objectives. Positions are one sinusoid over the flattened index
of each kind; GELU is its tanh form; heads and mask tokens begin as zeros; losses are means over the hidden tokens of
the whole batch, and their mean over the kinds is learnt.

Deviations: any kinds of data, two or more; a sample may lack some, of which nothing is read and no loss is taken (the
reference has no such samples); clips come in [0, 1] and are brought to [-1, 1]; inpainting asks for all hidden tokens
of a kind and reads the other's at their own places, where the reference puts them into the first places of the one
that is rebuilt, whose tokens there are never learnt (``inpainting_in_place`` is that); a joint decoder does no
inpainting, for it would read what it rebuilds; the last decoder block runs on hidden tokens only (same loss, exactly).
The reference's shuffle of inpainted tokens, whose targets stay unshuffled, is not here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Masks, gather_tokens
from medmae.methods.base import Batch, StepOutput
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.methods.streams import Hiding, StreamMethod, masking_of, one_each
from medmae.nn.fused_encoder import FusedEncoder, Fusion
from medmae.nn.stream_decoder import Sharing, StreamDecoder
from medmae.nn.stream_vits import Given
from medmae.nn.streams import ClipStream, SpectrogramStream, Stream
from medmae.objectives.pixel import batch_mse
from medmae.objectives.target import PatchTarget

Objective = Literal["reconstruction", "inpainting", "inpainting_in_place"]
Decode = Callable[..., dict[str, Tensor]]
HeadInit = Literal["zero", "xavier"]
AUDIOSET: tuple[Stream, ...] = (ClipStream(), SpectrogramStream())  # 16 frames, and 10 s
VGGSOUND: tuple[Stream, ...] = (ClipStream(), SpectrogramStream(frames=800))
_BASE = {"embed_dim": 768, "depth": 12, "num_heads": 12, "decoder_dim": 384, "decoder_heads": 6}


def av_mae_large(**options: Any) -> AVMAE:
    """The published run on AudioSet, ViT-L, fused in its last 2 blocks: 595,849,984 parameters."""
    return AVMAE(**options)


def av_mae_large_vggsound(**options: Any) -> AVMAE:
    """The published run on VGGSound, two ViT-L, 8 s of sound, half of it hidden: 621,040,384 parameters."""
    ratios = {"image": 0.9, "audio": 0.5}
    return AVMAE(**{"streams": VGGSOUND, "fusion": "separate", "mask_ratio": ratios, **options})


def av_mae_base(**options: Any) -> AVMAE:
    """ViT-B, fused in its last 2 blocks: 165,695,488 parameters."""
    return AVMAE(**{**_BASE, **options})


def av_mae_small_clips(**options: Any) -> AVMAE:
    """16 frames of 64 px and 2.56 s of 64 bands, blocks of width 192 (ours): for a CPU."""
    streams = (ClipStream(image_size=64, patch_size=8), SpectrogramStream(frames=256, bands=64, patch_size=8))
    sizes = {"embed_dim": 192, "depth": 6, "num_heads": 6, "decoder_dim": 96, "decoder_depth": 2, "decoder_heads": 3}
    return AVMAE(**{"streams": streams, **sizes, **options})


def av_mae_tiny(**options: Any) -> AVMAE:
    """4 frames of 32 px and 50 of 32 bands, for tests; heads are drawn, so that all weights learn at once."""
    streams = (
        ClipStream(num_frames=4, image_size=32, patch_size=8),
        SpectrogramStream(frames=50, bands=32, patch_size=8),
    )
    sizes = {"embed_dim": 48, "depth": 3, "num_heads": 4, "decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 2}
    tiny = {"streams": streams, **sizes, "mask_ratio": {"image": 0.75, "audio": 0.5}, "head_init": "xavier"}
    return AVMAE(**{**tiny, **({} if "fusion" in options else {"fusion_layers": 1}), **options})


@register(
    "av_mae",
    title="AV-MAE",
    paper="Georgescu et al., Audiovisual Masked Autoencoders, ICCV 2023, arXiv 2212.05922",
    presets={
        "tiny": av_mae_tiny,
        "base": av_mae_base,
        "large": av_mae_large,
        "large_vggsound": av_mae_large_vggsound,
        "small_clips": av_mae_small_clips,
    },
)
class AVMAE(StreamMethod):
    """The reference composition, on ``{"image": (B, 3, T, H, W), "audio": (B, 1, frames, bands)}`` or other kinds.

    Args:
        streams: The kinds of data and their patches.
        fusion: Of the encoder; see :class:`medmae.nn.fused_encoder.FusedEncoder`.
        fusion_layers: S, of ``mid``; None is 2 there, and nothing elsewhere.
        decoder: ``shared``, ``separate`` or ``joint``; see :class:`medmae.nn.stream_decoder.StreamDecoder`.
        objective: Each kind's hidden tokens from its own visible ones (``reconstruction``), from those of the others
            (``inpainting``), or from those as published (``inpainting_in_place``).
        mask_ratio: Share of each kind that is hidden, by name.
        hiding: ``random`` or ``tube``, by name; random where nothing is said.
        targets: What is regressed, by name; raw values, as the encoder expects them, where nothing is said.
        loss_visible: Whether visible tokens are regressed, too.
        kind_tokens: Adds a learned vector to all tokens of a kind, in the encoder and in the decoder.
        head_init: Of the heads; ``zero`` predicts 0 at first.
        embed_dim: Encoder width.
        depth: Blocks that a token passes in the encoder.
        num_heads: Encoder heads.
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks.
        decoder_heads: Decoder heads.
        mlp_ratio: MLP width over width, everywhere.
        norm_eps: LayerNorm epsilon.

    Raises:
        ValueError: If nothing couples the kinds, a name or a choice is not known, or sizes do not suit each other.
    """

    def __init__(
        self,
        *,
        streams: Sequence[Stream] = AUDIOSET,
        fusion: Fusion = "mid",
        fusion_layers: int | None = None,
        decoder: Sharing = "shared",
        objective: Objective = "reconstruction",
        mask_ratio: Mapping[str, float] = {"image": 0.9, "audio": 0.7},
        hiding: Mapping[str, Hiding] = {},
        targets: Mapping[str, PatchTarget] = {},
        loss_visible: bool = False,
        kind_tokens: bool = False,
        head_init: HeadInit = "zero",
        embed_dim: int = 1024,
        depth: int = 24,
        num_heads: int = 16,
        decoder_dim: int = 512,
        decoder_depth: int = 4,
        decoder_heads: int = 8,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        check_choice(objective, get_args(Objective), name="objective")
        check_choice(head_init, get_args(HeadInit), name="head_init")
        _check_coupled(fusion, decoder, objective)
        self.encoder = FusedEncoder(
            streams=streams,
            fusion=fusion,
            fusion_layers=2 if fusion == "mid" and fusion_layers is None else fusion_layers,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            gelu="tanh",
            kind_tokens=kind_tokens,
            drawing="flax",
        )
        sizes: dict[str, Any] = {"dim": decoder_dim, "depth": decoder_depth, "num_heads": decoder_heads}
        self.decoder = StreamDecoder(self.encoder, sharing=decoder, kind_tokens=kind_tokens, **sizes)
        vits = self.encoder.vits
        ratios = one_each(mask_ratio, names=vits, what="mask_ratio")
        hidings: dict[str, Hiding] = one_each(hiding, names=vits, what="hiding", default="random")
        self.maskings = {
            name: masking_of(vit, hiding=hidings[name], ratio=ratios[name], rounding="truncate_hidden")
            for name, vit in vits.items()
        }
        self.targets = one_each(targets, names=vits, what="targets", default=PatchTarget())
        self.objective, self.loss_visible = objective, loss_visible
        self.no_weight_decay = frozenset({"mask_token", *(vits if kind_tokens else ())})
        self.heads = nn.ModuleDict({name: self._head(name, decoder_dim, head_init) for name in vits})

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`.

        Predictions are of hidden tokens in the order of their mask, ``(B, M, values)``; with ``loss_visible`` of
        visible ones, too, before the others; and of ``inpainting_in_place`` those from the other kind's number of
        visible ones to the last.
        """
        masks, given = self.masks(batch, masks, generator=generator), self.encoder.given(batch)
        self.tell(given)
        prediction, terms = self._predict(given, masks, everything=self.loss_visible), {}
        for name, found in prediction.items():
            target = self.targets[name](
                self._asked(name, given, masks, found.shape[1]), self.encoder.vits[name].patches
            )
            terms[name] = batch_mse(found, target, counted=given.there[name]) / len(self.heads)
        return StepOutput.of(terms=terms, prediction=prediction, masks=masks)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`; what is never predicted in place is shown as 0 for the network."""
        masks = {name: mask.complete() for name, mask in self.masks(batch, masks).items()}
        given = self.encoder.given(batch)
        found = self._predict(given, masks)
        if self.objective == "inpainting_in_place":
            for name, late in found.items():
                early = late.new_zeros(len(late), masks[name].num_tokens - late.shape[1], late.shape[2])
                found[name] = masks[name].hidden(torch.cat([early, late], dim=1))
        return self.shown(batch, given, masks, found)

    def _predict(self, given: Given, masks: Masks, *, everything: bool = False) -> dict[str, Tensor]:
        latent = self.encoder.fuse(self.encoder.apart(given, masks), given)
        decoder: dict[Objective, Decode] = {
            "reconstruction": self.decoder,
            "inpainting": self.decoder.inpaint,
            "inpainting_in_place": self.decoder.inpaint_in_place,
        }
        tokens = decoder[self.objective](latent, masks, given.there, everything=everything)
        return {name: self.heads[name](rows) for name, rows in tokens.items()}

    def _asked(self, name: str, given: Given, masks: Masks, count: int) -> Tensor:
        """Patches ``(B, count, P)`` that were predicted."""
        rows, mask = given.rows[name], masks[name]
        if self.objective == "inpainting_in_place":
            return rows[:, rows.shape[1] - count :]
        return (
            gather_tokens(rows, torch.cat([mask.visible, mask.masked], dim=1))
            if self.loss_visible
            else mask.hidden(rows)
        )

    def _head(self, name: str, dim: int, init: HeadInit) -> nn.Linear:
        patches, target = self.encoder.vits[name].patches, self.targets[name]
        target.check(patches)
        head = nn.Linear(dim, target.num_values(patches))
        nn.init.zeros_(head.bias)
        if init == "zero":
            nn.init.zeros_(head.weight)
        else:
            nn.init.xavier_uniform_(head.weight)
        return head


def _check_coupled(fusion: Fusion, decoder: Sharing, objective: Objective) -> None:
    """Refuses what the kinds of data would be learnt by themselves with, or would read themselves with.

    Raises:
        ValueError: With what to change.
    """
    if fusion == "separate" and decoder == "separate" and objective == "reconstruction":
        raise ValueError("separate encoders with separate decoders learn each kind by itself: decoder='shared'")
    if decoder == "joint" and objective != "reconstruction":
        raise ValueError("a joint decoder reads all kinds, so that nothing is rebuilt from others: decoder='shared'")
