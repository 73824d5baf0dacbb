"""VideoMAE: hide nearly all of a clip in tubes through time, encode the rest, regress the hidden cubes.

Paper: Z. Tong, Y. Song, J. Wang, L. Wang, "VideoMAE: Masked Autoencoders are Data-Efficient Learners for
Self-Supervised Video Pre-Training", NeurIPS 2022, arXiv 2203.12602. Reference: MCG-NJU/VideoMAE (14ef8d8), read for
facts only: its licence is non-commercial.

Tokens are cubes of 2 frames x 16 x 16 pixels; positions are one sinusoid over their flattened index; queries and values
have biases and keys have none; the target is each cube, normalised channel by channel.

Deviations: any number of frames, size, cube and channels; pictures for people take the brightness and contrast of a
hidden cube from visible ones, where the reference takes the true ones; the last decoder block runs on hidden tokens
only (same loss, exactly); the mask comes from the step's generator, not from the reader of files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Unpack, get_args

from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind
from medmae.masking.base import Mask, Masks
from medmae.masking.random import RandomMasking
from medmae.masking.tube import TubeMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PixelMethod
from medmae.methods.registry import register
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.nn.positions import FlatSinusoid, LearnedPositions
from medmae.nn.sizes import BlockSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.objectives.cube import CubeNorm
from medmae.objectives.pixel import TargetNorm, masked_mse
from medmae.tokens.patches import per_axis

Hiding = Literal["tube", "random"]
Place = Literal["sinusoid", "learned"]


def videomae_small(**options: Any) -> VideoMAE:
    """ViT-S, 16 frames of 224 px: 24,029,376 parameters."""
    sizes = {"embed_dim": 384, "num_heads": 6, "decoder_dim": 192, "decoder_heads": 3}
    return VideoMAE(**{**sizes, **options})


def videomae_base(**options: Any) -> VideoMAE:
    """ViT-B, 16 frames of 224 px: 94,210,944 parameters."""
    return VideoMAE(**options)


def videomae_large(**options: Any) -> VideoMAE:
    """ViT-L, 16 frames of 224 px: 342,996,992 parameters."""
    sizes = {"embed_dim": 1024, "depth": 24, "num_heads": 16}
    return VideoMAE(**{**sizes, "decoder_dim": 512, "decoder_depth": 12, "decoder_heads": 8, **options})


def videomae_huge(**options: Any) -> VideoMAE:
    """ViT-H, 16 frames of 224 px: 692,487,296 parameters."""
    sizes = {"embed_dim": 1280, "depth": 32, "num_heads": 16}
    return VideoMAE(**{**sizes, "decoder_dim": 640, "decoder_depth": 12, "decoder_heads": 8, **options})


def videomae_small_clips(**options: Any) -> VideoMAE:
    """16 frames of 64 px in cubes of 2 x 8 x 8, an encoder of 6 blocks of width 192 (ours): for a CPU."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6}
    return VideoMAE(**{**sizes, "decoder_dim": 96, "decoder_depth": 2, "decoder_heads": 3, **options})


