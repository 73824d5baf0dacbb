"""The numbers on which the cost of a masked-autoencoder step depends, read from a method or stated by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from medmae.masking.base import visible_count
from medmae.methods.base import MaskedMethod, Method
from medmae.nn.blocks import Block
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import PatchHead
from medmae.objectives.edge import SobelEdges


@dataclass(frozen=True)
class Trunk:
    """A row of transformer blocks.

    Attributes:
        dim: D.
        depth: Number of blocks.
        heads: Attention heads.
        hidden: Width of the MLP.
    """

    dim: int
    depth: int
    heads: int
    hidden: int

    @classmethod
    def of(cls, blocks: Iterable[nn.Module]) -> Trunk:
        """From blocks that are all alike.

        Raises:
            ValueError: If there are others than ours among them.
        """
        rows: list[Any] = list(blocks)
        if not all(isinstance(block, Block) for block in rows):
            kinds = sorted({type(block).__name__ for block in rows})
            raise ValueError(f"costs are known for {Block.__name__} only, got {kinds}")
        block = rows[0]
        return cls(block.norm1.normalized_shape[0], len(rows), block.attn.num_heads, block.mlp.fc1.out_features)


@dataclass(frozen=True)
class Sizes:
    """One sample of one method.

    Attributes:
        tokens: N, patches of a sample.
        visible: V, those that the encoder sees.
        values: P, values in a patch.
        class_tokens: 0 or 1.
        class_positions: 0 or 1, rows of the position tables for class tokens.
        contrasts: Entries of the table of contrast tokens; 0 is no such token.
        encoder: Its blocks.
        decoder: Its blocks.
        heads: Heads on the decoder.
        sigmoids: How many of them end in a sigmoid.
        sobel_values: Values of a sample of which 2-d Sobel edges are taken.
    """

    tokens: int
    visible: int
    values: int
    class_tokens: int
    class_positions: int
    contrasts: int
    encoder: Trunk
    decoder: Trunk
    heads: int
    sigmoids: int
    sobel_values: int

    @classmethod
    def of(cls, method: Method) -> Sizes:
        """Reads a masked method whose decoder is a :class:`MaskedDecoder`.

        Raises:
            ValueError: If it hides nothing, or has another decoder.
        """
        if not isinstance(method, MaskedMethod) or len(method.maskings) != 1:
            raise ValueError(
                f"the cost of {type(method).__name__} is not known: it hides no tokens, or of several kinds"
            )
        decoder = getattr(method, "decoder", None)
        if not isinstance(decoder, MaskedDecoder):
            raise ValueError(f"the cost of {type(method).__name__} is not known: its decoder is {type(decoder)}")
        encoder = method.encoder
        known = {*encoder.modules(), *decoder.modules()}
        if any(isinstance(part, Block) and part not in known for part in method.modules()):
            raise ValueError(f"the cost of {type(method).__name__} is not known here: see medmae.training.ledger")
        patches, heads = encoder.patches, [part for part in method.modules() if isinstance(part, PatchHead)]
        tables = [part for part in method.modules() if isinstance(part, nn.Embedding)]
        sobel = any(isinstance(part, SobelEdges) and part.ndim == 2 for part in method.modules())
        return cls(
            tokens=patches.num_tokens,
            visible=next(iter(method.maskings.values()))
            .sample(1, generator=torch.Generator().manual_seed(0))
            .num_visible,
            values=patches.num_values,
            class_tokens=int(encoder.cls_token is not None),
            class_positions=encoder.num_positions_prefix,
            contrasts=sum(table.num_embeddings for table in tables),
            encoder=Trunk.of(encoder.blocks),
            decoder=Trunk.of(decoder.blocks),
            heads=len(heads),
            sigmoids=sum(head.sigmoid for head in heads),
            sobel_values=patches.num_tokens * patches.num_values if sobel else 0,
        )

    def with_ratio(self, ratio: float) -> Sizes:
        """The same with another share of patches hidden."""
        return replace(self, visible=visible_count(num_tokens=self.tokens, ratio=ratio))

    @property
    def masked(self) -> int:
        """M, hidden patches."""
        return self.tokens - self.visible

    @property
    def extra(self) -> int:
        """Tokens beside the patches, in encoder and decoder."""
        return self.class_tokens + (self.contrasts > 0)
