"""Point-MAE: patches of a cloud that are hidden are rebuilt, each from its centre.

Paper: Y. Pang, W. Wang, F. E. H. Tay, W. Liu, Y. Tian, L. Yuan, "Masked Autoencoders for Point Cloud Self-supervised
Learning", ECCV 2022, arXiv 2203.06604. Reference: Pang-Yatian/Point-MAE (7445a68).

Deviations: centres are found by textbook farthest-point sampling (the published kernel spares points near the origin);
any number of points.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import Mask, Masks
from medmae.masking.patches import Choice, PatchMasking
from medmae.methods.base import Batch, MaskedMethod, StepOutput
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.init import initialise_linears
from medmae.nn.point_blocks import PlacedBlocks
from medmae.nn.point_vit import PointViT
from medmae.nn.positions import CoordinateEmbedding
from medmae.objectives.chamfer import chamfer_l1, chamfer_l2
from medmae.tokens.points import POINTS, PointPatches

Far = Literal["l2", "l1"]


def point_mae_base(**options: Any) -> PointMAE:
    """1,024 points in 64 patches of 32: 29,006,432 parameters."""
    return PointMAE(**options)


def point_mae_small(**options: Any) -> PointMAE:
    """The same patches, 4 blocks of width 96 (ours)."""
    sizes = {"embed_dim": 96, "depth": 4, "num_heads": 4, "decoder_depth": 2, "decoder_heads": 4}
    return PointMAE(**{**sizes, "drop_path": 0.0, **options})


def point_mae_tiny(**options: Any) -> PointMAE:
    """64 points, for tests."""
    sizes = {"num_points": 64, "num_patches": 8, "patch_points": 8, "embed_dim": 24, "depth": 2, "num_heads": 2}
    return PointMAE(**{**sizes, "decoder_depth": 1, "decoder_heads": 2, "drop_path": 0.0, **options})


@register(
    "point_mae",
    title="Point-MAE",
    paper="Pang et al., Masked Autoencoders for Point Cloud Self-supervised Learning, ECCV 2022, arXiv 2203.06604",
    presets={"tiny": point_mae_tiny, "base": point_mae_base, "small": point_mae_small},
)
class PointMAE(MaskedMethod):
    """A transformer over visible patches, and a lighter one that adds mask tokens at the centres of the others.

    Args:
        num_points: N of an example; a batch may bring any number.
        num_patches: G.
        patch_points: K.
        embed_dim: D, of encoder and decoder.
        depth: Blocks of the encoder.
        num_heads: Of its attention.
        decoder_depth: Blocks of the decoder.
        decoder_heads: Of its attention.
        mlp_ratio: Hidden width of MLPs over D.
        drop_path: Stochastic depth of both.
        mask_ratio: Share of patches hidden.
        mask_choice: ``random`` patches, or a ``block`` of neighbours.
        far: ``l2``, squared distances (``cdl2``), or ``l1`` (``cdl1``), of each hidden patch.
        kind: What it takes.
        scale: What it expects of points: of millimetres about the radius of an organ; None takes them as they are.
    """

    no_weight_decay = frozenset({"mask_token"})

    def __init__(
        self,
        *,
        num_points: int = 1024,
        num_patches: int = 64,
        patch_points: int = 32,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        decoder_depth: int = 4,
        decoder_heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.1,
        mask_ratio: float = 0.6,
        mask_choice: Choice = "random",
        far: Far = "l2",
        kind: Kind = POINTS,
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__()
        check_choice(far, get_args(Far), name="far")
        self.num_points, self.far = num_points, far
        self.encoder: PointViT = PointViT(  # type: ignore[assignment]
            num_patches=num_patches,
            patch_points=patch_points,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            drop_path=drop_path,
            kind=kind,
            scale=scale,
        )
        self.decoder = PlacedBlocks(
            dim=embed_dim, depth=decoder_depth, num_heads=decoder_heads, mlp_ratio=mlp_ratio, drop_path=drop_path
        )
        self.decoder_place = CoordinateEmbedding(dim=embed_dim)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Conv1d(embed_dim, 3 * patch_points, 1)  # as the authors' files have it
        self.mask_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        initialise_linears(self.decoder)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.masking = PatchMasking(num_patches=num_patches, ratio=mask_ratio, choice=mask_choice)
        self.maskings = {kind.name: self.masking}

    @property
    def kind(self) -> Kind:
        """What it takes."""
        return self.encoder.kind

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"points": (B, 3, N)[, "members": (B, G, K)[, "centres": (B, G, 3)]]}``.

        Patches that preparation has found are taken from the batch. The prediction is ``(B, M, 3 K)``, points of hidden
        patches from their centres. See :meth:`Method.forward`.
        """
        rows, patches = self.encoder.cut(batch)
        masks = masks or self._draw(patches, generator, self.masking)
        mask = masks[self.kind.name]
        found = self.predict(rows, patches, mask)  # (B, M, 3 K)
        true = mask.hidden(patches.around_centres(rows).flatten(2))  # (B, M, 3 K)
        made, wanted = (each.flatten(0, 1).unflatten(1, (-1, 3)) for each in (found, true))  # (B M, K, 3)
        loss = chamfer_l2(made, wanted) if self.far == "l2" else chamfer_l1(made, wanted)
        return StepOutput.of(terms={self.kind.name: loss}, prediction={self.kind.name: found}, masks=masks)

    def draw_masks(
        self, batch: Batch, *, generator: Generator | None = None, masking: PatchMasking | None = None
    ) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`; another ``masking`` hides another share, for tests."""
        return self._draw(self.encoder.cut(batch)[1], generator, masking or self.masking)

    def _draw(self, patches: PointPatches, generator: Generator | None, masking: PatchMasking) -> Masks:
        mask = masking.sample(len(patches.centres), generator=generator, centres=patches.centres)
        return {self.kind.name: mask.to(patches.centres.device)}

    def predict(self, points: Tensor, patches: PointPatches, mask: Mask) -> Tensor:
        """Points of hidden patches from their centres, ``(B, M, 3 K)``."""
        seen = mask.keep(patches.around_centres(points).flatten(2)).unflatten(2, (-1, 3))  # (B, V, K, 3)
        latent = self.encoder(seen, mask.keep(patches.centres))  # (B, V, D)
        asked = self.mask_token.expand(len(latent), mask.num_masked, -1)
        centres = torch.cat([mask.keep(patches.centres), mask.hidden(patches.centres)], dim=1)
        tokens = self.decoder(torch.cat([latent, asked], dim=1), self.decoder_place(centres))
        return self.head(self.norm(tokens[:, mask.num_visible :]).transpose(1, 2)).transpose(1, 2)

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: the cloud of all patches, seen and rebuilt, is made anew."""
        rows, patches = self.encoder.cut(batch)
        mask = masks[self.kind.name]
        found = self.predict(rows, patches, mask).unflatten(2, (-1, 3)) + mask.hidden(patches.centres).unsqueeze(2)
        cloud = mask.restore(mask.keep(patches.of_points(rows).flatten(2)), found.flatten(2))  # (B, G, 3 K)
        made = self.encoder.scaling.invert(cloud.unflatten(2, (-1, 3)).flatten(1, 2).transpose(1, 2))
        hidden = ~patches.covered(~mask.as_bool(), num_points=rows.shape[1]).unsqueeze(1)  # (B, 1, N)
        return {self.kind.name: Shown(self.kind, batch[self.kind.name], hidden, made, anew=True)}

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; with patches, as preparation finds them."""
        points = torch.rand(batch_size, 3, self.num_points, generator=generator) * 2 - 1
        count, size = self.encoder.num_patches, self.encoder.patch_points
        patches = PointPatches.cut(points.transpose(1, 2), count=count, size=size)
        return {self.kind.name: points, "members": patches.members, "centres": patches.centres}
