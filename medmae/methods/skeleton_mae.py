"""SkeletonMAE (Wu et al.): moments of a skeleton's way, and joints of the others, are hidden and rebuilt.

Paper: W. Wu, Y. Hua, C. Zheng, S. Wu, C. Chen, A. Lu, "SkeletonMAE: Spatial-Temporal Masked Autoencoders for
Self-supervised Skeleton Action Recognition", ICME Workshops 2023, arXiv 2209.02399. Reference: none is public; the
plain autoencoder of maoyunyao/MAMP (09e6252), which later papers evaluate under this name. Not the SkeletonMAE of Yan
et al. (ICCV 2023), which has graphs of single poses.

Deviations: with STTFormer as a backbone, which the paper is said to have, hidden moments are left out and hidden joints
replaced, and the decoder is of the same blocks (inferred); shares of hidden moments and joints are ours, as the paper's
were not at hand; targets are normalised over a sequence and not over a token (``target``); a sample is a person, and
who is absent is no sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Mask, Masks, Rounding
from medmae.masking.joints import JointFrameMasking, JointMode, motion_order
from medmae.masking.random import RandomMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PatchMethod
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import LearnedPositions
from medmae.nn.sizes import BlockSizes, sized
from medmae.nn.skeletons import NTU_PARTS, SKELETON
from medmae.nn.sttformer import MaskedSTT, STTFormer
from medmae.nn.vit import MaskedViT
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.objectives.sequence import SequenceNorm, motion_of

Target = Literal["sequence", "token", "none", "motion"]
Choice = Literal["joints_and_frames", "random", "motion"]
Backbone = Literal["vit", "sttformer"]


def skeleton_mae_ntu60(**options: Any) -> SkeletonMAE:
    """120 frames of 25 joints, 750 tokens: 8,789,004 parameters."""
    return SkeletonMAE(**options)


def skeleton_mae_ntu120(**options: Any) -> SkeletonMAE:
    """With a decoder of 5 blocks: 10,368,524 parameters."""
    return SkeletonMAE(**{"decoder_depth": 5, **options})


def skeleton_mae_sttformer(**options: Any) -> SkeletonMAE:
    """20 tuples of 6 frames of 25 joints, STTFormer's 8 blocks, and 3 to decode."""
    return SkeletonMAE(**{"backbone": "sttformer", "token_frames": 6, **options})


def skeleton_mae_small(**options: Any) -> SkeletonMAE:
    """48 frames of 20 joints (Kinect v1), 4 blocks of width 96 (ours)."""
    sizes = {"frames": 48, "joints": 20, "embed_dim": 96, "depth": 4, "num_heads": 4, "parts": None}
    return SkeletonMAE(**{**sizes, "decoder_dim": 96, "decoder_depth": 2, "decoder_heads": 4, **options})


