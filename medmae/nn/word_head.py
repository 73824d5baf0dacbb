"""From encoded words to a vocabulary: a linear layer, or blocks before it."""

from __future__ import annotations

from torch import Tensor, nn

from medmae.masking.base import Mask
from medmae.nn.blocks import make_blocks
from medmae.nn.init import initialise_linears
from medmae.nn.vit import MaskedViT


class WordHead(nn.Module):
    """Logits of hidden words.

    Args:
        encoder: Whose tokens these are: gives width, MLP ratio, epsilon and biases.
        vocab_size: Words of the vocabulary.
        max_words: The longest sentence, of a decoder with positions of its own.
        depth: Blocks before the linear layer (ours; none in the reference).
        dim: Width of these blocks.
        num_heads: Their attention heads.
    """

    def __init__(
        self,
        encoder: MaskedViT,
        *,
        vocab_size: int,
        max_words: int,
        depth: int = 0,
        dim: int = 384,
        num_heads: int = 6,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(encoder.dim, dim) if depth else None
        self.position = nn.Embedding(max_words, dim) if depth else None
        self.blocks = make_blocks(
            dim=dim,
            depth=depth,
            num_heads=num_heads,
            mlp_ratio=encoder.mlp_ratio,
            norm_eps=encoder.norm_eps,
            qkv_bias=encoder.qkv_bias,
        )
        self.norm = nn.LayerNorm(dim, eps=encoder.norm_eps) if depth else nn.Identity()
        self.pred = nn.Linear(dim if depth else encoder.dim, vocab_size)
        initialise_linears(self)
        if self.position is not None:
            nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, tokens: Tensor, mask: Mask) -> Tensor:
        """Encoded words ``(B, L, D)`` -> logits of the hidden ones, ``(B, M, vocabulary)``."""
        if self.embed is not None and self.position is not None:
            tokens = self.embed(tokens) + self.position.weight[: tokens.shape[1]]
            keys = mask.key_mask()
            for block in self.blocks:
                tokens = block(tokens, key_mask=keys)
        return self.pred(self.norm(mask.hidden(tokens)))
