"""Audio-MAE: MAE on spectrograms, most of whose patches are hidden, with a decoder that reads neighbours alone.

Paper: P.-Y. Huang, H. Xu, J. Li, A. Baevski, M. Auli, W. Galuba, F. Metze, C. Feichtenhofer, "Masked Autoencoders that
Listen", NeurIPS 2022, arXiv 2207.06405. Reference: facebookresearch/AudioMAE (bd60e29), read for facts only: its
licence is non-commercial.

Spectrograms are Kaldi's (``medmae.tokens.spectrogram.kaldi``), time first, brought to what the network expects by the
scale ``audiomae``; a patch is 16 frames of 16 bands; the target is each patch, normalised.

Deviations: any size and channels; positions say where a token stands, where those of the published weights are of the
grid turned over and tell tokens apart and no more (``turned_positions``); the decoder's network of positions has no
dropout; the last block of the global decoder runs on hidden tokens only (same loss, exactly); pictures for people take
the level of a hidden patch from visible ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack, get_args

from torch import Tensor

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Mask
from medmae.masking.lines import LineMasking
from medmae.masking.random import RandomMasking
from medmae.methods.pixels import DecodedMethod
from medmae.methods.registry import register
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import SinCos
from medmae.nn.sizes import BlockSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.nn.window_decoder import WindowDecoder
from medmae.objectives.pixel import TargetNorm
from medmae.tokens.patches import per_axis

Reading = Literal["window", "global"]


def audio_mae_base(**options: Any) -> AudioMAE:
    """ViT-B, 10.24 s of 128 bands, the published run: 136,992,768 parameters, 111,656,448 with a global decoder."""
    return AudioMAE(**options)


def audio_mae_large(**options: Any) -> AudioMAE:
    """ViT-L: 354,576,640 parameters, 329,240,320 with a global decoder."""
    return AudioMAE(**{"embed_dim": 1024, "depth": 24, "num_heads": 16, **options})


def audio_mae_small(**options: Any) -> AudioMAE:
    """ViT-S, with the published decoder."""
    return AudioMAE(**{"embed_dim": 384, "num_heads": 6, **options})


def audio_mae_small_sounds(**options: Any) -> AudioMAE:
    """2.56 s of 64 bands in patches of 8, an encoder of 6 blocks of width 192 (ours): for a CPU."""
    sizes = {"frames": 256, "bands": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6}
    return AudioMAE(**{**sizes, "decoder_dim": 96, "decoder_depth": 4, "decoder_heads": 3, **options})


def audio_mae_tiny(**options: Any) -> AudioMAE:
    """64 frames of 32 bands, for tests."""
    sizes = {"frames": 64, "bands": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 4}
    return AudioMAE(**{**sizes, "decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 2, **options})


@register(
    "audio_mae",
    title="Audio-MAE",
    paper="Huang et al., Masked Autoencoders that Listen, NeurIPS 2022, arXiv 2207.06405",
    presets={
        "tiny": audio_mae_tiny,
        "small": audio_mae_small,
        "base": audio_mae_base,
        "large": audio_mae_large,
        "small_sounds": audio_mae_small_sounds,
    },
)
class AudioMAE(DecodedMethod):
    """The reference composition, on ``{"audio": (B, C, frames, bands)}``.

    Args:
        frames: In time; 1024 are 10.24 s.
        bands: Of frequency.
        patch_size: Frames and bands of a patch; an integer means a square.
        decoder: ``window``: blocks of attention within windows, every second one's moved along time; ``global``: MAE's.
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks; None is 16 of windows, 8 global ones.
        decoder_heads: Decoder heads.
        window_size: Tokens of a window along each axis.
        mask_ratio: Share that is hidden, one by one.
        line_ratios: Hides whole stretches of time and whole bands instead: shares of both, 0.7 and 0.3 in the paper's
            study; None hides patches one by one.
        turned_positions: Whether tables begin as those of the published weights.
        target_norm: Normalisation of the target patches; None regresses the spectrogram as the encoder expects it.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.BlockSizes`. The published networks expect the scale
            ``audiomae``.

    Raises:
        ValueError: If patches do not tile the spectrogram, windows its patches, or a choice is not known.
    """

    def __init__(
        self,
        *,
        frames: int = 1024,
        bands: int = 128,
        patch_size: int | Sequence[int] = 16,
        decoder: Reading = "window",
        decoder_dim: int = 512,
        decoder_depth: int | None = None,
        decoder_heads: int = 16,
        window_size: int = 4,
        mask_ratio: float = 0.8,
        line_ratios: Sequence[float] | None = None,
        turned_positions: bool = False,
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        **encoder: Unpack[BlockSizes],
    ) -> None:
        super().__init__()
        check_choice(decoder, get_args(Reading), name="decoder")
        channels = encoder.setdefault("in_channels", 1)
        self.encoder = MaskedViT(
            image_size=(frames, bands),
            patch_size=per_axis(patch_size, ndim=2, name="patch_size"),
            **sized(encoder),
            positions=SinCos(turned=turned_positions),
            kind=Kind.spectrogram(channels=channels),
        )
        self.patches = self.encoder.patches
        sizes: dict[str, Any] = {"dim": decoder_dim, "num_heads": decoder_heads}
        self.decoder: WindowDecoder | MaskedDecoder = (
            WindowDecoder(self.encoder, depth=decoder_depth or 16, window=window_size, **sizes)
            if decoder == "window"
            else MaskedDecoder(self.encoder, depth=decoder_depth or 8, **sizes)
        )
        self.head = PatchHead(dim=decoder_dim, num_values=self.patches.num_values, norm_eps=self.encoder.norm_eps)
        self.masking = (
            RandomMasking(num_tokens=self.patches.num_tokens, ratio=mask_ratio)
            if line_ratios is None
            else LineMasking(grid=self.patches.grid, ratios=line_ratios)
        )
        self.target_norm = target_norm

    def decoded(self, rows: Tensor, mask: Mask, *, masked_only: bool = True) -> Tensor:
        """See :meth:`DecodedMethod.decoded`."""
        return self.decoder(self.encoder.forward_patches(rows, mask.visible), mask, masked_only=masked_only)
