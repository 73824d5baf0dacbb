"""A transformer over patches of points: PointNet makes tokens, an MLP of centres their places.

Pang et al., "Masked Autoencoders for Point Cloud Self-supervised Learning", ECCV 2022, arXiv 2203.06604.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from medmae.kinds import Kind, ScaleLike
from medmae.nn.config import Configured, build, config_of
from medmae.nn.cut_clouds import cut_cloud
from medmae.nn.encoder import Data, Pool, check_block, check_pool
from medmae.nn.point_blocks import PlacedBlocks
from medmae.nn.positions import CoordinateEmbedding
from medmae.nn.scaling import InputScale
from medmae.nn.seeding import drawn_by
from medmae.tokens.points import POINTS, PointPatches


class MiniPointNet(nn.Module):
    """A token of each patch, whatever the order of its points: ``(B, G, K, 3)`` -> ``(B, G, D)``.

    Args:
        dim: D.
        channels: C, coordinates of a point.
    """

    def __init__(self, *, dim: int, channels: int = 3) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(channels, 128, 1), nn.BatchNorm1d(128), nn.ReLU(), nn.Conv1d(128, 256, 1))
        self.second = nn.Sequential(nn.Conv1d(512, 512, 1), nn.BatchNorm1d(512), nn.ReLU(), nn.Conv1d(512, dim, 1))

    def forward(self, local: Tensor) -> Tensor:
        """See the class; points are seen from the centre of their patch."""
        own = self.first(local.flatten(0, 1).transpose(1, 2))  # (B G, 256, K)
        mix = self.second[0]
        assert isinstance(mix, nn.Conv1d)
        of_whole, of_own = mix.weight.chunk(2, dim=1)
        # What the layer says of the whole patch is worked out once, not for each of its points.
        joined = F.conv1d(own, of_own, mix.bias) + F.conv1d(own.amax(dim=2, keepdim=True), of_whole)
        return self.second[1:](joined).amax(dim=2).unflatten(0, local.shape[:2])


class PointViT(Configured, nn.Module):
    """An encoder (:class:`medmae.nn.encoder.Encoder`) of clouds ``(B, 3, N)`` of any N.

    Args:
        num_patches: G.
        patch_points: K.
        embed_dim: D.
        depth: Blocks.
        num_heads: Of attention.
        mlp_ratio: Hidden width of MLPs over D.
        drop_path: Stochastic depth.
        kind: What it takes.
        scale: What it expects of data; None is the identity until weights say otherwise.
    """

    def __init__(
        self,
        *,
        num_patches: int = 64,
        patch_points: int = 32,
        embed_dim: int = 384,
        depth: int = 12,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.1,
        kind: Kind = POINTS,
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.dim, self.example = kind, embed_dim, (len(kind.channels), max(num_patches, patch_points))
        self.num_patches, self.patch_points = num_patches, patch_points
        self.scaling = InputScale(scale, channels=len(kind.channels), ndim=1)
        self.embed = MiniPointNet(dim=embed_dim, channels=len(kind.channels))
        self.place = CoordinateEmbedding(dim=embed_dim)
        self.blocks = PlacedBlocks(
            dim=embed_dim, depth=depth, num_heads=num_heads, mlp_ratio=mlp_ratio, drop_path=drop_path
        )
        self.norm = nn.LayerNorm(embed_dim)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {self.kind.name: self.kind.scaled(self.scaling.scale)}

    def cut(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, PointPatches]:
        """Points ``(B, N, 3)``, scaled, and their patches; see :func:`medmae.nn.cut_clouds.cut_cloud`.

        Raises:
            ValueError: If the batch has no points, or of another form.
        """
        sizes = {"count": self.num_patches, "size": self.patch_points}
        return cut_cloud(batch, kind=self.kind, scaling=self.scaling, **sizes)

    def forward(self, local: Tensor, centres: Tensor) -> Tensor:
        """Some patches ``(B, V, K, 3)`` from their centres ``(B, V, 3)`` -> tokens ``(B, V, D)``."""
        return self.norm(self.blocks(self.embed(local), self.place(centres)))

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`."""
        check_pool(pool, has_class_token=False)
        check_block(block, depth=len(self.blocks.blocks))
        rows, patches = self.cut({self.kind.name: batch} if isinstance(batch, Tensor) else batch)
        tokens, places = self.embed(patches.around_centres(rows)), self.place(patches.centres)
        for each in self.blocks.blocks[:block]:
            tokens = each(tokens + places)
        if block is None:
            return self.norm(tokens).mean(dim=1)
        return F.layer_norm(tokens.mean(dim=1), (self.dim,))

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`."""
        first = [*self.embed.parameters(), *self.place.parameters()]
        return [first, *(list(block.parameters()) for block in self.blocks.blocks)]

    def fresh(self, *, seed: int) -> PointViT:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        with drawn_by(seed):
            twin = build(config_of(self))
        assert isinstance(twin, PointViT)
        twin.scaling.take(self.scaling.scale)
        return twin.to(next(self.parameters()).device).train(self.training)
