"""Encoders of several kinds of data that tell each other things through a few tokens alone (MBT), and a classifier.

A. Nagrani, S. Yang, A. Arnab, A. Jansen, C. Schmid, C. Sun, "Attention Bottlenecks for Multimodal Fusion", NeurIPS
2021, arXiv 2107.00135; as AV-MAE fine-tunes it (google-research/scenic, projects/av_mae/mbt.py at 4a38d475).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medmae.nn.blocks import set_drop_path
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of, side_by_side
from medmae.nn.fresh import fresh_copy
from medmae.nn.fused_encoder import FusedEncoder
from medmae.nn.mlp import Gelu
from medmae.nn.positions import FlatSinusoid
from medmae.nn.stream_vits import Drawing, Given, StreamViTs, mean_of_kinds
from medmae.nn.streams import Stream

_STD = 0.02  # of new bottleneck tokens


class BottleneckEncoder(Configured, StreamViTs):
    """Each kind has blocks of its own; from one on, a few tokens pass from kind to kind, as the mean of what each made.

    Args:
        streams: The kinds of data; one alone has no such tokens.
        fusion_layer: Blocks of each kind before the first that reads bottleneck tokens: 16 or 18 of 24, 8 of 12.
        num_bottlenecks: How many such tokens.
        embed_dim: D.
        depth: Blocks of each kind.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon.
        gelu: Its form; see :func:`medmae.nn.mlp.gelu`.
        kind_tokens: See :class:`medmae.nn.stream_vits.StreamViTs`.
        drawing: Likewise.

    Raises:
        ValueError: If no block fuses, or there are no tokens for it.
    """

    def __init__(
        self,
        *,
        streams: Sequence[Stream],
        fusion_layer: int = 8,
        num_bottlenecks: int = 4,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        gelu: Gelu = "tanh",
        kind_tokens: bool = False,
        drawing: Drawing = "flax",
    ) -> None:
        if not 0 <= fusion_layer < depth or num_bottlenecks < 1:
            raise ValueError(
                f"fusion_layer must lie in 0 to {depth - 1}, and num_bottlenecks be positive, got {fusion_layer} and "
                f"{num_bottlenecks}"
            )
        super().__init__(
            streams=streams,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            gelu=gelu,
            class_token="none",
            last_norm=False,
            kind_tokens=kind_tokens,
            drawing=drawing,
        )
        self.depth, self.fusion_layer = depth, fusion_layer
        self.bottleneck = nn.Parameter(torch.empty(1, num_bottlenecks, embed_dim)) if len(self.streams) > 1 else None
        self.norm = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.draw()

    @classmethod
    def of(cls, encoder: FusedEncoder, *, fusion_layer: int, num_bottlenecks: int = 4) -> BottleneckEncoder:
        """With the weights of a pre-trained encoder.

        Embeddings are taken over, and blocks: those that are of all kinds become those of each, a copy each. The norm
        of all kinds is the last one here; norms of separate encoders have no place, and bottleneck tokens are drawn
        anew.

        Raises:
            ValueError: If the encoder has class tokens.
        """
        new = cls(
            streams=list(encoder.given_as.values()),
            fusion_layer=fusion_layer,
            num_bottlenecks=num_bottlenecks,
            embed_dim=encoder.dim,
            depth=encoder.depth,
            num_heads=encoder.num_heads,
            mlp_ratio=encoder.mlp_ratio,
            norm_eps=encoder.norm_eps,
            gelu=encoder.gelu,
            kind_tokens=bool(encoder.kind_tokens),
            drawing=encoder.drawing,
        )
        new.take(encoder)
        return new

    def take(self, encoder: FusedEncoder) -> None:
        """Takes over the weights of a pre-trained encoder; see :meth:`of`.

        Data may be longer or larger than it was trained on where places are a sinusoid, which has no end.

        Raises:
            ValueError: If it has class tokens, or is of other kinds, patches or sizes.
        """
        if any(vit.cls_token is not None for vit in encoder.vits.values()):
            raise ValueError("bottleneck tokens stand beside no class token: build the encoder with class_token='none'")
        own, theirs = (
            {name: (vit.patches.patch, vit.patches.channels, *sizes_of(one)) for name, vit in one.vits.items()}
            for one in (self, encoder)
        )
        if own != theirs or set(self.kind_tokens) != set(encoder.kind_tokens):
            raise ValueError(f"weights are of patches, channels, depth, width and heads {theirs}, and not {own}")
        for name, vit in encoder.vits.items():
            mine = self.vits[name]
            shared = [] if encoder.trunk is None else encoder.trunk.plain(name)[0]
            for known, new in zip([*vit.blocks, *shared], mine.blocks, strict=True):
                new.load_state_dict(known.state_dict())
            mine.patch_embed.load_state_dict(vit.patch_embed.state_dict())
            mine.scaling.take(vit.scaling.scale)
            if mine.patches.grid == vit.patches.grid:
                with torch.no_grad():
                    mine.pos_embed.copy_(vit.pos_embed)
            elif not isinstance(encoder.given_as[name].positions, FlatSinusoid):
                raise ValueError(f"places of {name} are those of a grid {vit.patches.grid}, not {mine.patches.grid}")
        self.kind_tokens.load_state_dict(encoder.kind_tokens.state_dict())
        if encoder.trunk is not None and isinstance(encoder.trunk.norm, nn.LayerNorm):
            self.norm.load_state_dict(encoder.trunk.norm.state_dict())

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Encoded tokens of each kind that the batch has, ``(B, N, D)`` by name, bottleneck tokens left out."""
        return {name: self.norm(tokens) for name, tokens in self.encode(self.given(batch)).items()}

    def encode(self, given: Given, *, num_blocks: int | None = None) -> dict[str, Tensor]:
        """The same before the norm, after all blocks or so many."""
        tokens, between = self.embed(given), self.bottleneck
        for number in range(self.depth if num_blocks is None else num_blocks):
            block = {name: self.vits[name].blocks[number] for name in tokens}
            if between is None or number < self.fusion_layer:
                tokens = {name: block[name](rows) for name, rows in tokens.items()}
                continue
            parts = {}
            for name, rows in tokens.items():
                joint = block[name](torch.cat([rows, between.expand(len(rows), -1, -1)], dim=1))
                parts[name] = joint.split([rows.shape[1], between.shape[1]], dim=1)
            tokens = {name: part[0] for name, part in parts.items()}
            said = {name: part[1].flatten(1) for name, part in parts.items()}
            between = mean_of_kinds(said, given.there).unflatten(1, (-1, self.dim))  # of the kinds that a sample has
        return tokens

    def features_of_kinds(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Given]:
        """Means of the tokens of each kind, ``(B, D)`` by name, and who has which."""
        given = self.given(batch)
        return {name: self.norm(rows).mean(dim=1) for name, rows in self.encode(given).items()}, given

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`: the mean over the kinds that a sample has."""
        check_pool(pool, has_class_token=False)
        check_block(block, depth=self.depth)
        batch = batch if isinstance(batch, Mapping) else {next(iter(self.given_as)): data_of(batch, self)}
        if block is None:
            rows, given = self.features_of_kinds(batch)
            return mean_of_kinds(rows, given.there)
        given = self.given(batch)
        inner = {name: rows.mean(dim=1) for name, rows in self.encode(given, num_blocks=block).items()}
        return nn.functional.layer_norm(mean_of_kinds(inner, given.there), (self.dim,), eps=self.norm_eps)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`; bottleneck tokens learn as the head does."""
        first, *blocks = side_by_side([vit.layers() for vit in self.vits.values()])
        return [[*first, *self.kind_tokens.parameters()], *blocks]

    def fresh(self, *, seed: int) -> BottleneckEncoder:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`."""
        return fresh_copy(self, seed=seed, others=BottleneckEncoder.draw)

    def draw(self) -> list[nn.Parameter]:
        """See :meth:`StreamViTs.draw`."""
        drawn = super().draw()
        if self.bottleneck is not None:
            nn.init.normal_(self.bottleneck, std=_STD)
            drawn.append(self.bottleneck)
        return drawn


