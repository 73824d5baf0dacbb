"""The decoder of one modality among several: its own tokens ask, the visible tokens of all modalities answer.

Paper: R. Bachmann, D. Mizrahi, A. Atanov, A. Zamir, "MultiMAE: Multi-modal Multi-task Masked Autoencoders", ECCV 2022,
arXiv 2204.01678. Reference: wisdomikezogwo/MMAE_Pathology (a5716f5), whose core is EPFL-VILAB/MultiMAE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medmae.masking.base import gather_tokens
from medmae.nn.blocks import make_blocks
from medmae.nn.cross_decoder import CrossAttention
from medmae.nn.init import initialise_linears
from medmae.nn.mlp import MLP
from medmae.nn.vit import MaskedViT
from medmae.tokens.modalities import ModalityPatches


class ModalityDecoder(nn.Module):
    """Cross-attention, MLP, self-attention blocks and prediction for all n tokens of one modality.

    As in the reference there is no residual around the cross-attention and no norm before the prediction. Tokens of all
    modalities carry a learned embedding of their modality here; in the encoder they do not.

    Args:
        encoder: Gives its grid, width, MLP ratio, epsilon and positions; its class token is last, or there is none.
        modalities: All of them, in the order of their tokens.
        modality: Which of them is decoded.
        dim: Width.
        depth: Self-attention blocks after the cross-attention.
        num_heads: Attention heads.

    Raises:
        ValueError: If the width does not suit the heads.
    """

    def __init__(
        self,
        encoder: MaskedViT,
        modalities: ModalityPatches,
        *,
        modality: str,
        dim: int = 256,
        depth: int = 2,
        num_heads: int = 8,
    ) -> None:
        super().__init__()
        self.names, self.num_tokens = modalities.names, modalities.num_tokens
        self.number = self.names.index(modality)
        eps, ratio = encoder.norm_eps, encoder.mlp_ratio
        self.embed = nn.Linear(encoder.dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dim))
        table = encoder.positions.table(grid=encoder.patches.grid, dim=dim)
        self.pos_embed = nn.Parameter(table, requires_grad=False)
        self.modality_embed = nn.ParameterDict({name: torch.empty(1, 1, dim) for name in self.names})
        self.query_norm, self.context_norm, self.out_norm = (nn.LayerNorm(dim, eps=eps) for _ in range(3))
        self.attn = CrossAttention(dim=dim, source_dim=dim, num_heads=num_heads)
        self.mlp = MLP(dim, hidden=int(dim * ratio))
        self.blocks = make_blocks(dim=dim, depth=depth, num_heads=num_heads, mlp_ratio=ratio, norm_eps=eps)
        self.pred = nn.Linear(dim, modalities.patches[modality].num_values)
        initialise_linears(self, unpack=True)
        for embedding in self.modality_embed.values():
            nn.init.trunc_normal_(embedding, std=0.02)

    def forward(self, latent: Tensor, visible: Tensor) -> Tensor:
        """Predicts every token of the modality, whether it was visible or not.

        Args:
            latent: Encoder output ``(B, V + 1, D)``, visible tokens in the order of ``visible``, then the class token.
            visible: Token indices over the concatenation of the modalities, ``(B, V)``.

        Returns:
            ``(B, n, P)`` in raster order.
        """
        queries, context = self.tokens(latent, visible)
        x = self.attn(self.query_norm(queries), self.context_norm(context))  # (B, n, dim), no residual
        x = x + self.mlp(self.out_norm(x))
        for block in self.blocks:
            x = block(x)
        return self.pred(x)

    def tokens(self, latent: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Queries ``(B, n, dim)``, all tokens of the modality; context ``(B, V + 1, dim)``, all that was visible."""
        modality, index = visible // self.num_tokens, visible % self.num_tokens  # (B, V) each
        names = torch.cat([self.modality_embed[name] for name in self.names], dim=1)  # (1, T, dim)
        x = self.embed(latent)
        seen = x[:, : visible.shape[1]] + gather_tokens(names, modality) + gather_tokens(self.pos_embed, index)
        context = torch.cat([seen, x[:, visible.shape[1] :]], dim=1)  # the class token has no embedding
        hidden = self.mask_token + names[:, self.number : self.number + 1] + self.pos_embed  # (1, n, dim)
        # Visible tokens of this modality take their places; those of others go to an extra row that is cut off.
        place = torch.where(modality == self.number, index, self.num_tokens).unsqueeze(2).expand_as(seen)
        slots = torch.cat([hidden, hidden[:, :1]], dim=1).expand(len(seen), -1, -1).to(seen.dtype)
        return slots.scatter(1, place, seen)[:, : self.num_tokens], context
