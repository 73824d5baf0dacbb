"""The masked ViT encoder: transformer blocks over visible tokens only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from medmae.errors import check_choice
from medmae.kinds import Kind, ScaleLike
from medmae.masking.base import gather_tokens
from medmae.nn.attention import QKVBias
from medmae.nn.blocks import make_blocks
from medmae.nn.config import Configured
from medmae.nn.encoder import Data, Pool, check_block, check_pool, data_of, kind_of
from medmae.nn.fresh import fresh_copy
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import Gelu
from medmae.nn.patch_embed import PatchEmbed, PatchInit
from medmae.nn.positions import Positions, SinCos, hold_positions, spread_axes
from medmae.nn.scaling import InputScale
from medmae.tokens.patches import Patches, patchify

ClassToken = Literal["first", "last", "none"]


class MaskedViT(Configured, nn.Module):
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
        qkv_bias: Which of queries, keys and values have a bias; see :func:`medmae.nn.blocks.make_blocks`.
        class_token: Where the class (or global) token stands; ``last`` has no position.
        positions: Of which kind; MAE's unless something else is said.
        drop_path: Stochastic depth of the last block (fine-tuning only).
        trainable_positions: False in pre-training; True when the encoder is fine-tuned.
        last_norm: False builds no norm after the last block (MultiMAE, whose heads have their own).
        kind: What the data is; None is a signal, a picture or a volume called ``image``, by the number of axes.
        gelu: Its form in the MLPs; see :func:`medmae.nn.mlp.gelu`.
        patch_init: How the patch projection is drawn; see :class:`PatchProjection`.
        scale: What it expects of data in its own units, applied here and nowhere else: a
            :class:`medmae.kinds.Scale` or the name of a published one. None leaves data as it is until weights are
            loaded that say otherwise.

    Raises:
        ValueError: If patches do not tile the size, or the width does not suit the heads or the positions.
    """

    __jit_unused_properties__ = ("kinds",)

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
        qkv_bias: QKVBias = True,
        class_token: ClassToken = "first",
        positions: Positions = SinCos(),  # noqa: B008 - frozen
        drop_path: float = 0.0,
        trainable_positions: bool = False,
        last_norm: bool = True,
        kind: Kind | None = None,
        gelu: Gelu = "exact",
        patch_init: PatchInit = "linear",
        scale: ScaleLike | None = None,
    ) -> None:
        super().__init__()
        self.pos_embed: Tensor
        self.axis_rows: Tensor | None
        check_choice(class_token, get_args(ClassToken), name="class_token")
        self.patches = Patches.of(size=image_size, patch=patch_size, channels=in_channels)
        self.patch_size = list(self.patches.patch)  # TorchScript reads lists, not tuples of unknown length
        self.kind = kind_of(self.patches, said=kind)
        self.scaling = InputScale(scale, channels=in_channels, ndim=self.patches.ndim)
        self.num_tokens = self.patches.num_tokens
        self.dim = embed_dim
        self.num_heads, self.mlp_ratio, self.norm_eps = num_heads, mlp_ratio, norm_eps
        self.qkv_bias, self.gelu = qkv_bias, gelu
        self.positions = positions
        self.class_token_place = class_token
        self.num_positions_prefix = prefix = int(class_token == "first")
        self.patch_embed = PatchEmbed(channels=in_channels, patch=self.patches.patch, dim=embed_dim, init=patch_init)
        self.cls_token = None if class_token == "none" else nn.Parameter(torch.empty(1, 1, embed_dim))
        grid = self.patches.grid
        hold_positions(self, positions, grid=grid, dim=embed_dim, prefix=prefix, trainable=trainable_positions)
        self.blocks = make_blocks(
            dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=mlp_ratio,
            norm_eps=norm_eps,
            qkv_bias=qkv_bias,
            drop_path=drop_path,
            form=gelu,
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
            data: ``(B, C, *size)`` in its own units.
            visible: Token indices ``(B, V)``; None encodes all N tokens (the downstream path, same code).
            extra: Further prefix tokens without position ``(B, E, D)``, put after a class token that is first.
            use_class_token: False leaves the class token out, as Edge-MAE does downstream.
            final_norm: False returns the output of the last block.

        Returns:
            Tokens ``(B, prefix + V, D)`` in the order of ``visible``.
        """
        return self.forward_patches(self.patchify(data), visible, extra, use_class_token, final_norm)

    def patchify(self, data: Tensor) -> Tensor:
        """Patches ``(B, N, P)`` of data ``(B, C, *size)``, scaled as the encoder expects it.

        Raises:
            ValueError: If ``data`` has another size or channel count than declared.
        """
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            self.patches.check(data)
        return patchify(self.scaling(data), self.patch_size)

    def unpatchify(self, rows: Tensor) -> Tensor:
        """The inverse of :meth:`patchify`: data ``(B, C, *size)`` in its own units, for the eye and for figures."""
        return self.scaling.invert(self.patches.unpatchify(rows))

    def forward_patches(
        self,
        rows: Tensor,
        visible: Tensor | None = None,
        extra: Tensor | None = None,
        use_class_token: bool = True,
        final_norm: bool = True,
    ) -> Tensor:
        """As :meth:`forward`, on what :meth:`patchify` gave, ``(B, N, P)``."""
        return self.forward_tokens(self.embed(rows, visible, extra, use_class_token), final_norm)

    def forward_tokens(self, x: Tensor, final_norm: bool = True, key_mask: Tensor | None = None) -> Tensor:
        """Blocks and norm over tokens that are embedded already, ``(B, prefix + V, D)`` -> the same shape.

        Where ``key_mask``, bool ``(B, prefix + V)``, is False a token is padding, which no other reads: see
        :meth:`medmae.masking.base.Mask.key_mask`.
        """
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            assert key_mask is None, "exported encoders take no key mask"
        for block in self.blocks:
            x = block(x, key_mask=key_mask)
        return self.norm(x) if final_norm else x

    def embed(
        self, rows: Tensor, visible: Tensor | None = None, extra: Tensor | None = None, use_class_token: bool = True
    ) -> Tensor:
        """Tokens that enter the first block, ``(B, prefix + V, D)``: only visible patches are projected."""
        positions = self.token_positions()  # (1, N, D)
        if visible is None:
            x = self.patch_embed(rows) + positions
        else:
            x = self.patch_embed(gather_tokens(rows, visible)) + gather_tokens(positions, visible)  # (B, V, D)
        if extra is not None:
            x = torch.cat([extra, x], dim=1)
        return self.add_class_token(x) if use_class_token else x

    def token_positions(self) -> Tensor:
        """The position of every token, ``(1, N, D)``, class tokens left out."""
        return spread_axes(self.pos_embed[:, self.num_positions_prefix :], self.axis_rows)

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
    def train_positions(self) -> None:
        """Lets the position table be trained, for fine-tuning; one that is computed stays what it is."""
        if self.positions.trained != "never":
            self.pos_embed.requires_grad_(True)

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

    @property
    def kinds(self) -> dict[str, Kind]:
        """See :attr:`medmae.nn.encoder.Encoder.kinds`."""
        return {self.kind.name: self.kind.scaled(self.scaling.scale)}

    def patch_tokens(self, tokens: Tensor, use_class_token: bool = True) -> Tensor:
        """Those of patches, ``(B, N, D)``, of all that :meth:`forward` gave for whole data."""
        first = self.num_positions_prefix if use_class_token else 0
        return tokens[:, first : first + self.num_tokens]

    def pool(self, tokens: Tensor, how: str) -> Tensor:
        """One row a sample, ``(B, D)``, of all tokens of whole data; ``how`` is a :data:`~medmae.nn.encoder.Pool`."""
        if how == "class_token":
            return tokens[:, 0 if self.class_token_place == "first" else -1]
        return (self.patch_tokens(tokens) if how == "mean" else tokens).mean(dim=1)

    def check_pool(self, pool: Pool) -> None:
        """See :func:`medmae.nn.encoder.check_pool`."""
        check_pool(pool, has_class_token=self.cls_token is not None)

    def features(self, batch: Data, *, pool: Pool = "mean", block: int | None = None) -> Tensor:
        """See :meth:`medmae.nn.encoder.Encoder.features`."""
        return self.features_and_tokens(batch, pool=pool, block=block)[0]

    def features_and_tokens(
        self, batch: Data, *, pool: Pool = "mean", block: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same, ``(B, D)``, and the patch tokens ``(B, N, D)``.

        After a block before the last, and without a norm of its own (MMAE, whose classifier has it), features get a
        plain layer norm after pooling, as that classifier begins with.
        """
        self.check_pool(pool)
        check_block(block, depth=len(self.blocks))
        data = data_of(batch, self)
        tokens = self(data) if block is None else self.forward_intermediates(self.patchify(data), num_blocks=block)[-1]
        features = self.pool(tokens, pool)
        if block is not None or isinstance(self.norm, nn.Identity):
            features = nn.functional.layer_norm(features, features.shape[1:], eps=self.norm_eps)
        return features, self.patch_tokens(tokens)

    def layers(self) -> list[list[nn.Parameter]]:
        """See :meth:`medmae.nn.encoder.Encoder.layers`; tokens, positions and patch embedding are the first."""
        return [[*self._tables(), *self.patch_embed.parameters()], *(list(b.parameters()) for b in self.blocks)]

    def fresh(self, *, seed: int) -> MaskedViT:
        """See :meth:`medmae.nn.encoder.Encoder.fresh`.

        Raises:
            ValueError: If the encoder has parameters that its constructor did not make.
        """
        return fresh_copy(self, seed=seed, others=MaskedViT.draw_tables)

    def _tables(self) -> list[nn.Parameter]:
        """Class token and positions, as far as they are parameters."""
        return [part for part in (self.cls_token, self.pos_embed) if isinstance(part, nn.Parameter)]

    @torch.jit.unused
    def draw_tables(self) -> list[nn.Parameter]:
        """Draws class token and positions as the constructor does, and gives those that are parameters."""
        table = self.positions.table(grid=self.patches.grid, dim=self.dim, prefix=self.num_positions_prefix)
        self.pos_embed.copy_(table)
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=0.02)
        return self._tables()