def sizes_of(encoder: BottleneckEncoder | FusedEncoder) -> tuple[int, int, int]:
    """Depth, width and heads."""
    return encoder.depth, encoder.dim, encoder.num_heads


class BottleneckClassifier(Configured, nn.Module):
    """One linear layer for all kinds; what they say apart is averaged over the kinds that a sample has.

    Args:
        encoder: Of several kinds.
        num_classes: K.
        drop_path: Stochastic depth of the last blocks, 0.3 as published.
        rescale_paths: Whether branches that stay are scaled up, as timm does; not so as published.
    """

    def __init__(
        self, *, encoder: BottleneckEncoder, num_classes: int, drop_path: float = 0.0, rescale_paths: bool = False
    ) -> None:
        super().__init__()
        self.encoder = encoder
        for vit in encoder.vits.values():
            set_drop_path(vit.blocks, drop_path, rescale=rescale_paths)
        self.head = nn.Linear(encoder.dim, num_classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """Kinds of which it says something when it is given no others: each, and all."""
        names = tuple(self.encoder.given_as)
        return [*((name,) for name in names), *([names] if len(names) > 1 else [])]

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Data by name, in its own units -> logits ``(B, K)``."""
        logits, given = self.apart(batch)
        return mean_of_kinds(logits, given.there)

    def apart(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Given]:
        """Logits by each kind, ``(B, K)`` by name, of which training takes the loss one by one; and who has which."""
        rows, given = self.encoder.features_of_kinds(batch)
        return {name: self.head(mean) for name, mean in rows.items()}, given
