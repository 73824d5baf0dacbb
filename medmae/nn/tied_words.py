"""From encoded words to a vocabulary by the table that embeds them, as BERT does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from medmae.nn.bert import EPS
from medmae.nn.config import Configured
from medmae.nn.init import initialise_linears
from medmae.nn.words import WordEmbedding


class TiedWordHead(Configured, nn.Module):
    """BERT's head of masked language modelling: a layer, a norm, and the table of word embeddings once more.

    Args:
        dim: D.
        vocab_size: Words of the vocabulary.
    """

    def __init__(self, dim: int, *, vocab_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(dim, dim)
        self.act = nn.GELU()
        self.norm = nn.LayerNorm(dim, eps=EPS)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        initialise_linears(self)

    def forward(self, tokens: Tensor, words: WordEmbedding) -> Tensor:
        """Encoded words ``(B, M, D)`` -> logits ``(B, M, vocabulary)``."""
        return F.linear(self.norm(self.act(self.dense(tokens))), words.word.weight, self.bias)