def videomae_tiny(**options: Any) -> VideoMAE:
    """4 frames of 32 px, for tests."""
    sizes = {"num_frames": 4, "image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 4}
    return VideoMAE(
        **{**sizes, "decoder_dim": 32, "decoder_depth": 2, "decoder_heads": 2, "mask_ratio": 0.75, **options}
    )


@register(
    "videomae",
    title="VideoMAE",
    paper="Tong et al., VideoMAE: Masked Autoencoders are Data-Efficient Learners, NeurIPS 2022, arXiv 2203.12602",
    presets={
        "tiny": videomae_tiny,
        "small": videomae_small,
        "base": videomae_base,
        "large": videomae_large,
        "huge": videomae_huge,
        "small_clips": videomae_small_clips,
    },
)
class VideoMAE(PixelMethod):
    """The reference composition, on ``{"image": (B, C, T, H, W)}``.

    Args:
        num_frames: T.
        image_size: Height and width; an integer means a square.
        tubelet_size: Frames of a cube.
        patch_size: Height and width of a cube.
        decoder_dim: Decoder width.
        decoder_depth: Decoder blocks.
        decoder_heads: Decoder heads.
        positions: Of the encoder: ``sinusoid``, or ``learned`` from the start; the decoder's are a sinusoid.
        masking: ``tube`` hides a place at all times, ``random`` hides cubes one by one (the authors' ablation).
        mask_ratio: Share that is hidden, 0.75 to 0.95 in the paper.
        target_norm: Normalisation of the target cubes; None regresses the clip in its own units. ``min_std`` in it
            spares cubes that are constant, such as black borders.
        encoder: Sizes of the encoder; see :class:`medmae.nn.sizes.BlockSizes`. One channel is for clips in grey. The
            published networks expect the scale ``imagenet``.

    Raises:
        ValueError: If cubes do not tile the clip, or a choice is not known.
    """

    target_scaled = False
    no_weight_decay = frozenset({"mask_token", "pos_embed"})

    def __init__(
        self,
        *,
        num_frames: int = 16,
        image_size: int | Sequence[int] = 224,
        tubelet_size: int = 2,
        patch_size: int | Sequence[int] = 16,
        decoder_dim: int = 384,
        decoder_depth: int = 4,
        decoder_heads: int = 6,
        positions: Place = "sinusoid",
        masking: Hiding = "tube",
        mask_ratio: float = 0.9,
        target_norm: TargetNorm | None = CubeNorm(),  # noqa: B008 - frozen
        **encoder: Unpack[BlockSizes],
    ) -> None:
        super().__init__()
        check_choice(masking, get_args(Hiding), name="masking")
        check_choice(positions, get_args(Place), name="positions")
        self.encoder = MaskedViT(
            image_size=(num_frames, *per_axis(image_size, ndim=2, name="image_size")),
            patch_size=(tubelet_size, *per_axis(patch_size, ndim=2, name="patch_size")),
            **sized(encoder),
            qkv_bias="query_value",
            class_token="none",
            positions=FlatSinusoid() if positions == "sinusoid" else LearnedPositions(),
            patch_init="convolution",
            kind=Kind.clip(channels=encoder.get("in_channels", 3)),
        )
        self.patches = self.encoder.patches
        self.decoder = MaskedDecoder(
            self.encoder,
            dim=decoder_dim,
            depth=decoder_depth,
            num_heads=decoder_heads,
            positions=FlatSinusoid(),
            embed_bias=False,
        )
        nn.init.trunc_normal_(self.decoder.mask_token, std=0.02, a=-0.02, b=0.02)  # cut at one deviation
        self.head = PatchHead(dim=decoder_dim, num_values=self.patches.num_values, norm_eps=self.encoder.norm_eps)
        self.masking = (
            TubeMasking(grid=self.patches.grid, ratio=mask_ratio)
            if masking == "tube"
            else RandomMasking(num_tokens=self.patches.num_tokens, ratio=mask_ratio, rounding="truncate_hidden")
        )
        self.target_norm = target_norm

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`."""
        mask, name = self.mask(batch, masks, generator=generator), self.kind.name
        cubes = self.patches.patchify(self.data(batch))  # (B, N, P), in the clip's own units
        target = self.target(mask.hidden(cubes))  # (B, M, P)
        prediction = self._decode(cubes if self.encoder.scaling.identity else self.rows(batch), mask)  # (B, M, P)
        loss = masked_mse(prediction, target)
        return StepOutput.of(terms={name: loss}, prediction={name: prediction}, masks={name: mask})

    def predict(self, batch: Batch, mask: Mask) -> Tensor:
        """Predictions for all tokens in raster order ``(B, N, P)``; zeros for visible ones, which nobody predicts."""
        mask = mask.complete()
        hidden = self._decode(self.rows(batch), mask)
        return mask.restore(hidden.new_zeros(len(hidden), mask.num_visible, hidden.shape[2]), hidden)

    def _decode(self, rows: Tensor, mask: Mask) -> Tensor:
        latent = self.encoder.forward_patches(rows, mask.visible)  # (B, V, D)
        return self.head(self.decoder(latent, mask))  # (B, M, P)
