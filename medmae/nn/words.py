"""Words before an encoder: BERT's embedding of their numbers and of their places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medmae.errors import DataError
from medmae.nn.config import Configured
from medmae.tokens.text import Vocabulary, WordNumbers


class WordEmbedding(Configured, nn.Module):
    """Word, position and the first of two token types, added, normalised, some of it dropped.

    Source: Devlin et al., "BERT", NAACL 2019; sizes and names of ``bert-base-uncased``.

    Args:
        vocabulary: Words in the order of their numbers: whoever has the weights reads and writes sentences with it.
            None knows numbers alone.
        vocab_size: How many words it has. None takes this, and the last two numbers, of the vocabulary, and without
            one those of BERT's.
        dim: D.
        max_words: The longest sentence, ends included.
        dropout: Share of values that is dropped in training.
        pad: Number of ``[PAD]``.
        mask: Number of ``[MASK]``.

    Attributes:
        vocabulary_sha256: Of the vocabulary, if it is known; weight files say it, and none of another one is loaded.

    Raises:
        ValueError: If a number is another than the vocabulary's, or none of it.
        DataError: If the words are no vocabulary.
    """

    def __init__(
        self,
        *,
        vocabulary: Sequence[str] | None = None,
        vocab_size: int | None = None,
        dim: int = 768,
        max_words: int = 512,
        dropout: float = 0.1,
        pad: int | None = None,
        mask: int | None = None,
    ) -> None:
        super().__init__()
        known = WordNumbers.of(vocabulary, size=vocab_size, pad=pad, mask=mask)
        for name, number in (("pad", known.pad), ("mask", known.mask)):
            if not 0 <= number < known.size:
                raise ValueError(f"{name}={number} is no word of a vocabulary of {known.size}: say its number in yours")
        self._vocabulary, self.vocabulary_sha256 = known.vocabulary, known.sha256
        self.vocab_size, self.max_words, self.pad, self.mask = known.size, max_words, known.pad, known.mask
        self.word, self.position, self.token_type = (nn.Embedding(count, dim) for count in (known.size, max_words, 2))
        self.norm = nn.LayerNorm(dim, eps=1e-12)
        self.dropout = nn.Dropout(dropout)
        self.draw()

    @property
    def vocabulary(self) -> Vocabulary | None:
        """By which sentences become numbers; None where nobody said it."""
        return self._vocabulary

    def draw(self) -> list[nn.Parameter]:
        """Draws the tables as BERT does, with a deviation of 0.02, and gives them."""
        tables = [*self.word.parameters(), *self.position.parameters(), *self.token_type.parameters()]
        for table in tables:
            nn.init.normal_(table, std=0.02)
        return tables

    def real(self, words: Tensor) -> Tensor:
        """Which of ``(B, L)`` are no padding."""
        return words != self.pad

    def forward(self, words: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Embeds sentences.

        Args:
            words: Numbers of words ``(B, L)``, padded behind.
            hidden: ``(B, L)`` bool, True where ``[MASK]`` stands instead.

        Returns:
            ``(B, L, D)``.

        Raises:
            DataError: If a sentence is longer than :attr:`max_words`, or a number is none of the vocabulary.
        """
        self._check(words)
        if hidden is not None:
            words = words.masked_fill(hidden, self.mask)
        summed = self.word(words) + self.position.weight[: words.shape[1]] + self.token_type.weight[0]
        return self.dropout(self.norm(summed))

    def hidden_as_bert(self, words: Tensor, hidden: Tensor) -> Tensor:
        """Words ``(B, L)`` of which eight in ten hidden ones are ``[MASK]``, one is any other word, and one stays.

        In the order of the batch and not by a draw: which words are hidden is random already, and a replayed mask means
        the same words again.
        """
        number = hidden.flatten().cumsum(dim=0).reshape(hidden.shape)  # 1, 2, ... of hidden words
        other = (number * 2654435761 + words.sum()) % 2147483647 % self.vocab_size
        read = words.masked_fill(hidden & (number % 10 < 8), self.mask)
        return other.where(hidden & (number % 10 == 8), read)

    @torch.jit.unused
    def _check(self, words: Tensor) -> None:
        if words.is_floating_point() or words.ndim != 2:
            raise DataError(
                "words are whole numbers (B, L)",
                field="words",
                value=f"{words.dtype} {tuple(words.shape)}",
                remedy="encode sentences with the vocabulary of these weights",
            )
        if words.shape[1] > self.max_words:
            raise DataError(
                f"sentences may have {self.max_words} tokens",
                field="words",
                value=words.shape[1],
                remedy="cut them when they are encoded, max_words=",
            )


def sentence_ids(words: Tensor, real: Tensor) -> Tensor:
    """A number for each sentence of ``(B, L)``, equal where all real words are; comparable between processes: ``(B,)``.

    Two different sentences share one by chance only, and then are merely no negatives of each other.
    """
    place = torch.arange(1, words.shape[1] + 1, device=words.device, dtype=torch.int64)
    factor = place * 2654435761 % 2147483647 * (place * 40503 + 1)
    return ((words + 1) * real * factor).sum(dim=1)


def example_sentences(words: WordEmbedding, count: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Random ones of different lengths, at most 12 words, for checks: ``(count, L)``."""
    longest = min(12, words.max_words)
    kept = torch.tensor([n for n in range(words.vocab_size) if n not in (words.pad, words.mask)])
    drawn = kept[torch.randint(len(kept), (count, longest), generator=generator)]
    length = longest - torch.arange(count).unsqueeze(1) % (longest // 2)
    return drawn.where(torch.arange(longest) < length, words.pad)
