"""SAIM: predict every patch from those before it, in an order that is drawn anew for each image.

Paper: Y. Qi, F. Yang, Y. Zhu, Y. Liu, L. Wu, R. Zhao, W. Li, "Exploring Stochastic Autoregressive Image Modeling for
Visual Representation", AAAI 2023, 37(2), 2074-2081, arXiv 2212.01610. Reference: qiy20/SAIM (08d36c3).

Two streams of tokens run side by side. The content stream is the encoder that one keeps: a token reads itself and those
before it. The query stream starts from bare positions; a query reads the content of strictly earlier tokens, and says
what lies at its place. Nothing is dropped and everything is predicted, the first patch from its position alone.

Deviations: tokens stand in the order of their prediction, so that both masks of the reference are plain causal
attention (same loss, exactly); not computed is what no loss reads: the query of the class token, the content of the
last patch. Queries, keys and values are one matrix, initialised as three; signals, volumes and further channels are
ours. So is a mask without an order: its hidden tokens are predicted, each from all visible ones; this paints pictures.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, get_args

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from medmae.errors import check_choice
from medmae.masking.base import Mask, Masks, gather_tokens
from medmae.masking.permutation import Order, Permutation, PermutationMasking
from medmae.methods.base import Batch, StepOutput
from medmae.methods.pixels import PatchMethod
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.blocks import make_blocks
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.positions import AxisOrder, SinCos
from medmae.nn.sizes import EncoderSizes, sized
from medmae.nn.vit import MaskedViT
from medmae.objectives.modalities import Error
from medmae.objectives.pixel import TargetNorm
from medmae.objectives.smoothing import GaussianSmoothing

Head = Literal["mlp", "linear"]


def saim_base(**options: Any) -> SAIM:
    """ViT-B/16, 224 px, as published: 175,575,552 parameters."""
    return SAIM(**options)


def saim_small_images(**options: Any) -> SAIM:
    """64 px in 64 patches of 8, two streams of 6 blocks of width 192 (ours)."""
    sizes = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6, "query_depth": 6}
    return SAIM(**{**sizes, **options})


def saim_tiny(**options: Any) -> SAIM:
    """32 px, for tests."""
    sizes = {"image_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 4, "num_heads": 4, "query_depth": 4}
    return SAIM(**{**sizes, **options})


@register(
    "saim",
    title="SAIM",
    paper="Qi et al., Exploring Stochastic Autoregressive Image Modeling, AAAI 2023, arXiv 2212.01610",
    presets={"tiny": saim_tiny, "base": saim_base, "small_images": saim_small_images},
)
class SAIM(PatchMethod):
    """Stochastic autoregression with a parallel encoder and decoder.

    Args:
        query_depth: Blocks of the query stream; each reads the content after another ``depth / query_depth`` blocks.
        share_weights: The query stream runs through the encoder's first blocks instead of blocks of its own.
        head: ``mlp`` has one hidden layer; ``linear`` none.
        axis_order: Order of axes in the position table.
        order: ``random``, or ``raster`` for iGPT's.
        mask_ratio: Share of patches that are hidden in pictures; nothing is hidden in training.
        error: ``mse`` or ``l1``; a mean over all patches.
        target_norm: Normalisation of the target patches; None regresses pixels.
        smoothing: Of the target, before its normalisation; None leaves it sharp.
        encoder: Sizes of the content stream, the encoder, and of the query stream, which has its heads and width;
            see :class:`medmae.nn.sizes.EncoderSizes`.

    Raises:
        ValueError: If ``query_depth`` does not divide ``depth``, or a choice is not known.
    """

    def __init__(
        self,
        *,
        query_depth: int = 12,
        share_weights: bool = False,
        head: Head = "mlp",
        axis_order: AxisOrder = "last_first",
        order: Order = "random",
        mask_ratio: float = 0.75,
        error: Error = "mse",
        target_norm: TargetNorm | None = TargetNorm(),  # noqa: B008 - frozen
        smoothing: GaussianSmoothing | None = GaussianSmoothing(),  # noqa: B008 - frozen
        **encoder: Unpack[EncoderSizes],
    ) -> None:
        super().__init__()
        check_choice(head, get_args(Head), name="head")
        check_choice(error, get_args(Error), name="error")
        self.encoder = MaskedViT(**sized(encoder), positions=SinCos(axis_order))
        depth, dim, ratio = len(self.encoder.blocks), self.encoder.dim, self.encoder.mlp_ratio
        if query_depth < 1 or depth % query_depth:
            divisors = [count for count in range(1, depth + 1) if depth % count == 0]
            raise ValueError(f"query_depth must divide the depth of {depth}, got {query_depth}: choose of {divisors}")
        self.patches, values = self.encoder.patches, self.encoder.patches.num_values
        sizes: dict[str, Any] = {
            "num_heads": self.encoder.num_heads,
            "mlp_ratio": ratio,
            "norm_eps": self.encoder.norm_eps,
        }
        self.query_blocks = None if share_weights else make_blocks(dim=dim, depth=query_depth, **sizes)
        self.head: nn.Module = (
            nn.Linear(dim, values) if head == "linear" else MLP(dim, hidden=int(dim * ratio), out=values)
        )
        initialise_linears(self, unpack=True)
        self.masking = PermutationMasking(num_tokens=self.patches.num_tokens, ratio=mask_ratio, order=order)
        self.query_depth, self.error, self.target_norm, self.smoothing = query_depth, error, target_norm, smoothing

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"image": (B, C, *size)}``; see :meth:`Method.forward`."""
        mask, name = self.mask(batch, masks, generator=generator), self.kind.name
        asked = mask.order if isinstance(mask, Permutation) else mask.masked  # (B, A)
        prediction = self.predict(batch, mask)  # (B, A, P)
        target = gather_tokens(self.target(self.data(batch)), asked)
        error = F.mse_loss if self.error == "mse" else F.l1_loss
        hidden = prediction[:, -mask.num_masked :]  # (B, M, P), the last ones of an order
        return StepOutput.of(terms={name: error(prediction, target)}, prediction={name: hidden}, masks={name: mask})

    def predict(self, batch: Batch, mask: Mask) -> Tensor:
        """What the head says of the tokens that enter the loss.

        Returns:
            Of a permutation all tokens ``(B, N, P)`` in its order, each predicted from those before it. Of a mask
            without order the hidden ones ``(B, M, P)``, each from all visible ones, which are read in raster order.
        """
        rows = self.rows(batch)  # (B, N, P)
        if isinstance(mask, Permutation):
            return self._ask(rows, known=mask.order[:, :-1], asked=mask.order, causal=True)
        return self._ask(rows, known=mask.visible.sort(dim=1).values, asked=mask.masked, causal=False)

    def target(self, image: Tensor) -> Tensor:
        """What the head regresses, ``(B, C, *size)`` -> ``(B, N, P)``."""
        rows = self._smooth(image)
        return rows if self.target_norm is None else self.target_norm(rows, channels=self.patches.channels)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: smooth as the target, but for the statistics of a normalised one."""
        mask = Mask.from_bool(self.mask(batch, masks).as_bool())  # without order
        return {self.kind.name: self.shown(batch, mask, self.predict(batch, mask))}

    def _ask(self, rows: Tensor, *, known: Tensor, asked: Tensor, causal: bool) -> Tensor:
        """Both streams: content of tokens ``known`` ``(B, K)``, queries at places ``asked`` ``(B, A)``.

        Behind the class token, which all may read, query k of a causal question reads the first k known tokens.
        """
        content = self.encoder.embed(rows, known)  # (B, 1 + K, D)
        query = gather_tokens(self.encoder.pos_embed[:, 1:], asked)  # (B, A, D)
        readers = self.encoder.blocks if self.query_blocks is None else self.query_blocks
        step = len(self.encoder.blocks) // self.query_depth
        for index, block in enumerate(self.encoder.blocks, start=1):
            content = block(content, causal=True)
            if index % step == 0:
                query = readers[index // step - 1](query, source=content, causal=causal)
        return self.head(self.encoder.norm(query))  # (B, A, P)

    def _smooth(self, image: Tensor) -> Tensor:
        image = self.encoder.scaling(image)
        return self.patches.patchify(image if self.smoothing is None else self.smoothing(image))
