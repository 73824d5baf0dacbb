"""What methods share that read clips and sentences: the words that they know, and which of them are no padding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from medmae.kinds import Kind
from medmae.masking.base import Masks
from medmae.methods.base import Batch, MaskedMethod, count_samples, entry
from medmae.nn.pair_head import PairHead
from medmae.nn.words import WordEmbedding, example_sentences
from medmae.tokens.patches import Patches
from medmae.tokens.text import WORDS, Vocabulary


class Clip(Protocol):
    """What reads clips: an encoder of cubes, or of frames."""

    patches: Patches
    kind: Kind


class ReadsWords:
    """A method of clips and sentences, with an embedding of words."""

    @property
    def begins(self) -> Mapping[str, str]:
        """With which parts of other weights parts of it may begin, by name here what each is called there."""
        return {}

    @property
    @abstractmethod
    def clip(self) -> Clip:
        """The part of its encoder that is of clips."""

    @property
    @abstractmethod
    def sentences(self) -> WordEmbedding:
        """What embeds its sentences, and knows by which vocabulary."""

    @property
    def projections(self) -> PairHead | None:
        """What its contrast projects clips and sentences with; None where it has none."""
        head = getattr(self, "pair_head", None)
        assert head is None or isinstance(head, PairHead)
        return head

    @property
    def vocabulary(self) -> Vocabulary | None:
        """By which sentences become numbers; None where nobody said it."""
        return self.sentences.vocabulary

    def example_batch(self, batch_size: int = 2, *, generator: Generator | None = None) -> dict[str, Tensor]:
        """See :meth:`Method.example_batch`: sentences of different lengths."""
        patches, sentences = self.clip.patches, example_sentences(self.sentences, batch_size, generator=generator)
        clip = torch.rand(batch_size, patches.channels, *patches.size, generator=generator)
        return {self.clip.kind.name: clip, WORDS.name: sentences}


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
