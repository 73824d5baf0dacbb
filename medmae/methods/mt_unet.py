"""MT-UNet: one MR contrast out of another, on an encoder pre-trained by Edge-MAE (stage 2 of SLMT-Net).

Paper: Y. Li, T. Zhou, K. He, Y. Zhou, D. Shen, "Multi-scale Transformer Network with Edge-aware Pre-training for
Cross-Modality MR Image Synthesis", IEEE TMI 2023, doi 10.1109/TMI.2023.3288001, arXiv 2212.01108.
Reference: lyhkevin/MT-Net (c08afea).

The encoder sees every token and no class token; a frozen second copy, the feature extractor, tells whether the
synthetic picture has the features of the true one.

Deviations: the quarter of the published generator that never gets a gradient is not built (an importer accepts and
reports it), nor is the class token trained; ``freeze_blocks`` is 0 as in the code (6 in the paper's text). Ours are
volumes, ``neighbours`` (2.5-d input), ``num_contrasts`` (any contrasts in, any missing ones out),
``initial_brightness`` and the practical form, ``decoder="conv_unet"``: pixels reach the picture beside tokens, and with
``encoder_size`` at their own resolution, with ``keep_background`` and ``squared_weight``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.masking.base import Masks
from medmae.masking.subset import draw_subset
from medmae.methods.base import Batch, Method, StepOutput, entry
from medmae.methods.registry import register
from medmae.nn.contrasts import ContrastMean
from medmae.nn.conv_unet import ConvUNet
from medmae.nn.heads import only_given, paste_given
from medmae.nn.init import start_at
from medmae.nn.resized import Resized
from medmae.nn.swin_unet import SwinUNet
from medmae.nn.vit import MaskedViT
from medmae.objectives.feature import feature_consistency
from medmae.objectives.lesion import lesion_weights, weighted_error
from medmae.tokens.frame import Frame
from medmae.tokens.patches import Patches, per_axis

Decoder = Literal["swin_unet", "conv_unet"]


def mt_unet_paper(**options: Any) -> MTUNet:
    """256 px, on ``edge_mae_paper``: 102,726,422 parameters beside the encoder (136,852,825 with the unused ones)."""
    return MTUNet(**options)


def mt_unet_volume(**options: Any) -> MTUNet:
    """Crops of 32 x 96 x 96 voxels, on ``edge_mae_volume``: three stages, windows of up to 4 x 4 x 4 (ours)."""
    sizes = {"image_size": (32, 96, 96), "unet_depths": (2, 2, 2), "unet_heads": (8, 8, 16), "window_size": 4}
    return MTUNet(**{**sizes, **options})


def mt_unet_demo(**options: Any) -> MTUNet:
    """112 px (or more), on ``edge_mae_demo`` at 96: the practical form, for minutes on two cores (ours)."""
    sizes = {"image_size": 112, "patch_size": 12, "depth": 6, "num_heads": 4, "initial_brightness": 0.15}
    conv = {"decoder": "conv_unet", "conv_channels": (8, 16, 32, 64), "encoder_size": 96, "keep_background": True}
    swin = {"unet_depths": (2, 2), "unet_heads": (4, 8)}
    loss = {"image_weight": 0.0, "squared_weight": 50_000.0}
    return MTUNet(**{**sizes, **conv, **loss, **swin, **options})


def mt_unet_tiny(**options: Any) -> MTUNet:
    """64 px, on ``edge_mae_tiny``, for tests."""
    sizes = {"image_size": 64, "embed_dim": 32, "depth": 2, "num_heads": 4}
    return MTUNet(**{**sizes, "unet_depths": (2, 2, 2), "unet_heads": (2, 2, 4), "window_size": 4, **options})


@register(
    "mt_unet",
    title="MT-UNet (SLMT-Net, stage 2)",
    paper="Li et al., Multi-scale Transformer Network with Edge-aware Pre-training, IEEE TMI 2023, arXiv 2212.01108",
    presets={"tiny": mt_unet_tiny, "demo": mt_unet_demo, "paper": mt_unet_paper, "volume": mt_unet_volume},
)
class MTUNet(Method):
    """Two-branch Swin U-Net on the tokens of a pre-trained encoder.

    After construction load the pre-trained weights into encoder and feature extractor alike:
    :func:`medmae.weights.pretrained.load_encoder` with ``into=["encoder", "feature_extractor"]``.

    Args:
        image_size: Extent of pictures along each axis; an integer means a square slice, three of them a volume.
        patch_size: Extent of a patch along each axis, even.
        embed_dim: Width of the encoder, and of the U-Net's first stage.
        depth: Encoder blocks.
        num_heads: Encoder heads.
        decoder: ``swin_unet`` makes the picture of tokens alone, as published; ``conv_unet`` (ours, the practical form)
            of the picture that is given, by convolutions, with the tokens where these are coarsest: see
            :class:`medmae.nn.conv_unet.ConvUNet`.
        conv_channels: Width of each stage of ``conv_unet``, the full resolution first.
        encoder_size: What the encoder sees (ours): pictures resized to these extents, as it was pre-trained, while
            ``conv_unet`` takes them in their own pixels, zero-padded to ``image_size``, and any larger ones, too. None
            gives both the same, resized to ``image_size`` by whoever brings them.
        unet_depths: Swin blocks of each stage of ``swin_unet``, to which alone the next two belong, too.
        unet_heads: Heads of each stage.
        window_size: Longest window along an axis.
        mlp_ratio: MLP width over width, in both.
        norm_eps: LayerNorm epsilon.
        keep_background: What is 0 in all that is given stays 0 (ours; of ``conv_unet``): neither the network nor its
            losses spend anything on it, and no sigmoid, which never reaches 0, has to get there.
        image_weight: Factor of the mean absolute error in the total.
        squared_weight: Factor of the mean squared error (ours), which asks for the mean of what is possible where the
            absolute one asks for the median: lesions that look like tissue are the lesser part of either.
        lesion_weight: How much more than other pixels those of lesions, and what touches them, weigh in both errors
            (ours), where batches say as ``"lesion"`` which ones these are: of a head they are thousandths, too few to
            be learnt in short trainings. 0 needs no such entry.
        feature_weight: Factor of the feature consistency; 0 builds no feature extractor.
        freeze_blocks: Encoder blocks, counted from the input, that stay as pre-trained, with the patch embedding.
        neighbours: Slices on each side that the network sees beside the one to translate (ours); 0 in the paper.
        num_contrasts: C; builds the any-to-any form (ours), with batches ``{"image", "available"}``.
        initial_brightness: What an untrained network shows everywhere, in (0, 1); None is the paper's medium grey. Near
            the mean of the targets it saves the hundreds of steps in which all pixels are driven to black first.

    Raises:
        ValueError: If sizes do not suit each other, or options exclude each other.
    """

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] = 256,
        patch_size: int | Sequence[int] = 8,
        embed_dim: int = 128,
        depth: int = 12,
        num_heads: int = 16,
        decoder: Decoder = "swin_unet",
        conv_channels: Sequence[int] = (16, 32, 64, 128),
        encoder_size: int | Sequence[int] | None = None,
        keep_background: bool = False,
        unet_depths: Sequence[int] = (2, 2, 2, 2),
        unet_heads: Sequence[int] = (8, 8, 16, 32),
        window_size: int = 8,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-5,
        image_weight: float = 10_000.0,
        squared_weight: float = 0.0,
        lesion_weight: float = 0.0,
        feature_weight: float = 1.0,
        freeze_blocks: int = 0,
        neighbours: int = 0,
        num_contrasts: int | None = None,
        initial_brightness: float | None = None,
    ) -> None:
        super().__init__()
        check_choice(decoder, get_args(Decoder), name="decoder")
        if neighbours < 0:
            raise ValueError(f"neighbours must be at least 0, got {neighbours}")
        if not (image_weight or squared_weight):
            raise ValueError("image_weight and squared_weight are both 0: nothing says what the picture should be")
        if decoder != "conv_unet" and (encoder_size is not None or keep_background):
            raise ValueError(
                f"encoder_size = {encoder_size} and keep_background = {keep_background} are for decoder='conv_unet': "
                "what makes pictures of tokens alone has their size, and sees no background"
            )

        def vit(channels: int) -> MaskedViT:
            sizes = {"embed_dim": embed_dim, "depth": depth, "num_heads": num_heads, "mlp_ratio": mlp_ratio}
            seen = image_size if encoder_size is None else encoder_size
            shape = {"image_size": seen, "patch_size": patch_size, "in_channels": channels}
            return MaskedViT(**shape, **sizes, norm_eps=norm_eps)  # type: ignore[arg-type]

        self.encoder = vit(1 + 2 * neighbours)
        self.patches = self.encoder.patches
        size = per_axis(image_size, ndim=self.patches.ndim, name="image_size")
        self.frame = Frame(size, resize=encoder_size is None)
        self.encoder_view = nn.Identity() if encoder_size is None else Resized(self.patches.size)
        _check(self.patches, depth, freeze_blocks=freeze_blocks, neighbours=neighbours, num_contrasts=num_contrasts)
        _freeze(self.encoder, blocks=freeze_blocks)
        self.feature_extractor = vit(1).requires_grad_(False) if feature_weight else None
        self.contrasts = ContrastMean(num_contrasts=num_contrasts, dim=embed_dim) if num_contrasts else None
        shapes: dict[str, Any] = {"grid": self.patches.grid, "embed_dim": embed_dim, "out_channels": num_contrasts or 1}
        self.unet: SwinUNet | ConvUNet
        if decoder == "conv_unet":
            seen = 2 * num_contrasts if num_contrasts else self.patches.channels
            own = (0, num_contrasts) if num_contrasts else (neighbours, neighbours + 1)
            background = own if keep_background else None
            self.unet = ConvUNet(**shapes, in_channels=seen, channels=conv_channels, background=background)
        else:
            swin: dict[str, Any] = {"depths": unet_depths, "num_heads": unet_heads, "window_size": window_size}
            self.unet = SwinUNet(**shapes, patch=self.patches.patch, **swin, mlp_ratio=mlp_ratio, norm_eps=norm_eps)
        if initial_brightness is not None:
            last = self.unet.head.pred if isinstance(self.unet, SwinUNet) else self.unet.head
            start_at(last, brightness=initial_brightness)
        self.image_weight, self.squared_weight, self.feature_weight = image_weight, squared_weight, feature_weight
        self.lesion_weight = lesion_weight
        self.neighbours, self.num_contrasts = neighbours, num_contrasts
        self.needs = frozenset(() if num_contrasts else ("target",)) | frozenset(("lesion",) if lesion_weight else ())

    @property
    def block(self) -> int:
        """Edge in pixels of what its pictures are made of: patches, or what the coarsest convolutions see as one."""
        if isinstance(self.unet, ConvUNet) and not self.frame.resize:
            return self.unet.coarsest
        return self.patches.patch[0]

    @property
    def teachers(self) -> Mapping[str, nn.Module]:
        """See :attr:`Method.teachers`."""
        return {} if self.feature_extractor is None else {"feature_extractor": self.feature_extractor}

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step; see :meth:`Method.forward`.

        Args:
            batch: ``{"image": (B, 1 + 2k, *size), "target": (B, 1, *size)}``; or, any-to-any, ``{"image": (B, C,
                *size), "available": (B, C) bool}``, at least two in each row: a random part of them is given, and the
                loss is taken on the others. With ``encoder_size`` any size will do.
            generator: Draws what is given.
            masks: Has to be None.
            progress: Not used.
        """
        if masks:
            raise ValueError("MT-UNet hides nothing: it takes no mask")
        weight = lesion_weights(entry(batch, "lesion"), more=self.lesion_weight) if self.lesion_weight else None
        if self.contrasts is None:
            picture, target = self.predict(batch["image"]), entry(batch, "target")
            return self._step(picture, picture, target, weight=weight)
        available = entry(batch, "available")
        given = draw_subset(available, generator=generator)
        picture, wanted = self.predict(batch["image"], given), available & ~given
        if weight is not None:
            weight = weight.expand_as(picture)[wanted].unsqueeze(1)
        return self._step(picture, picture[wanted].unsqueeze(1), batch["image"][wanted].unsqueeze(1), weight=weight)

    def predict(self, image: Tensor, given: Tensor | None = None) -> Tensor:
        """What the U-Net makes of a picture, or of the contrasts that are given: ``(B, C, *size)``."""
        if (given is None) != (self.contrasts is None):
            raise ValueError("given belongs to a method built with num_contrasts, and such a method needs it")
        if self.contrasts is None or given is None:
            return self.unet(self.encoder(self.encoder_view(image), use_class_token=False), image)
        seen = self.encoder_view(image)
        Patches(self.patches.size, self.patches.patch, self.unet.out_channels).check(seen)
        if given.shape != image.shape[:2] or not bool(given.any(dim=1).all()):
            raise ValueError(f"given must be {tuple(image.shape[:2])} with at least one contrast a sample, got {given}")
        tokens = self.encoder(seen[given].unsqueeze(1), use_class_token=False)  # (K, N, D)
        return self.unet(self.contrasts(tokens, given), only_given(image, given))

    @torch.no_grad()
    def synthesise(self, image: Tensor, given: Tensor | None = None) -> Tensor:
        """The synthetic picture.

        Args:
            image: ``(B, 1 + 2k, *size)``, or ``(B, C, *size)`` where any contrast may be missing.
            given: ``(B, C)`` bool, which ones are not; only for methods built with ``num_contrasts``.

        Returns:
            ``(B, 1, *size)`` in (0, 1), or ``(B, C, *size)`` with what was given as it is.
        """
        picture = self.predict(image, given)
        return picture if given is None else paste_given(picture, image, given)

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`."""
        channels = self.num_contrasts or self.patches.channels
        image = torch.rand(batch_size, channels, *self.frame.size, generator=generator)
        batch, one = {"image": image}, (batch_size, 1, *self.frame.size)
        if self.contrasts is not None:
            batch["available"] = torch.ones(batch_size, channels, dtype=torch.bool)
        else:
            batch["target"] = torch.rand(one, generator=generator)
        return batch | ({"lesion": torch.rand(one, generator=generator)} if self.lesion_weight else {})

    def _step(self, picture: Tensor, found: Tensor, target: Tensor, *, weight: Tensor | None) -> StepOutput:
        """The loss of pictures ``(K, 1, *size)``; ``picture`` is what is shown of them."""
        if found.shape != target.shape:
            raise ValueError(f"the target must be {tuple(found.shape)}, got {tuple(target.shape)}")
        terms: dict[str, Tensor] = {}
        if self.image_weight:
            terms["image"] = self.image_weight * weighted_error(F.l1_loss, found, target, weight)
        if self.squared_weight:
            terms["squared"] = self.squared_weight * weighted_error(F.mse_loss, found, target, weight)
        if self.feature_extractor is not None:
            pair = self.encoder_view(found), self.encoder_view(target)
            terms["feature"] = self.feature_weight * feature_consistency(self.feature_extractor, *pair)
        return StepOutput.of(terms=terms, prediction={"image": picture})


def _freeze(encoder: MaskedViT, *, blocks: int) -> None:
    """The first blocks and what lies before them; the class token always, for it takes no part."""
    assert encoder.cls_token is not None
    encoder.cls_token.requires_grad_(False)
    if blocks:
        encoder.patch_embed.requires_grad_(False)
        encoder.blocks[:blocks].requires_grad_(False)


def _check(patches: Patches, depth: int, *, freeze_blocks: int, neighbours: int, num_contrasts: int | None) -> None:
    if not 0 <= freeze_blocks <= depth:
        raise ValueError(f"freeze_blocks must lie in 0 .. {depth}, the encoder's blocks, got {freeze_blocks}")
    if neighbours and (patches.ndim != 2 or num_contrasts):
        raise ValueError(f"neighbours = {neighbours} is for slices of one contrast: a volume has them, contrasts share")
    if num_contrasts is not None and num_contrasts < 2:
        raise ValueError(f"num_contrasts must be at least 2, or None for pairs, got {num_contrasts}")
