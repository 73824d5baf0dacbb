"""MAE3D: a cloud of points of which most patches are hidden is completed, and their centres are found.

Paper: J. Jiang, X. Lu, L. Zhao, R. Dazeley, M. Wang, "Masked Autoencoders in 3D Point Cloud Representation Learning",
IEEE Transactions on Multimedia 2023, arXiv 2207.01545. Reference: Jinec98/MAE3D (61a6eb5).

Deviations: each cloud draws its own mask (``batch_shared_mask`` is as published); centres are found by textbook
farthest-point sampling, where the published kernel never takes points near the origin; any number of points.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import Mask, Masks
from medmae.masking.patches import Choice, PatchMasking
from medmae.methods.base import Batch, MaskedMethod, StepOutput
from medmae.methods.registry import register
from medmae.methods.shown import Shown
from medmae.nn.cut_clouds import cut_cloud
from medmae.nn.dgcnn import DGCNN
from medmae.nn.folding import Folding
from medmae.nn.point_blocks import PlacedBlocks, WithClassToken
from medmae.nn.positions import CoordinateEmbedding
from medmae.nn.projector import SampleNorm
from medmae.objectives.chamfer import Reduction, chamfer_l2
from medmae.tokens.points import POINTS, PointPatches


def mae3d_base(**options: Any) -> MAE3D:
    """2,048 points in 32 patches of 64: 82,370,019 parameters, of which the encoder that is kept has 617,856."""
    return MAE3D(**options)


def mae3d_small(**options: Any) -> MAE3D:
    """1,024 points in 32 patches of 32; features of 256 and 3 blocks each (ours)."""
    sizes = {"num_points": 1024, "patch_points": 36, "embed_dim": 256, "depth": 3, "decoder_depth": 3}
    return MAE3D(**{**sizes, "num_patches": 32, "center_hidden": 256, "fold_hidden": 128, **options})


def mae3d_tiny(**options: Any) -> MAE3D:
    """64 points, for tests."""
    sizes = {"num_points": 64, "patch_points": 9, "embed_dim": 32, "depth": 1, "decoder_depth": 1, "num_heads": 2}
    return MAE3D(**{**sizes, "head_dim": 8, "center_hidden": 32, "fold_hidden": 32, "neighbours": 6, **options})


@register(
    "mae3d",
    title="MAE3D",
    paper="Jiang et al., Masked Autoencoders in 3D Point Cloud Representation Learning, TMM 2023, arXiv 2207.01545",
    presets={"tiny": mae3d_tiny, "base": mae3d_base, "small": mae3d_small},
)
class MAE3D(MaskedMethod):
    """Point features by DGCNN, patches as their maxima, two transformers, and a cloud folded around centres.

    Args:
        num_points: N, of which patches are cut; a batch may bring any other number.
        patch_points: K, points of a patch, a square number, for a sheet of so many is folded.
        num_patches: G; None: N / K.
        embed_dim: D, of both transformers.
        depth: Blocks of the encoder.
        decoder_depth: Blocks of the decoder.
        num_heads: Of attention.
        head_dim: Of each.
        mlp_ratio: Hidden width of MLPs over D.
        center_hidden: Width of the head of centres.
        fold_hidden: Width of the fold.
        neighbours: Of DGCNN.
        mask_ratio: Share of patches hidden.
        mask_choice: ``block``, patches around one, or ``random`` ones.
        batch_shared_mask: One draw for all clouds of a batch, as published.
        points_weight: Of the loss of the cloud; that of centres has 1.
        reduction: Of both; ``sum`` over points and batch, as published.
        kind: What it takes.
        scale: What it expects of points: of millimetres about the radius of an organ; None takes them as they are.

    Raises:
        ValueError: If patches have no square number of points, or there are fewer than two.
    """

    no_weight_decay = frozenset({"cls_token", "cls_place", "mask_token"})

    def __init__(
        self,
        *,
        num_points: int = 2048,
        patch_points: int = 64,
        num_patches: int | None = None,
        embed_dim: int = 1024,
        depth: int = 6,
        decoder_depth: int = 6,
        num_heads: int = 8,
        head_dim: int = 64,
        mlp_ratio: float = 2.0,
        center_hidden: int = 1024,
        fold_hidden: int = 512,
        neighbours: int = 20,
        mask_ratio: float = 0.7,
        mask_choice: Choice = "block",
        batch_shared_mask: bool = False,
        points_weight: float = 0.1,
        reduction: Reduction = "sum",
        kind: Kind = POINTS,
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__()
        side = round(patch_points**0.5)
        if side * side != patch_points:
            raise ValueError(
                f"a square sheet is folded to a patch: patch_points must be 16, 64, ..., got {patch_points}"
            )
        self.num_points, self.patch_points = num_points, patch_points
        self.num_patches = num_points // patch_points if num_patches is None else num_patches
        self.points_weight, self.reduction = points_weight, reduction
        self.encoder: DGCNN = DGCNN(out=embed_dim, neighbours=neighbours, kind=kind, scale=scale)  # type: ignore[assignment]
        sizes: dict[str, Any] = {
            "dim": embed_dim,
            "num_heads": num_heads,
            "head_dim": head_dim,
            "mlp_ratio": mlp_ratio,
        }
        self.blocks = WithClassToken(PlacedBlocks(depth=depth, **sizes), dim=embed_dim)
        self.decoder = WithClassToken(PlacedBlocks(depth=decoder_depth, **sizes), dim=embed_dim)
        self.place, self.decoder_place = (
            CoordinateEmbedding(dim=embed_dim, hidden=embed_dim, activation=nn.ReLU) for _ in range(2)
        )
        self.bridge = nn.Linear(embed_dim, embed_dim, bias=False)
        self.mask_token = nn.Parameter(torch.randn(embed_dim))
        self.center_head = nn.Sequential(
            nn.Linear(embed_dim, center_hidden),
            SampleNorm(center_hidden),
            nn.ReLU(),
            nn.Linear(center_hidden, center_hidden),
            SampleNorm(center_hidden),
            nn.ReLU(),
            nn.Linear(center_hidden, 3 * self.num_patches),
        )
        self.folding = Folding(dim=embed_dim, side=side, hidden=fold_hidden)
        self.masking = PatchMasking(
            num_patches=self.num_patches, ratio=mask_ratio, choice=mask_choice, batch_shared=batch_shared_mask
        )
        self.maskings = {kind.name: self.masking}

    @property
    def kind(self) -> Kind:
        """What it takes."""
        return self.encoder.kind

    def forward(
        self, batch: Batch, *, generator: Generator | None = None, masks: Masks | None = None, progress: float = 1.0
    ) -> StepOutput:
        """One step on ``{"points": (B, 3, N)[, "members": (B, G, K)[, "centres": (B, G, 3)]]}``.

        Patches that preparation has found are taken from the batch. ``"real"`` ``(B, N)`` tells which points are no
        padding. Predictions are the whole cloud ``(B, G K, 3)`` and the centres of its patches ``(B, G, 3)``. See
        :meth:`Method.forward`.
        """
        rows, patches = self.cut(batch)
        masks = masks or self.draw_masks(batch, generator=generator)
        cloud, centres = self.complete(rows, patches, masks[self.kind.name])
        how, real = self.reduction, batch.get("real")
        terms = {
            self.kind.name: self.points_weight * chamfer_l2(cloud, rows, reduction=how, real=real),
            "centres": chamfer_l2(centres, patches.centres, reduction=how),
        }
        return StepOutput.of(terms=terms, prediction={self.kind.name: cloud, "centres": centres}, masks=masks)

    def cut(self, batch: Batch) -> tuple[Tensor, PointPatches]:
        """Points ``(B, N, 3)`` and their patches."""
        encoder = self.encoder
        sizes = {"count": self.num_patches, "size": self.patch_points}
        return cut_cloud(batch, kind=encoder.kind, scaling=encoder.scaling, **sizes)

    def draw_masks(
        self, batch: Batch, *, generator: Generator | None = None, masking: PatchMasking | None = None
    ) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`; another ``masking`` hides another share, for tests."""
        centres = self.cut(batch)[1].centres
        mask = (masking or self.masking).sample(len(centres), generator=generator, centres=centres)
        return {self.kind.name: mask.to(centres.device)}

    def complete(self, points: Tensor, patches: PointPatches, mask: Mask) -> tuple[Tensor, Tensor]:
        """The whole cloud ``(B, G K, 3)`` and all centres ``(B, G, 3)``, from visible patches of ``(B, N, 3)``."""
        latent = self.encode(points, patches, mask)  # (B, V, D)
        everywhere = mask.restore(self.bridge(latent), self.mask_token)  # (B, G, D)
        whole = self.decoder(everywhere, self.decoder_place(patches.centres)).amax(dim=1)  # (B, D)
        centres = self.center_head(whole).unflatten(1, (3, -1)).transpose(1, 2)  # (B, G, 3)
        return self.folding(whole, centres), centres

    def encode(self, points: Tensor, patches: PointPatches, mask: Mask) -> Tensor:
        """Tokens of visible patches, ``(B, V, D)``: their points are one cloud for the graph of neighbours."""
        seen = mask.keep(patches.of_points(points).flatten(2)).unflatten(2, (self.patch_points, -1))  # (B, V, K, 3)
        features = self.encoder.of_points(seen.flatten(1, 2)).unflatten(1, (-1, self.patch_points))
        return self.blocks(features.amax(dim=2), self.place(mask.keep(patches.centres)))

    @torch.no_grad()
    def show(self, batch: Batch, masks: Masks) -> dict[str, Shown]:
        """See :meth:`MaskedMethod.show`: points of no visible patch were hidden; the cloud is made anew."""
        rows, patches = self.cut(batch)
        mask = masks[self.kind.name]
        made = self.encoder.scaling.invert(self.complete(rows, patches, mask)[0].transpose(1, 2))
        hidden = ~patches.covered(~mask.as_bool(), num_points=rows.shape[1]).unsqueeze(1)  # (B, 1, N)
        return {self.kind.name: Shown(self.kind, batch[self.kind.name], hidden, made, anew=True)}

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`; with patches, as preparation finds them."""
        points = torch.rand(batch_size, 3, self.num_points, generator=generator) * 2 - 1
        patches = PointPatches.cut(points.transpose(1, 2), count=self.num_patches, size=self.patch_points)
        return {self.kind.name: points, "members": patches.members, "centres": patches.centres}
