"""What methods share that read sentences: the words that they know, and which of them are no padding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Generator, Tensor

from medmae.masking.base import Masks
from medmae.methods.base import Batch, MaskedMethod, count_samples, entry
from medmae.nn.words import WordEmbedding
from medmae.tokens.text import WORDS, Vocabulary


class ReadsWords:
    """A method with an embedding of words."""

    @property
    @abstractmethod
    def sentences(self) -> WordEmbedding:
        """What embeds its sentences, and knows by which vocabulary."""

    @property
    def vocabulary(self) -> Vocabulary | None:
        """By which sentences become numbers; None where nobody said it."""
        return self.sentences.vocabulary


class MaskedWords(ReadsWords, MaskedMethod):
    """A masked method of sentences, ``"words"`` ``(B, L)``, and of something else."""

    def real_tokens(self, batch: Batch) -> dict[str, Tensor]:
        """Which tokens of a kind are no padding, bool ``(B, N)`` by its name; kinds without padding are missing."""
        return {WORDS.name: self.sentences.real(entry(batch, WORDS.name))}

    def draw_masks(self, batch: Batch, *, generator: Generator | None = None) -> Masks:
        """See :meth:`MaskedMethod.draw_masks`."""
        real, count = self.real_tokens(batch), count_samples(batch)
        drawn = {n: how.sample(count, generator=generator, real=real.get(n)) for n, how in self.maskings.items()}
        return {name: mask.to(batch[WORDS.name].device) for name, mask in drawn.items()}


def numbers_of_learnt(size: int, options: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of a vocabulary of so many words that was learnt, for presets, unless ``options`` have a vocabulary."""
    return {} if options.get("vocabulary") else {"vocab_size": size, "mask_word": 4}
