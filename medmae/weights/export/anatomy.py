"""What an encoder is made of, as targets ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from medmae.nn.attention import QKVBias, QueryValueLinear
from medmae.nn.blocks import Block, biases_of
from medmae.nn.mlp import Gelu
from medmae.nn.positions import Positions
from medmae.nn.vit import ClassToken, MaskedViT
from medmae.weights.adapt import Adaptation
from medmae.weights.io import State, import_state


@dataclass(frozen=True)
class Anatomy:
    """Sizes and choices of a masked ViT.

    Attributes:
        size: Extent of the data along each axis.
        patch: Extent of a patch along each axis.
        channels: C.
        dim: D.
        depth: Blocks.
        heads: Attention heads.
        hidden: Width of the MLP.
        eps: Of every LayerNorm.
        qkv_bias: Which of queries, keys and values have biases.
        class_token: Its place.
        final_norm: Whether there is a norm after the last block.
        positions: Of which kind.
        gelu: Its form.
    """

    size: tuple[int, ...]
    patch: tuple[int, ...]
    channels: int
    dim: int
    depth: int
    heads: int
    hidden: int
    eps: float
    qkv_bias: QKVBias
    class_token: ClassToken
    final_norm: bool
    positions: Positions
    gelu: Gelu

    @classmethod
    def of(cls, encoder: MaskedViT) -> Anatomy:
        """Of this encoder."""
        block = cast(Block, encoder.blocks[0])
        patches = encoder.patches
        return cls(
            size=patches.size,
            patch=patches.patch,
            channels=patches.channels,
            dim=encoder.dim,
            depth=len(encoder.blocks),
            heads=block.attn.num_heads,
            hidden=block.mlp.fc1.out_features,
            eps=encoder.norm_eps,
            qkv_bias=biases_of(block),
            class_token=encoder.class_token_place,
            final_norm=not isinstance(encoder.norm, nn.Identity),
            positions=encoder.positions,
            gelu=encoder.gelu,
        )

    def build(self, **changes: Any) -> MaskedViT:
        """A fresh encoder of this anatomy; ``changes`` are arguments of :class:`MaskedViT`."""
        return MaskedViT(
            **{
                "image_size": self.size,
                "patch_size": self.patch,
                "in_channels": self.channels,
                "embed_dim": self.dim,
                "depth": self.depth,
                "num_heads": self.heads,
                "mlp_ratio": self.hidden / self.dim,
                "norm_eps": self.eps,
                "qkv_bias": self.qkv_bias,
                "class_token": self.class_token,
                "last_norm": self.final_norm,
                "positions": self.positions,
                "gelu": self.gelu,
                **changes,
            }
        )


def resized(
    encoder: MaskedViT, *, size: Sequence[int], patch: Sequence[int], channels: int, adapt: Sequence[Adaptation] = ()
) -> tuple[MaskedViT, list[str]]:
    """The encoder at another size, and the keys that were adapted; itself, if nothing differs.

    Raises:
        ValueError: If a tensor needs a rule that ``adapt`` does not name; see
            :func:`medmae.weights.adapt.adapt_state`.
    """
    old = encoder.patches
    if (tuple(size), tuple(patch), channels) == (old.size, old.patch, old.channels):
        return encoder, []
    twin = Anatomy.of(encoder).build(image_size=tuple(size), patch_size=tuple(patch), in_channels=channels)
    report = import_state(twin, encoder.state_dict(), adapt=adapt, file_grid=old.grid)
    return twin, report.adapted


def plain_state(encoder: MaskedViT) -> State:
    """Its tensors as packages hold them that know one kind of bias and a row of positions for each token; exact.

    Raises:
        ValueError: If its GELU is the tanh form, which a file does not tell and those packages do not build.
    """
    refuse("another package", {"its GELU is the tanh form, and theirs the exact one": encoder.gelu != "exact"})
    state = dict(encoder.state_dict())
    for index, block in enumerate(encoder.blocks):
        qkv, name = cast(Block, block).attn.qkv, f"blocks.{index}.attn.qkv"
        if isinstance(qkv, QueryValueLinear):
            del state[f"{name}.q_bias"], state[f"{name}.v_bias"]
            state[f"{name}.bias"] = qkv.packed_bias().detach()
    if "pos_embed" not in state or encoder.axis_rows is not None:  # computed, or a row a place along each axis
        prefix = encoder.pos_embed[:, : encoder.num_positions_prefix]
        state["pos_embed"] = torch.cat([prefix, encoder.token_positions()], dim=1).detach()
    return state


def refuse(target: str, reasons: Mapping[str, bool]) -> None:
    """Refuses what a target cannot hold.

    Args:
        target: Its name.
        reasons: Sentences, and whether they hold.

    Raises:
        ValueError: With every sentence that holds.
    """
    told = [f"- {reason}" for reason, holds in reasons.items() if holds]
    if told:
        raise ValueError("\n".join([f"{target} cannot hold this encoder as it is:", *told]))
