"""MAViL: sound and pictures, mostly hidden, are rebuilt, told from others', and then learnt as a teacher sees them.

Paper: P.-Y. Huang, V. Sharma, H. Xu, C. Ryali, H. Fan, Y. Li, S.-W. Li, G. Ghosh, J. Malik, C. Feichtenhofer, "MAViL:
Masked Audio-Video Learners", NeurIPS 2023, arXiv 2212.08071. Reference: no code of its training is public; its network
is in roger-tseng/av-superb (696e269), its branch of sound in facebookresearch/AudioMAE (bd60e29), read for facts only:
the licence is non-commercial.

A step has two draws of masks. The first is encoded, fused and decoded. Of both draws the means of visible tokens,
before anything is fused, are projected and contrasted: sound with pictures of one clip, and each with itself in the
other draw. In the second stage a frozen encoder of the first reads whole clips, and its fused tokens are regressed.

Deviations: what the paper leaves open here is inferred: projections of two layers, targets of the second stage
normalised token by token. Any kinds of data, two or more, of which samples may lack some; clips of one patient may be
said to be no negatives (``"group"``); negatives come, with their gradient, from all processes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.methods.base import Batch, StepOutput, count_samples
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.methods.streams import StreamMethod, masking_of, one_each
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.init import initialise_linears
from medmae.nn.positions import ClipSinCos, SinCos
from medmae.nn.stream_vits import Given
from medmae.nn.streams import ClipStream, SpectrogramStream, Stream
from medmae.nn.teacher import FrozenTeacher
from medmae.nn.vit import MaskedViT
from medmae.nn.window_decoder import WindowDecoder
from medmae.objectives.pairwise import pair_contrast
from medmae.objectives.pixel import TargetNorm, batch_mse
from medmae.objectives.target import PatchTarget

AGAIN = "_again"  # behind the name of a kind: its second draw
Reading = Literal["global", "window"]
AUDIOSET: tuple[Stream, ...] = (
    SpectrogramStream(frames=1024, scale="audiomae", positions=SinCos()),
    ClipStream(num_frames=8, scale="imagenet", positions=ClipSinCos()),
)


def mavil_base(**options: Any) -> MAViL:
    """Two ViT-B and two blocks that fuse them; the encoder has 186,660,864 parameters."""
    return MAViL(**options)


def mavil_small_clips(**options: Any) -> MAViL:
    """8 frames of 64 px and 2.56 s of 64 bands, blocks of width 192 (ours): for a CPU."""
    streams = (
        SpectrogramStream(frames=256, bands=64, patch_size=8, positions=SinCos()),
        ClipStream(num_frames=8, image_size=64, patch_size=8, positions=ClipSinCos()),
    )
    sizes = {"embed_dim": 192, "depth": 6, "num_heads": 6, "decoder_dim": 96, "decoder_heads": 3}
    depths = {"audio": 4, "image": 2}
    return MAViL(**{"streams": streams, **sizes, "decoder_depth": depths, "projection_dim": 192, **options})


def mavil_tiny(**options: Any) -> MAViL:
    """4 frames of 32 px and 64 of 32 bands, for tests."""
    streams = (
        SpectrogramStream(frames=64, bands=32, patch_size=8, positions=SinCos()),
        ClipStream(num_frames=4, image_size=32, patch_size=8, positions=ClipSinCos()),
    )
    sizes = {"embed_dim": 48, "depth": 2, "fusion_layers": 1, "num_heads": 4, "decoder_dim": 32, "decoder_heads": 2}
    depths = {"audio": 2, "image": 1}
    return MAViL(**{"streams": streams, **sizes, "decoder_depth": depths, "projection_dim": 24, **options})


@register(
    "mavil",
    title="MAViL",
    paper="Huang et al., MAViL: Masked Audio-Video Learners, NeurIPS 2023, arXiv 2212.08071",
    presets={"tiny": mavil_tiny, "base": mavil_base, "small_clips": mavil_small_clips},
)
class MAViL(StreamMethod):
    """The composition on ``{"audio": (B, 1, frames, bands), "image": (B, 3, T, H, W)}`` or other kinds.

    Args:
        streams: The kinds of data and their patches.
        fusion_layers: Blocks over all kinds, behind those of each.
        embed_dim: Encoder width.
        depth: Blocks of each kind's own encoder.
        num_heads: Encoder heads.
        reading: Of each kind's decoder: ``window`` attention among neighbours (spectrograms), or ``global``.
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks, by name; 16 of windows and 8 global ones where nothing is said.
        decoder_heads: Decoder heads.
        mask_ratio: Share of each kind that is hidden, by name.
        inter_weight: Of the contrast between kinds; 0 leaves it out.
        inter_temperature: Its temperature.
        intra_weight: Of the contrast between two draws of one kind; 0 leaves it out, and the second draw with it.
        intra_temperature: Its temperature.
        projection_dim: Width in which features are contrasted.
        target_norm: Normalisation of patches that are regressed; None regresses values as the encoder expects them.
        teacher: An encoder of the first stage: its fused tokens are regressed in place of patches (second stage).
        mlp_ratio: MLP width over width.
        norm_eps: LayerNorm epsilon.

    Raises:
        ValueError: If the teacher is of other kinds or patches, or a name or a choice is not known.
    """

    def __init__(
        self,
        *,
        streams: Sequence[Stream] = AUDIOSET,
        fusion_layers: int = 2,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        reading: Mapping[str, Reading] = {"audio": "window"},
        decoder_dim: int = 512,
        decoder_depth: Mapping[str, int] = {},
        decoder_heads: int = 16,
        mask_ratio: Mapping[str, float] = {"audio": 0.8, "image": 0.8},
        inter_weight: float = 0.1,
        inter_temperature: float = 0.1,
        intra_weight: float = 0.01,
        intra_temperature: float = 1.0,
        projection_dim: int = 768,
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        teacher: FusedEncoder | None = None,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.encoder = FusedEncoder(
            streams=streams,
            fusion="mid",
            fusion_layers=fusion_layers,
            embed_dim=embed_dim,
            depth=depth + fusion_layers,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            class_token="first",
            stream_norm=False,
            fused_norm=False,
        )
        vits = self.encoder.vits
        readings: dict[str, Reading] = one_each(reading, names=vits, what="reading", default="global")
        depths = one_each(decoder_depth, names=vits, what="decoder_depth", default=0)
        ratios = one_each(mask_ratio, names=vits, what="mask_ratio")
        self.norms = nn.ModuleDict({name: nn.LayerNorm(embed_dim, eps=norm_eps) for name in vits})
        self.decoders = nn.ModuleDict(
            {
                name: _decoder(vit, readings[name], dim=decoder_dim, depth=depths[name], num_heads=decoder_heads)
                for name, vit in vits.items()
            }
        )
        values = {name: embed_dim if teacher else vit.patches.num_values for name, vit in vits.items()}
        self.heads = nn.ModuleDict(
            {
                name: nn.Sequential(nn.LayerNorm(decoder_dim, eps=norm_eps), nn.Linear(decoder_dim, count))
                for name, count in values.items()
            }
        )
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.GELU(), nn.Linear(embed_dim, projection_dim))
                for name in vits
            }
        )
        for part in (self.heads, self.projections):
            initialise_linears(part)
        drawn = {
            name: masking_of(vit, hiding="random", ratio=ratios[name], rounding="truncate_visible")
            for name, vit in vits.items()
        }
        self.inter_weight, self.inter_temperature = inter_weight, inter_temperature
        self.intra_weight, self.intra_temperature = intra_weight, intra_temperature
        self.maskings = {**drawn, **({name + AGAIN: how for name, how in drawn.items()} if intra_weight else {})}
        self.targets = dict.fromkeys(vits, PatchTarget(norm=target_norm))
        self.teacher: FrozenTeacher | None = None
        if teacher is not None:
            self._take(teacher, width=embed_dim)

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """See :attr:`Method.teachers`."""
        return {} if self.teacher is None else {"teacher": self.teacher}

    @property
    def rebuilds(self) -> frozenset[str]:
        """See :attr:`MaskedMethod.rebuilds`: of a teacher's tokens no data can be made."""
        return frozenset(self.kinds) if self.teacher is None else frozenset()

    def hides(self, name: str) -> str:
        """See :meth:`StreamMethod.hides`: each kind is drawn twice, where draws are contrasted."""
        return name.removesuffix(AGAIN)

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`.

        Masks are of each kind, and of its second draw, ``<kind>_again``. ``"group"`` ``(B,)`` int64 tells which samples
        are no negatives of each other, such as clips of one patient.
        """
        masks, given = self.masks(batch, masks, generator=generator), self.encoder.given(batch)
        self.tell(given)
        apart = self.encoder.apart(given, masks)
        prediction = self._decode(self.encoder.fuse(apart, given), masks)
        wanted = self.wanted(batch, given)
        terms = {
            name: batch_mse(found, masks[name].hidden(wanted[name]), counted=given.there[name])
            for name, found in prediction.items()
        }
        if count_samples(batch) > 1:
            terms |= self._contrasts(apart, given, masks, batch)
        elif self.inter_weight or self.intra_weight:
            warnings.warn("a batch of one has nothing to be told from: it is trained without contrast", stacklevel=2)
        return StepOutput.of(terms=terms, prediction=prediction, masks=masks)

    def wanted(self, batch: Batch, given: Given) -> dict[str, Tensor]:
        """What is regressed of every token, ``(B, N, values)`` by name: patches, or a teacher's tokens, normalised."""
        vits = self.encoder.vits
        if self.teacher is None:
            return {name: self.targets[name](rows, vits[name].patches) for name, rows in given.rows.items()}
        tokens = {name: vits[name].patch_tokens(rows) for name, rows in self.teacher(batch).items()}
        return {name: F.layer_norm(rows, rows.shape[2:], eps=1e-6) for name, rows in tokens.items()}

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`."""
        masks = {name: mask.complete() for name, mask in self.masks(batch, masks).items()}
        given = self.encoder.given(batch)
        if self.teacher is None:
            return self.shown(batch, given, masks, self._decode(self.encoder(batch, masks), masks))
        empty = {name: masks[name].hidden(torch.zeros_like(rows)) for name, rows in given.rows.items()}
        shown = self.shown(batch, given, masks, empty)
        return {name: Shown(one.kind, one.given, one.hidden) for name, one in shown.items()}

    def points(self, batch: Batch) -> dict[str, Tensor]:
        """Points by kind in which samples are compared, ``(B, D)``, of all of their tokens."""
        apart = self.encoder.apart(self.encoder.given(batch))
        return {name: self._point(name, rows).squeeze(1) for name, rows in apart.items()}

    def _decode(self, latent: Mapping[str, Tensor], masks: Masks) -> dict[str, Tensor]:
        """Predictions of hidden tokens, ``(B, M, values)`` by name."""
        tokens = {name: self.decoders[name](self.norms[name](rows), masks[name]) for name, rows in latent.items()}
        return {name: self.heads[name](rows) for name, rows in tokens.items()}

    def _contrasts(self, apart: Mapping[str, Tensor], given: Given, masks: Masks, batch: Batch) -> dict[str, Tensor]:
        points, terms = {name: self._point(name, rows) for name, rows in apart.items()}, dict[str, Tensor]()
        there = dict(zip(self.kinds, self.encoder.available(batch).unbind(dim=1), strict=True))
        how: dict[str, Any] = {"groups": batch.get("group")}
        if self.inter_weight and len(points) > 1:
            found = [
                pair_contrast(
                    points[a], points[b], temperature=self.inter_temperature, there=there[a] & there[b], **how
                )
                for a, b in permutations(points, 2)
            ]
            terms["inter"] = self.inter_weight * torch.stack([loss for loss, _ in found]).mean()
        if self.intra_weight:
            again = self.encoder.apart(given, {name: masks[name + AGAIN] for name in points})
            second = {name: self._point(name, rows) for name, rows in again.items()}
            pairs = [pair for name in points for pair in permutations((points[name], second[name]))]
            has = [there[name] for name in points for _ in range(2)]
            found = [
                pair_contrast(*pair, temperature=self.intra_temperature, there=each, **how)
                for pair, each in zip(pairs, has, strict=True)
            ]
            terms["intra"] = self.intra_weight * torch.stack([loss for loss, _ in found]).mean()
        return terms

    def _point(self, name: str, tokens: Tensor) -> Tensor:
        """The mean of visible tokens, before anything is fused, projected: ``(B, 1, D')``."""
        prefix = self.encoder.vits[name].num_positions_prefix
        return self.projections[name](tokens[:, prefix:].mean(dim=1)).unsqueeze(1)

    def _take(self, teacher: FusedEncoder, *, width: int) -> None:
        ours = {name: vit.patches for name, vit in self.encoder.vits.items()}
        theirs = {name: vit.patches for name, vit in teacher.vits.items()}
        if ours != theirs or teacher.dim != width:
            raise ValueError(f"a teacher has its student's kinds, patches and width, not {theirs}, {teacher.dim} wide")
        self.teacher, self.needs = FrozenTeacher(teacher), frozenset({"teacher"})


def _decoder(vit: MaskedViT, reading: Reading, *, dim: int, depth: int, num_heads: int) -> nn.Module:
    check_choice(reading, get_args(Reading), name="reading")
    if reading == "window":
        return WindowDecoder(vit, dim=dim, depth=depth or 16, num_heads=num_heads)
    return MaskedDecoder(vit, dim=dim, depth=depth or 8, num_heads=num_heads)
