"""MAViL: sound and pictures, mostly hidden, are rebuilt, told from others', and then learnt as a teacher sees them.

Paper: P.-Y. Huang, V. Sharma, H. Xu, C. Ryali, H. Fan, Y. Li, S.-W. Li, G. Ghosh, J. Malik, C. Feichtenhofer, "MAViL:
Masked Audio-Video Learners", NeurIPS 2023, arXiv 2212.08071. Reference: no code of its training is public; its network
is in roger-tseng/av-superb (696e269), its branch of sound in facebookresearch/AudioMAE (bd60e29), read for facts only:
the licence is non-commercial.

A step has two draws of masks. The first is encoded, fused and decoded. Of both draws the means of visible tokens,
before anything is fused, are projected and contrasted: sound with pictures of one clip, and each with itself in the
other draw. In the second stage a frozen encoder of the first reads whole clips, and its fused tokens are regressed.

CAV-MAE is a preset: Y. Gong et al., "Contrastive Audio-Visual Masked Autoencoder", ICLR 2023, arXiv 2210.07839;
reference: YuanGongND/cav-mae (68fe8c2). One block is shared, with norms for both kinds together and for each by itself;
what it gives of each kind by itself is contrasted, in one direction; a joint decoder rebuilds both.

Deviations: what the paper leaves open here is inferred: projections of two layers, targets of the second stage
normalised token by token. Any kinds of data, two or more, of which samples may lack some; clips of one patient may be
said to be no negatives (``"group"``); negatives come, with their gradient, from all processes. Of CAV-MAE: vectors of
kinds begin as zeros, norms that no pass reads are not there, and the decoder's last block runs on hidden tokens only.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.methods.base import Batch, StepOutput, count_samples
from medmae.methods.mavil_sizes import AUDIOSET, CAV_MAE, OF_A_FRAME, SMALL_CLIPS, TINY
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.methods.streams import StreamMethod, masking_of, one_each
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.init import initialise_linears
from medmae.nn.own_decoders import Reading, norms, own_decoders, projections, value_heads
from medmae.nn.stream_decoder import StreamDecoder
from medmae.nn.stream_vits import Given
from medmae.nn.streams import Stream
from medmae.nn.teacher import FrozenTeacher
from medmae.nn.vit import ClassToken
from medmae.objectives.kinds import between_draws, between_kinds
from medmae.objectives.pixel import TargetNorm, batch_mse
from medmae.objectives.target import PatchTarget

AGAIN = "_again"  # behind the name of a kind: its second draw
Decoding = Literal["separate", "joint"]


def mavil_base(**options: Any) -> MAViL:
    """Two ViT-B and two blocks that fuse them; the encoder has 186,660,864 parameters."""
    return MAViL(**options)


def mavil_small_clips(**options: Any) -> MAViL:
    """8 frames of 64 px and 2.56 s of 64 bands, blocks of width 192 (ours): for a CPU."""
    return MAViL(**{**SMALL_CLIPS, **options})


def mavil_tiny(**options: Any) -> MAViL:
    """4 frames of 32 px and 64 of 32 bands, for tests."""
    return MAViL(**{**TINY, **options})


def cav_mae_base(**options: Any) -> MAViL:
    """CAV-MAE: 11 blocks a kind and a shared one, one frame a clip; 189,961,984 trained parameters."""
    return MAViL(**{"streams": OF_A_FRAME, "depth": 11, **CAV_MAE, **options})


def cav_mae_small_clips(**options: Any) -> MAViL:
    """CAV-MAE of the clips, sounds and width of ``small_clips`` (ours): for a CPU."""
    return MAViL(**{**SMALL_CLIPS, "depth": 7, **CAV_MAE, "decoder_depth": {"image": 2}, **options})


def cav_mae_tiny(**options: Any) -> MAViL:
    """CAV-MAE of the sizes of ``tiny``, for tests."""
    return MAViL(**{**TINY, **CAV_MAE, "decoder_depth": {"image": 2}, **options})


@register(
    "mavil",
    title="MAViL",
    paper="Huang et al., MAViL: Masked Audio-Video Learners, NeurIPS 2023, arXiv 2212.08071",
    presets={
        "tiny": mavil_tiny,
        "base": mavil_base,
        "small_clips": mavil_small_clips,
        "cav_mae_base": cav_mae_base,
        "cav_mae_small_clips": cav_mae_small_clips,
        "cav_mae_tiny": cav_mae_tiny,
    },
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
        projection_dim: Width in which features are contrasted; None contrasts them as they are.
        target_norm: Normalisation of patches that are regressed; None regresses values as the encoder expects them.
        teacher: An encoder of the first stage: its fused tokens are regressed in place of patches (second stage).
        class_token: Whether and where each kind has one.
        kind_tokens: Adds a learned vector to all tokens of a kind, in the encoder and in a joint decoder.
        kind_norms: Whether fused blocks have norms of their own for each kind by itself. Contrast is then of what
            these blocks give of each kind, not of what is before them.
        decoder: One for each kind (``separate``), or a ``joint`` one over the tokens of all, as deep as the deepest.
        one_way: Whether contrast between kinds looks for the earlier of two by the later one, and not both ways.
        mlp_ratio: MLP width over width.
        norm_eps: LayerNorm epsilon.

    Raises:
        ValueError: If the teacher is of other kinds or patches, or a name or a choice is not known.
    """

    teacher: FrozenTeacher | None
    decoder: StreamDecoder | None

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
        projection_dim: int | None = 768,
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        teacher: FusedEncoder | None = None,
        class_token: ClassToken = "first",
        kind_tokens: bool = False,
        kind_norms: bool = False,
        decoder: Decoding = "separate",
        one_way: bool = False,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        check_choice(decoder, get_args(Decoding), name="decoder")
        self.encoder = FusedEncoder(
            streams=streams,
            fusion="mid",
            fusion_layers=fusion_layers,
            embed_dim=embed_dim,
            depth=depth + fusion_layers,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            class_token=class_token,
            stream_norm=False,
            fused_norm=kind_norms,
            kind_norms=kind_norms,
            kind_tokens=kind_tokens,
        )
        vits = self.encoder.vits
        readings: dict[str, Reading] = one_each(reading, names=vits, what="reading", default="global")
        depths = one_each(decoder_depth, names=vits, what="decoder_depth", default=0)
        ratios = one_each(mask_ratio, names=vits, what="mask_ratio")
        self.norms = norms(vits, dim=embed_dim, norm_eps=None if kind_norms else norm_eps)
        sizes: dict[str, Any] = {"dim": decoder_dim, "num_heads": decoder_heads}
        self.decoder, self.decoders = None, nn.ModuleDict()
        if decoder == "joint":
            sizes |= {"sharing": "joint", "one_entrance": True, "kind_tokens": kind_tokens}
            self.decoder = StreamDecoder(self.encoder, depth=max(depths.values()) or 8, **sizes)
        else:
            self.decoders = own_decoders(vits, reading=readings, depth=depths, **sizes)
        values = {name: embed_dim if teacher else vit.patches.num_values for name, vit in vits.items()}
        self.heads = value_heads(values, dim=decoder_dim, norm_eps=None if self.decoder else norm_eps)
        self.projections = projections(vits, dim=embed_dim, out=projection_dim)
        for part in (self.heads, self.projections):
            initialise_linears(part)
        how: dict[str, Any] = {"hiding": "random", "rounding": "truncate_visible"}
        drawn = {name: masking_of(vit, ratio=ratios[name], **how) for name, vit in vits.items()}
        self.inter_weight, self.inter_temperature, self.one_way = inter_weight, inter_temperature, one_way
        self.intra_weight, self.intra_temperature, self.kind_norms = intra_weight, intra_temperature, kind_norms
        self.maskings = {**drawn, **({name + AGAIN: how for name, how in drawn.items()} if intra_weight else {})}
        self.targets = dict.fromkeys(vits, PatchTarget(norm=target_norm))
        self.teacher = None
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
        prediction = self._decode(self.encoder.fuse(apart, given), masks, given)
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
        return {name: nn.functional.layer_norm(rows, rows.shape[2:], eps=1e-6) for name, rows in tokens.items()}

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`."""
        masks = {name: mask.complete() for name, mask in self.masks(batch, masks).items()}
        given = self.encoder.given(batch)
        if self.teacher is None:
            return self.shown(batch, given, masks, self._decode(self.encoder(batch, masks), masks, given))
        empty = {name: masks[name].hidden(torch.zeros_like(rows)) for name, rows in given.rows.items()}
        shown = self.shown(batch, given, masks, empty)
        return {name: Shown(one.kind, one.given, one.hidden) for name, one in shown.items()}

    def points(self, batch: Batch) -> dict[str, Tensor]:
        """Points by kind in which samples are compared, ``(B, D)``, of all of their tokens."""
        apart = self.encoder.apart(self.encoder.given(batch))
        return {name: rows.squeeze(1) for name, rows in self._points(apart).items()}

    def _decode(self, latent: Mapping[str, Tensor], masks: Masks, given: Given) -> dict[str, Tensor]:
        """Predictions of hidden tokens, ``(B, M, values)`` by name."""
        latent = {name: self.norms[name](rows) for name, rows in latent.items()}
        if self.decoder is not None:
            tokens = self.decoder(latent, masks, given.there)
        else:
            tokens = {name: self.decoders[name](rows, masks[name]) for name, rows in latent.items()}
        return {name: self.heads[name](rows) for name, rows in tokens.items()}

    def _contrasts(self, apart: Mapping[str, Tensor], given: Given, masks: Masks, batch: Batch) -> dict[str, Tensor]:
        points, terms = self._points(apart), dict[str, Tensor]()
        there = dict(zip(self.kinds, self.encoder.available(batch).unbind(dim=1), strict=True))
        groups = batch.get("group")
        if self.inter_weight and len(points) > 1:
            how: dict[str, Any] = {"temperature": self.inter_temperature, "one_way": self.one_way}
            terms["inter"] = self.inter_weight * between_kinds(points, there, groups=groups, **how)
        if self.intra_weight:
            again = self._points(self.encoder.apart(given, {name: masks[name + AGAIN] for name in points}))
            found = between_draws(points, again, there, temperature=self.intra_temperature, groups=groups)
            terms["intra"] = self.intra_weight * found
        return terms

    def _points(self, apart: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Means of visible tokens of each kind by itself, projected: ``(B, 1, D')`` by name."""
        rows = self.encoder.singly(apart) if self.kind_norms else apart
        means = {name: self.encoder.vits[name].pool(tokens, "mean") for name, tokens in rows.items()}
        return {name: self.projections[name](mean).unsqueeze(1) for name, mean in means.items()}

    def _take(self, teacher: FusedEncoder, *, width: int) -> None:
        ours, theirs = ({name: vit.patches for name, vit in of.vits.items()} for of in (self.encoder, teacher))
        if ours != theirs or teacher.dim != width:
            raise ValueError(f"a teacher has its student's kinds, patches and width, not {theirs}, {teacher.dim} wide")
        self.teacher, self.needs = FrozenTeacher(teacher), frozenset({"teacher"})
