"""The light decoder that sees every token: encoded visible ones, and a learned token where data was hidden."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.masking.base import Mask, gather_tokens
from medmae.nn.blocks import make_blocks
from medmae.nn.init import initialise_linears
from medmae.nn.positions import Positions, hold_positions, spread_axes
from medmae.nn.vit import MaskedViT


class DecoderTokens(nn.Module):
    """What enters a decoder of one kind of data: encoded visible tokens, narrowed, and a learned one for hidden ones.

    Whoever builds on it draws the weights; the mask token begins as zeros.

    Tokens are concatenated as [class tokens, visible, masked], each with its own position, instead of being sorted
    back into raster order: attention does not care, and the masked ones stay together for the last block.

    Args:
        encoder: Whose tokens these are: gives its grid, width and place of the class token.
        dim: Width of the decoder.
        positions: Of which kind; None is the encoder's.
        embed_bias: Whether the projection of the encoder's tokens has a bias (not in VideoMAE).
    """

    def __init__(
        self, encoder: MaskedViT, *, dim: int, positions: Positions | None = None, embed_bias: bool = True
    ) -> None:
        super().__init__()
        self.pos_embed: Tensor
        self.axis_rows: Tensor | None
        self.prefix, self.suffix = encoder.num_positions_prefix, int(encoder.class_token_place == "last")
        self.embed = nn.Linear(encoder.dim, dim, bias=embed_bias)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = positions or encoder.positions
        hold_positions(self, self.positions, grid=encoder.patches.grid, dim=dim, prefix=self.prefix)

    def token_positions(self) -> Tensor:
        """The position of every token, ``(1, N, dim)``, class tokens left out."""
        return spread_axes(self.pos_embed[:, self.prefix :], self.axis_rows)

    def tokens(self, latent: Tensor, mask: Mask, there: Tensor | None = None) -> Tensor:
        """[prefix, visible + position, mask token + position]; see :meth:`MaskedDecoder.forward`."""
        prefix, visible = self.apart(latent, mask.num_visible)
        if there is not None:
            visible = torch.where(there.unsqueeze(2), visible, self.mask_token.to(visible.dtype))
        positions = self.token_positions()  # (1, N, dim)
        visible = visible + gather_tokens(positions, mask.visible)
        hidden = self.mask_token + gather_tokens(positions, mask.masked)
        return torch.cat([prefix, visible, hidden.to(visible.dtype)], dim=1)

    def apart(self, latent: Tensor, num_visible: int) -> tuple[Tensor, Tensor]:
        """Class tokens ``(B, prefix + suffix, dim)`` and visible ones ``(B, V, dim)``, narrowed, without positions."""
        x = self.embed(latent)
        stop = x.shape[1] - self.suffix
        start = stop - num_visible
        return torch.cat([x[:, :start], x[:, stop:]], dim=1), x[:, start:stop]


class MaskedDecoder(DecoderTokens):
    """Self-attention decoder trunk of MAE; norms and predictions belong to the heads.

    Args:
        encoder: Whose tokens these are: gives its grid, width, MLP ratio, epsilon, biases and place of the class token.
        dim: Width of the decoder.
        depth: Number of blocks, at least 1.
        num_heads: Attention heads.
        positions: Of which kind; None is the encoder's.
        embed_bias: Whether the projection of the encoder's tokens has a bias (not in VideoMAE).
    """

    def __init__(
        self,
        encoder: MaskedViT,
        *,
        dim: int = 512,
        depth: int = 8,
        num_heads: int = 16,
        positions: Positions | None = None,
        embed_bias: bool = True,
    ) -> None:
        if depth < 1:
            raise ValueError(f"a decoder needs at least one block, got depth {depth}")
        super().__init__(encoder, dim=dim, positions=positions, embed_bias=embed_bias)
        self.blocks = make_blocks(
            dim=dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=encoder.mlp_ratio,
            norm_eps=encoder.norm_eps,
            qkv_bias=encoder.qkv_bias,
            form=encoder.gelu,
        )
        initialise_linears(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, latent: Tensor, mask: Mask, *, masked_only: bool = True, there: Tensor | None = None) -> Tensor:
        """Decodes the tokens that a loss will read.

        Args:
            latent: Encoder output ``(B, prefix + V + suffix, D)``, visible tokens in the order of ``mask.visible``.
            mask: Which tokens those are.
            masked_only: True computes the last block for masked tokens only (exact, and cheaper).
            there: ``(B, V)`` bool, False where the encoder has dropped a visible token on the way: the mask token
                stands there, too. None: all are there.

        Returns:
            ``(B, M, dim)`` in the order of ``mask.masked``, or all tokens ``(B, N, dim)`` in raster order.
        """
        tokens = self.tokens(latent, mask, there)  # (B, prefix + N, dim), N = V + M
        start = tokens.shape[1] - mask.num_visible - mask.num_masked
        entries = mask.entries
        keys = None if entries is None else F.pad(entries, (start, 0), value=True)  # (B, prefix + N)
        for block in self.blocks[:-1]:
            tokens = block(tokens, key_mask=keys)
        if masked_only:
            return self.blocks[-1](tokens, mask.num_masked, key_mask=keys)
        tokens = self.blocks[-1](tokens, key_mask=keys)[:, start:]
        return mask.restore(tokens[:, : mask.num_visible], tokens[:, mask.num_visible :])
