"""Several modalities before one encoder: each has its own patch projection, all share the blocks (MultiMAE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import gather_tokens
from medmae.nn.encoder import kind_of
from medmae.nn.init import initialise_linears
from medmae.nn.patch_embed import PatchProjection
from medmae.nn.positions import Positions, SinCos
from medmae.nn.vit import MaskedViT
from medmae.tokens.modalities import ModalityPatches
from medmae.tokens.patches import Patches


class ModalityEmbed(nn.Module):
    """Patch projection and fixed positions of one modality beside that for which the encoder was built.

    Args:
        patches: Its data.
        dim: D, width of the encoder.
        positions: Of which kind: a fixed one, with a row a token.
    """

    def __init__(self, *, patches: Patches, dim: int, positions: Positions) -> None:
        super().__init__()
        self.proj = PatchProjection(channels=patches.channels, patch=patches.patch, dim=dim)
        nn.init.zeros_(self.proj.bias)
        # The same numbers as the encoder's, kept apart as in the published files.
        table = positions.table(grid=patches.grid, dim=dim)
        self.pos_embed = nn.Parameter(table, requires_grad=False)

    def forward(self, rows: Tensor, index: Tensor) -> Tensor:
        """Patches ``index`` ``(B, V)`` of ``(B, n, P)``, embedded: ``(B, V, D)``."""
        return self.proj(gather_tokens(rows, index)) + gather_tokens(self.pos_embed, index)


def modality_kinds(modalities: ModalityPatches) -> dict[str, Kind]:
    """What each modality is, by its name."""
    return {name: replace(kind_of(patches), name=name) for name, patches in modalities.patches.items()}


def modality_encoder(
    modalities: ModalityPatches,
    *,
    dim: int,
    depth: int,
    num_heads: int,
    mlp_ratio: float,
    norm_eps: float,
    drop_path: float = 0.0,
    scale: ScaleLike | None = None,
) -> MaskedViT:
    """MultiMAE's encoder, built for the first of the modalities: class token last, no norm after the last block."""
    patches = modalities.patches[modalities.names[0]]
    encoder = MaskedViT(
        image_size=patches.size,
        patch_size=patches.patch,
        in_channels=patches.channels,
        embed_dim=dim,
        depth=depth,
        num_heads=num_heads,
        mlp_ratio=mlp_ratio,
        norm_eps=norm_eps,
        drop_path=drop_path,
        class_token="last",
        positions=SinCos("first_first"),
        last_norm=False,
        kind=modality_kinds(modalities)[modalities.names[0]],
        scale=scale,
    )
    initialise_linears(encoder, unpack=True)
    nn.init.zeros_(encoder.patch_embed.proj.bias)
    return encoder


def adapters_beside(encoder: MaskedViT, modalities: ModalityPatches) -> nn.ModuleDict:
    """A :class:`ModalityEmbed` by name for each modality but the first, which the encoder embeds itself."""
    return nn.ModuleDict(
        {
            name: ModalityEmbed(patches=modalities.patches[name], dim=encoder.dim, positions=encoder.positions)
            for name in modalities.names[1:]
        }
    )


def encode_modalities(encoder: MaskedViT, adapters: nn.ModuleDict, rows: Sequence[Tensor], visible: Tensor) -> Tensor:
    """The encoder over visible tokens of several modalities.

    Args:
        encoder: Built for the first modality.
        adapters: Of the others, in order; see :func:`adapters_beside`.
        rows: Patches of each modality, ``(B, n, P_t)``.
        visible: Token indices over the concatenation of the modalities, ``(B, V)``.

    Returns:
        ``(B, V + 1, D)``: tokens in the order of ``visible``, then the encoder's class token if there is one.
    """
    tokens = embed_modalities(encoder, adapters, rows, visible)
    return encoder.forward_tokens(encoder.add_class_token(tokens))


def embed_modalities(encoder: MaskedViT, adapters: nn.ModuleDict, rows: Sequence[Tensor], visible: Tensor) -> Tensor:
    """Embedded visible tokens ``(B, V, D)``, without a class token; arguments as :func:`encode_modalities`.

    How many tokens of a modality are visible differs from sample to sample. So that shapes do not depend on the mask,
    and a step compiles to one graph, every modality projects the V places that are visible in any of them, and of the
    results all but the right one are dropped: at ViT-S less than a hundredth of a step's arithmetic.
    """
    modality, index = visible // rows[0].shape[1], visible % rows[0].shape[1]  # (B, V) each
    tokens = encoder.embed(rows[0], index, use_class_token=False)  # (B, V, D)
    for number, (adapter, values) in enumerate(zip(adapters.values(), rows[1:], strict=True), start=1):
        tokens = torch.where((modality == number).unsqueeze(2), adapter(values, index), tokens)
    return tokens