def skeleton_mae_tiny(**options: Any) -> SkeletonMAE:
    """16 frames of 5 joints, for tests."""
    sizes = {"frames": 16, "joints": 5, "embed_dim": 24, "depth": 2, "num_heads": 2, "parts": None}
    return SkeletonMAE(**{**sizes, "decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2, **options})


@register(
    "skeleton_mae",
    title="SkeletonMAE (Wu et al.)",
    paper="Wu et al., SkeletonMAE: Spatial-Temporal Masked Autoencoders for Self-supervised Skeleton Action "
    "Recognition, ICMEW 2023, arXiv 2209.02399",
    presets={
        "tiny": skeleton_mae_tiny,
        "ntu60": skeleton_mae_ntu60,
        "ntu120": skeleton_mae_ntu120,
        "sttformer": skeleton_mae_sttformer,
        "small": skeleton_mae_small,
    },
)
class SkeletonMAE(PatchMethod):
    """A ViT over tokens of a few frames of one joint, with a position of each joint and one of each moment.

    Args:
        frames: T.
        joints: V.
        token_frames: Frames of a token, or of a tuple of ``sttformer``; they tile T.
        backbone: ``vit`` over tokens of one joint; or ``sttformer``, whose sizes are the published ones.
        decoder_dim: Width of the decoder.
        decoder_depth: Its blocks.
        decoder_heads: Its attention heads.
        mask: ``joints_and_frames``; ``random`` tokens; or ``motion``: those that move most are likeliest hidden (MAMP).
        frame_ratio: Share of moments that are hidden whole.
        joint_ratio: Share of joints that are hidden at the others.
        joint_mode: See :class:`medmae.masking.joints.JointFrameMasking`.
        parts: Joints of each part of the body, for ``joint_mode="parts"``.
        mask_ratio: Share of tokens hidden, of the two other masks.
        rounding: How it becomes a count; ``truncate_visible`` as published, which keeps 74 of 750 at 0.9.
        motion_temperature: Of ``mask="motion"``.
        target: ``sequence``: coordinates normalised over the sequence; ``token``: over each token (published);
            ``none``: as they are; ``motion``: their change to the next frame, of which no skeleton can be made.
        kind: What it takes.
        encoder: Sizes of its blocks.
    """

    def __init__(
        self,
        *,
        frames: int = 120,
        joints: int = 25,
        token_frames: int = 4,
        backbone: Backbone = "vit",
        decoder_dim: int = 256,
        decoder_depth: int = 3,
        decoder_heads: int = 8,
        mask: Choice = "joints_and_frames",
        frame_ratio: float = 0.4,
        joint_ratio: float = 0.6,
        joint_mode: JointMode = "tube",
        parts: Sequence[Sequence[int]] | None = NTU_PARTS,
        mask_ratio: float = 0.9,
        rounding: Rounding = "nearest",
        motion_temperature: float = 0.75,
        target: Target = "sequence",
        kind: Kind = SKELETON,
        **encoder: Unpack[BlockSizes],
    ) -> None:
        super().__init__()
        check_choice(mask, get_args(Choice), name="mask")
        check_choice(target, get_args(Target), name="target")
        check_choice(backbone, get_args(Backbone), name="backbone")
        sizes: dict[str, Any] = {"embed_dim": 256, "depth": 8, "num_heads": 8, "norm_eps": 1e-5, **sized(encoder)}
        if backbone == "sttformer":
            if more := encoder.keys() - {"scale"}:
                raise ValueError(f"STTFormer has sizes of its own: leave {', '.join(sorted(more))} out")
            tuples = STTFormer(
                frames=frames, joints=joints, tuple_frames=token_frames, kind=kind, scale=sizes.get("scale")
            )
            self.encoder: MaskedViT | STTFormer = tuples  # type: ignore[assignment]
            self.decoder: MaskedDecoder | MaskedSTT = MaskedSTT(tuples)
        else:
            vit = MaskedViT(
                **{**sizes, "in_channels": len(kind.channels)},
                image_size=(frames, joints),
                patch_size=(token_frames, 1),
                class_token="none",
                positions=LearnedPositions(per_axis=True),
                kind=kind,
            )
            self.encoder, values = vit, vit.patches.num_values
            self.decoder = MaskedDecoder(vit, dim=decoder_dim, depth=decoder_depth, num_heads=decoder_heads)
            self.head = PatchHead(dim=decoder_dim, num_values=values, norm_eps=vit.norm_eps)
        self.patches = self.encoder.patches
        self.by_motion, self.motion_temperature, self.target = mask == "motion", motion_temperature, target
        self.masking = (
            JointFrameMasking(
                grid=self.patches.grid,
                frame_ratio=frame_ratio,
                joint_ratio=joint_ratio,
                joint_mode=joint_mode,
                parts=parts,
            )
            if mask == "joints_and_frames"
            else RandomMasking(num_tokens=self.patches.num_tokens, ratio=mask_ratio, rounding=rounding)
        )
        self.target_norm = TargetNorm() if target == "token" else None

    @property
    def rebuilds(self) -> frozenset[str]:
        """See :attr:`MaskedMethod.rebuilds`: of motion no skeleton can be made."""
        return frozenset() if self.target == "motion" else frozenset(self.kinds)

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"skeleton": (B, 3, T, V)}``, a sample a person; see :meth:`Method.forward`."""
        rows, name = self.rows(batch), self.kind.name  # (B, N, P)
        mask = self.mask(batch, masks, generator=generator)
        prediction = self.predict(rows, mask)  # (B, M, P)
        loss = masked_mse(prediction, mask.hidden(self.targets(batch)))
        return StepOutput.of(terms={name: loss}, prediction={name: prediction}, masks={name: mask})

    def predict(self, rows: Tensor, mask: Mask) -> Tensor:
        """Predictions of hidden tokens, ``(B, M, P)``, from patches ``(B, N, P)``."""
        if isinstance(self.decoder, MaskedSTT):
            assert isinstance(self.encoder, STTFormer)
            return mask.hidden(self.decoder(self.encoder, self.patches.unpatchify(rows), mask))
        assert isinstance(self.encoder, MaskedViT)
        return self.head(self.decoder(self.encoder.forward_patches(rows, mask.visible), mask))

    def targets(self, batch: Batch) -> Tensor:
        """What is to be predicted of every token, ``(B, N, P)``: frame by frame, coordinates last."""
        data = self.encoder.scaling(self.data(batch))
        if self.target == "sequence":
            data = SequenceNorm()(data)
        elif self.target == "motion":
            data = motion_of(data)
        rows = self.patches.patchify(data)
        return rows if self.target_norm is None else self.target_norm(rows, channels=self.patches.channels)

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`."""
        if not self.by_motion:
            return super().draw_masks(batch, generator=generator)
        data = self.data(batch)
        moved = self.patches.patchify(motion_of(data)).abs().mean(dim=2)  # (B, N)
        uniform = torch.rand(moved.shape, generator=generator).to(moved)
        noise = motion_order(moved, uniform, temperature=self.motion_temperature)
        assert isinstance(self.masking, RandomMasking)
        return {self.kind.name: Mask.from_noise(noise, num_visible=self.masking.num_visible)}

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`; mean and deviation of a sequence come of what is visible and what is said."""
        mask, data = self.mask(batch, masks).complete(), self.data(batch)
        hidden = self.patches.paint(mask.as_bool())
        if self.target == "motion":
            return {self.kind.name: Shown(self.kind, data, hidden)}
        predicted = self.predict(self.rows(batch), mask)
        if self.target != "sequence":
            return {self.kind.name: self.shown(batch, mask, predicted)}
        rows = mask.restore(mask.keep(torch.zeros_like(self.rows(batch))), predicted)
        normed = self.patches.unpatchify(rows)
        scaled, norm = self.encoder.scaling(data), SequenceNorm()
        made, told = (
            torch.where(hidden, self.encoder.scaling.invert(normed * deviation + mean), data)
            for mean, deviation in (norm.completed(scaled, normed, hidden), norm.statistics(scaled))
        )
        return {self.kind.name: Shown(self.kind, data, hidden, made, told)}
