"""A network that reads action units of faces: an encoder, a mapping of its tokens, and a head on a graph of units."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from medmae.nn.au_graph import TokenBlock, UnitGraph, UnitHead
from medmae.nn.config import Configured
from medmae.nn.timm_tokens import TimmTokens
from medmae.nn.vit import MaskedViT


class UnitNetwork(Configured, nn.Module):
    """Whole or occluded faces -> action units. A face is never rebuilt on the way.

    Args:
        encoder: Gives tokens.
        mapper: Brings them to the width of the head.
        head: Reads units from them.
    """

    def __init__(self, *, encoder: MaskedViT | TimmTokens, mapper: TokenBlock, head: UnitHead) -> None:
        super().__init__()
        self.encoder, self.mapper, self.head = encoder, mapper, head

    def forward(self, face: Tensor, visible: Tensor | None = None, keys: Tensor | None = None) -> UnitGraph:
        """``(B, C, H, W)`` in its own units.

        Args:
            face: Faces.
            visible: Patches ``(B, V)`` that the encoder is given, of a masked ViT; None: all.
            keys: Which of them are no padding, bool ``(B, V)``; None: all.
        """
        return self.head(self.mapper(tokens_of(self.encoder, face, visible, keys)), keys)


def tokens_of(
    encoder: MaskedViT | TimmTokens, face: Tensor, visible: Tensor | None = None, keys: Tensor | None = None
) -> Tensor:
    """Tokens of visible patches ``(B, V, D)``, without class tokens; see :meth:`UnitNetwork.forward`.

    Raises:
        ValueError: If patches are named and the encoder takes only whole faces.
    """
    if isinstance(encoder, TimmTokens):
        if visible is not None:
            raise ValueError(f"{encoder.name} takes whole faces: fill what is hidden, or take a masked ViT")
        return encoder.tokens(face)
    prefix = encoder.num_positions_prefix
    embedded = encoder.embed(encoder.patchify(face), visible)
    real = None if keys is None else torch.nn.functional.pad(keys, (prefix, 0), value=True)
    return encoder.forward_tokens(embedded, key_mask=real)[:, prefix:]


class ReadsUnits(Protocol):
    """What has a network that reads units of whole faces."""

    @property
    def network(self) -> UnitNetwork:
        """It."""


class UnitShares(Configured, nn.Module):
    """A plain network, which is given out: ``(B, C, H, W)`` -> shares of units ``(B, N)`` of whole faces.

    Args:
        method: Whose network it is.
    """

    def __init__(self, *, method: ReadsUnits) -> None:
        super().__init__()
        self.network = method.network

    def forward(self, face: Tensor) -> Tensor:
        """See :class:`UnitShares`."""
        graph: UnitGraph = self.network(face)
        return graph.units


def unit_network(*, encoder: MaskedViT | TimmTokens, units: int, dim: int | None = None, **head: Any) -> UnitNetwork:
    """A network of an encoder; ``dim`` is that of its head, by the published rule if nothing is said."""
    width = encoder.head_dim if dim is None and isinstance(encoder, TimmTokens) else dim or 512
    mapper = TokenBlock(dim=encoder.dim, out=width)
    return UnitNetwork(encoder=encoder, mapper=mapper, head=UnitHead(units=units, dim=width, **head))


def resnet50(*, units: int = 12, **head: Any) -> UnitNetwork:
    """ResNet-50: of 12 units 31,666,132 parameters, of 8 30,608,868; without edges 28,253,784 and 27,197,008."""
    return unit_network(encoder=TimmTokens(name="resnet50"), units=units, **head)


def swin_tiny(*, units: int = 12, **head: Any) -> UnitNetwork:
    """Swin-T: of 12 units 31,819,534 parameters; without edges 29,899,026."""
    return unit_network(encoder=TimmTokens(name="swin_tiny_patch4_window7_224"), units=units, **head)


def swin_base(*, units: int = 12, **head: Any) -> UnitNetwork:
    """Swin-B: of 12 units 94,377,036 parameters, of 8 93,319,772; without edges 90,964,688 and 89,907,912."""
    return unit_network(encoder=TimmTokens(name="swin_base_patch4_window7_224"), units=units, **head)


def vit_base(*, units: int = 12, dim: int = 512, **head: Any) -> UnitNetwork:
    """ViT-B/16, 224 px: of 12 units 93,301,396 parameters with its table of positions, of 8 92,244,132."""
    return unit_network(encoder=MaskedViT(scale="imagenet"), units=units, dim=dim, **head)


def vit_small_faces(*, units: int = 12, dim: int = 96, image_size: int = 64, **head: Any) -> UnitNetwork:
    """64 px in patches of 8, 4 blocks of width 96 (ours): for a CPU."""
    sizes: dict[str, Any] = {"patch_size": 8, "embed_dim": 96, "depth": 4, "num_heads": 4}
    encoder = MaskedViT(image_size=image_size, **sizes, scale="imagenet")
    return unit_network(encoder=encoder, units=units, dim=dim, **head)
