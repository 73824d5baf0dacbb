"""The masked ViT encoder: transformer blocks over visible tokens only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.nn.blocks import make_blocks
from medmae.nn.init import initialise_linears
from medmae.nn.positions import AxisOrder, sincos_table
from medmae.tokens.patches import Patches, patchify

ClassToken = Literal["first", "last", "none"]


class PatchProjection(nn.Module):
    """A strided patch convolution, applied as a matrix product to patches that are already cut.

    The weight keeps the convolution's shape ``(D, C, *patch)``, so that published checkpoints load key for key.
    """

    def __init__(self, *, channels: int, patch: Sequence[int], dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, channels, *patch))
        self.bias = nn.Parameter(torch.empty(dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier-uniform weights of the flattened matrix; the bias as a convolution's."""
        dim, fan_in = len(self.weight), math.prod(self.weight.shape[1:])
        nn.init.xavier_uniform_(self.weight.view(dim, -1))
        nn.init.uniform_(self.bias, -(fan_in**-0.5), fan_in**-0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """``(B, V, P)`` with the channel fastest -> ``(B, V, D)``."""
        return nn.functional.linear(rows, self.weight.movedim(1, -1).flatten(1), self.bias)


class PatchEmbed(nn.Module):
    """Holds the projection under timm's name ``patch_embed.proj``."""

    def __init__(self, *, channels: int, patch: Sequence[int], dim: int) -> None:
        super().__init__()
        self.proj = PatchProjection(channels=channels, patch=patch, dim=dim)

    def forward(self, rows: Tensor) -> Tensor:
        """``(B, V, P)`` -> ``(B, V, D)``."""
        return self.proj(rows)


class MaskedViT(nn.Module):
    """ViT encoder for data with any number of axes and channels; the work of a masked token is never done.

    Keys and shapes are those of timm's ``VisionTransformer`` (without its head).

    Args:
        image_size: Extent of the data along each axis; one integer means a square image.
        patch_size: Extent of a patch along each axis.
        in_channels: C.
        embed_dim: D.
        depth: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over D.
        norm_eps: LayerNorm epsilon; 1e-6 in MAE, 1e-5 in Edge-MAE.
        qkv_bias: Whether queries, keys and values have a bias.
        class_token: Where the class (or global) token stands; ``last`` has no position.
        axis_order: See :func:`medmae.nn.positions.sincos_table`.
        drop_path: Stochastic depth of the last block (fine-tuning only).
        trainable_positions: False in pre-training; True when the encoder is fine-tuned.
        last_norm: False builds no norm after the last block (MultiMAE, whose heads have their own).

    Raises:
        ValueError: If patches do not tile the size, or the width does not suit the heads or the positions.
    """

    def __init__(
        self,
        *,
        image_size: int | Sequence[int] = 224,
        patch_size: int | Sequence[int] = 16,
        in_channels: int = 3,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        norm_eps: float = 1e-6,
        qkv_bias: bool = True,
        class_token: ClassToken = "first",
        axis_order: AxisOrder = "last_first",
        drop_path: float = 0.0,
        trainable_positions: bool = False,
        last_norm: bool = True,
    ) -> None:
        super().__init__()
        check_choice(class_token, get_args(ClassToken), name="class_token")
        self.patches = Patches.of(size=image_size, patch=patch_size, channels=in_channels)
        self.patch_size = list(self.patches.patch)  # TorchScript reads lists, not tuples of unknown length
        self.embed_dim, self.mlp_ratio, self.norm_eps, self.axis_order = embed_dim, mlp_ratio, norm_eps, axis_order
        self.class_token_place = class_token
        self.num_positions_prefix = int(class_token == "first")
        self.patch_embed = PatchEmbed(channels=in_channels, patch=self.patches.patch, dim=embed_dim)
        self.cls_token = None if class_token == "none" else nn.Parameter(torch.empty(1, 1, embed_dim))
        table = sincos_table(
            grid=self.patches.grid, dim=embed_dim, axis_order=axis_order, prefix=self.num_positions_prefix
        )
        self.pos_embed = nn.Parameter(table, requires_grad=trainable_positions)
        self.blocks = make_blocks(
            dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            qkv_bias=qkv_bias,
            drop_path=drop_path,
        )
        self.norm: nn.Module = nn.LayerNorm(embed_dim, eps=norm_eps) if last_norm else nn.Identity()
        initialise_linears(self)
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)

    def forward(
        self,
        data: Tensor,
        visible: Tensor | None = None,
        extra: Tensor | None = None,
        use_class_token: bool = True,
        final_norm: bool = True,
    ) -> Tensor:
        """Encodes whole data, or its visible patches.

        Args:
            data: ``(B, C, *size)``.
            visible: Token indices ``(B, V)``; None encodes all N tokens (the downstream path, same code).
            extra: Further prefix tokens without position ``(B, E, D)``, put after a class token that is first.
            use_class_token: False leaves the class token out, as Edge-MAE does downstream.
            final_norm: False returns the output of the last block.

        Returns:
            Tokens ``(B, prefix + V, D)`` in the order of ``visible``.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            self.patches.check(data)
        return self.forward_rows(patchify(data, self.patch_size), visible, extra, use_class_token, final_norm)

    def forward_rows(
        self,
        rows: Tensor,
        visible: Tensor | None = None,
        extra: Tensor | None = None,
        use_class_token: bool = True,
        final_norm: bool = True,
    ) -> Tensor:
        """As :meth:`forward`, on patches that are already cut, ``(B, N, P)``."""
        return self.forward_tokens(self.embed(rows, visible, extra, use_class_token), final_norm)

    def forward_tokens(self, x: Tensor, final_norm: bool = True) -> Tensor:
        """Blocks and norm over tokens that are embedded already, ``(B, prefix + V, D)`` -> the same shape."""
        for block in self.blocks:
            x = block(x)
        return self.norm(x) if final_norm else x

    def embed(
        self,
        rows: Tensor,
        visible: Tensor | None = None,
        extra: Tensor | None = None,
        use_class_token: bool = True,
    ) -> Tensor:
        """Tokens that enter the first block, ``(B, prefix + V, D)``: only visible patches are projected."""
        positions = self.pos_embed[:, self.num_positions_prefix :]  # (1, N, D)
        if visible is None:
            x = self.patch_embed(rows) + positions
        else:
            batch, count = visible.shape[0], visible.shape[1]
            rows = rows.gather(1, visible.unsqueeze(2).expand(batch, count, rows.shape[2]))  # (B, V, P)
            picked = positions[0].index_select(0, visible.reshape(-1)).reshape(batch, count, -1)  # (B, V, D)
            x = self.patch_embed(rows) + picked
        if extra is not None:
            x = torch.cat([extra, x], dim=1)
        return self.add_class_token(x) if use_class_token else x

    def add_class_token(self, x: Tensor) -> Tensor:
        """Puts the class token, if there is one, in its place: ``(B, V, D)`` -> ``(B, V + 1, D)``."""
        token = self.cls_token
        if token is None:
            return x
        if self.class_token_place == "last":
            return torch.cat([x, token.expand(x.shape[0], -1, -1)], dim=1)
        placed = token + self.pos_embed[:, :1]
        return torch.cat([placed.expand(x.shape[0], -1, -1), x], dim=1)

    @torch.jit.unused
    def forward_intermediates(
        self,
        rows: Tensor,
        visible: Tensor | None = None,
        *,
        use_class_token: bool = True,
        num_blocks: int | None = None,
    ) -> list[Tensor]:
        """All stages of patches ``(B, N, P)``: the embedding, the output of each block, and the final norm.

        Args:
            rows: Patches.
            visible: Token indices ``(B, V)``; None is all.
            use_class_token: False leaves the class token out.
            num_blocks: Stops after so many blocks, and computes neither the others nor the norm.

        Returns:
            ``depth + 2`` tensors ``(B, prefix + V, D)``, or ``num_blocks + 1``.
        """
        stages = [self.embed(rows, visible, None, use_class_token)]
        for block in self.blocks[:num_blocks]:
            stages.append(block(stages[-1]))
        return [*stages, self.norm(stages[-1])] if num_blocks is None else stages
