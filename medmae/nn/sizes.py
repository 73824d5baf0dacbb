"""Sizes of an encoder, which methods take among their own arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, TypeVar

from medmae.kinds import ScaleLike


class BlockSizes(TypedDict, total=False):
    """What :class:`medmae.nn.vit.MaskedViT` is told of its blocks and channels; what is not said is as in ViT-B.

    Attributes:
        in_channels: C; 3.
        embed_dim: D, its width; 768.
        depth: Blocks; 12.
        num_heads: Attention heads; 12.
        mlp_ratio: MLP width over width, in decoders, too; 4.
        norm_eps: LayerNorm epsilon, in decoders and heads, too; 1e-6.
        scale: What it expects of data in its own units; see :class:`medmae.nn.vit.MaskedViT`.
    """

    in_channels: int
    embed_dim: int
    depth: int
    num_heads: int
    mlp_ratio: float
    norm_eps: float
    scale: ScaleLike | None


class EncoderSizes(BlockSizes, total=False):
    """And of the data and its patches.

    Attributes:
        image_size: Extent along each axis; an integer means a square image; 224.
        patch_size: Extent of a patch along each axis; 16.
    """

    image_size: int | Sequence[int]
    patch_size: int | Sequence[int]


S = TypeVar("S", bound=BlockSizes)


def sized(sizes: S) -> S:
    """The sizes, if they are nothing else: whatever more an encoder can be told is its method's to say.

    Raises:
        TypeError: With those that are none.
    """
    if unknown := sizes.keys() - EncoderSizes.__annotations__.keys():
        raise TypeError(f"no such argument: {', '.join(map(repr, sorted(unknown)))}")
    return sizes
