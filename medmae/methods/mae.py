"""MAE: hide most patches, encode the rest, regress the hidden pixels.

Paper: K. He, X. Chen, S. Xie, Y. Li, P. Dollar, R. Girshick, "Masked Autoencoders Are Scalable Vision Learners",
CVPR 2022, arXiv 2111.06377. Reference: facebookresearch/mae (efb2a80).

Deviations: any number of axes (signals, volumes), channels and non-square sizes; the normalised target, which the
published weights use, is on by default; the last decoder block runs on hidden tokens only (same loss, exactly).

Faster variants, NOT the same maths, off by default: ``decode_share`` decodes a random subset of the hidden tokens (the
idea of VideoMAE V2's dual masking, CVPR 2023, arXiv 2303.16727; there the subset is a running cell), and
``decoder="cross"`` is CrossMAE's decoder (TMLR 2025, arXiv 2401.14391). docs/methods/mae.md says what they change.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, get_args

from torch import Tensor

from medmae.errors import check_choice
from medmae.masking.base import Mask, Rounding
from medmae.masking.random import RandomMasking
from medmae.methods.pixels import DecodedMethod
from medmae.methods.registry import register
from medmae.nn.cross_decoder import CrossDecoder
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import AxisOrder, SinCos
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.vit import ClassToken, MaskedViT
from medmae.objectives.pixel import TargetNorm

Decoder = Literal["self", "cross", "cross_last"]


def mae_base(**options: Any) -> MAE:
    """ViT-B/16, 224 px: 111,907,840 parameters."""
    return MAE(**options)


def mae_large(**options: Any) -> MAE:
    """ViT-L/16, 224 px: 329,541,888 parameters."""
    return MAE(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **options})


def mae_huge(**options: Any) -> MAE:
    """ViT-H/14, 224 px: 657,074,508 parameters."""
    return MAE(**{"patch_size": 14, "embed_dim": 1280, "depth": 32, "num_heads": 16, **options})


def mae_small(**options: Any) -> MAE:
    """ViT-S/16, 224 px, with MAE's decoder."""
    return MAE(**{"embed_dim": 384, "num_heads": 6, **options})


def mae_fast_subset(**options: Any) -> MAE:
    """``mae_base`` that decodes a random half of the hidden tokens: faster, NOT the same maths."""
    return MAE(**{"decode_share": 0.5, **options})


def mae_fast_cross(**options: Any) -> MAE:
    """``mae_base`` with CrossMAE's decoder, a third of the hidden tokens (a quarter of all): NOT the same maths."""
    return MAE(**{"decoder": "cross", "decoder_depth": 12, "decode_share": 1 / 3, **options})


def mae_small_decoder(**options: Any) -> MAE:
    """``mae_base`` with a decoder of 4 blocks of width 256, for small images: a smaller network, faster."""
    return MAE(**{"decoder_dim": 256, "decoder_depth": 4, "decoder_heads": 8, **options})


def mae_tiny(**options: Any) -> MAE:
    """32 px, for tests."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 4}
    return MAE(**{**sizes, "decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 4, **options})


@register(
    "mae",
    title="MAE",
    paper="He et al., Masked Autoencoders Are Scalable Vision Learners, CVPR 2022, arXiv 2111.06377",
    presets={
        "tiny": mae_tiny,
        "base": mae_base,
        "large": mae_large,
        "huge": mae_huge,
        "small": mae_small,
        "fast_subset": mae_fast_subset,
        "fast_cross": mae_fast_cross,
        "small_decoder": mae_small_decoder,
    },
)
class MAE(DecodedMethod):
    """The reference composition.

    Args:
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks.
        decoder_heads: Decoder heads.
        class_token: Place of the class token.
        axis_order: Order of axes in the position tables.
        mask_ratio: Share of patches hidden.
        rounding: How the ratio becomes a count.
        target_norm: Normalisation of the target patches; None regresses raw pixels.
        decoder: ``self`` is MAE's. ``cross`` and ``cross_last`` are variants without self-attention: hidden tokens read
            learned combinations of the encoder's stages (CrossMAE), or its output.
        decode_share: Share of the hidden tokens decoded in a step, a random subset; the loss is over those. Below 1 a
            variant. Pictures and figures of merit always decode all.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.EncoderSizes`.
    """

    def __init__(
        self,
        *,
        decoder_dim: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        class_token: ClassToken = "first",
        axis_order: AxisOrder = "last_first",
        mask_ratio: float = 0.75,
        rounding: Rounding = "truncate_visible",
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        decoder: Decoder = "self",
        decode_share: float = 1.0,
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        check_choice(decoder, get_args(Decoder), name="decoder")
        self.encoder = MaskedViT(**sized(encoder), class_token=class_token, positions=SinCos(axis_order))
        self.patches = self.encoder.patches
        sizes: dict[str, Any] = {"dim": decoder_dim, "depth": decoder_depth, "num_heads": decoder_heads}
        self.decoder = (
            MaskedDecoder(self.encoder, **sizes)
            if decoder == "self"
            else CrossDecoder(self.encoder, **sizes, inter_block=decoder == "cross")
        )
        self.head = PatchHead(dim=decoder_dim, num_values=self.patches.num_values, norm_eps=self.encoder.norm_eps)
        self.masking = RandomMasking(
            num_tokens=self.patches.num_tokens, ratio=mask_ratio, rounding=rounding, decode_share=decode_share
        )
        self.target_norm = target_norm

    def decoded(self, rows: Tensor, mask: Mask, *, masked_only: bool = True) -> Tensor:
        """See :meth:`DecodedMethod.decoded`."""
        if isinstance(self.decoder, CrossDecoder):
            return self.decoder(self.encoder.forward_intermediates(rows, mask.visible), mask, masked_only=masked_only)
        latent = self.encoder.forward_patches(rows, mask.visible)  # (B, 1 + V, D)
        return self.decoder(latent, mask, masked_only=masked_only)
