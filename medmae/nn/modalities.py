"""Several modalities before one encoder: each has its own patch projection, all share the blocks (MultiMAE)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from medmae.nn.init import initialise_linears
from medmae.nn.positions import AxisOrder, sincos_table
from medmae.nn.vit import MaskedViT, PatchProjection
from medmae.tokens.modalities import ModalityPatches
from medmae.tokens.patches import Patches


class ModalityEmbed(nn.Module):
    """Patch projection and fixed positions of one modality beside that for which the encoder was built.

    Args:
        patches: Its data.
        dim: D, width of the encoder.
        axis_order: See :func:`medmae.nn.positions.sincos_table`.
    """

    def __init__(self, *, patches: Patches, dim: int, axis_order: AxisOrder) -> None:
        super().__init__()
        self.proj = PatchProjection(channels=patches.channels, patch=patches.patch, dim=dim)
        nn.init.zeros_(self.proj.bias)
        # The same numbers as the encoder's, kept apart as in the published files.
        table = sincos_table(grid=patches.grid, dim=dim, axis_order=axis_order)
        self.pos_embed = nn.Parameter(table, requires_grad=False)

    def forward(self, rows: Tensor, index: Tensor) -> Tensor:
        """Patches ``(K, P)`` at the places ``index`` ``(K,)`` of the grid, embedded: ``(K, D)``."""
        return self.proj(rows) + self.pos_embed[0].index_select(0, index)


def modality_encoder(
    modalities: ModalityPatches, *, dim: int, depth: int, num_heads: int, mlp_ratio: float, norm_eps: float
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
        class_token="last",
        axis_order="first_first",
        last_norm=False,
    )
    initialise_linears(encoder, unpack=True)
    nn.init.zeros_(encoder.patch_embed.proj.bias)
    return encoder


def adapters_beside(encoder: MaskedViT, modalities: ModalityPatches) -> nn.ModuleDict:
    """A :class:`ModalityEmbed` by name for each modality but the first, which the encoder embeds itself."""
    return nn.ModuleDict(
        {
            name: ModalityEmbed(patches=modalities.patches[name], dim=encoder.embed_dim, axis_order=encoder.axis_order)
            for name in modalities.names[1:]
        }
    )


def encode_modalities(encoder: MaskedViT, adapters: nn.ModuleDict, rows: Sequence[Tensor], visible: Tensor) -> Tensor:
    """The encoder over visible tokens of several modalities; only those are embedded.

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

    How many tokens of a modality a sample shows differs from sample to sample, so those of the whole batch are embedded
    together, modality by modality, and put back in order.
    """
    batch, each = visible.shape[0], rows[0].shape[1]
    modality, index = (visible // each).flatten(), (visible % each).flatten()  # (B V,) each
    place = torch.arange(batch, device=visible.device).repeat_interleave(visible.shape[1]) * each + index  # (B V,)
    embeds: list[Callable[..., Tensor]] = [_own(encoder), *adapters.values()]
    parts, owners = [], []
    for number, (values, embed) in enumerate(zip(rows, embeds, strict=True)):
        mine = (modality == number).nonzero().squeeze(1)  # (K,)
        parts.append(embed(values.flatten(0, 1).index_select(0, place[mine]), index[mine]))  # (K, D)
        owners.append(mine)
    return torch.cat(parts).index_select(0, torch.cat(owners).argsort()).unflatten(0, visible.shape)


def _own(encoder: MaskedViT) -> Callable[[Tensor, Tensor], Tensor]:
    """What :class:`ModalityEmbed` is to the others, of the encoder's own modality."""
    return lambda rows, index: encoder.patch_embed(rows) + encoder.pos_embed[0].index_select(0, index)
