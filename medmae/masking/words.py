"""Masking of words as BERT's: each by itself with the same chance, and replaced rather than dropped."""

from __future__ import annotations

import torch
from torch import Tensor

from medmae.masking.base import Mask
from medmae.masking.noise import NoiseMasking


class WordMasking(NoiseMasking):
    """Hides words of sentences of different lengths, ``[CLS]`` first, ``[SEP]`` last, padding behind.

    Hidden words stay in the sequence as ``[MASK]``. The number of hidden words is left to chance, as published: of five
    words none is hidden once in a thousand times at 0.75, and all of them once in four. What is hidden of a sentence
    does not depend on how far its batch is padded.

    Args:
        max_words: The longest sentence, ends included.
        ratio: Chance of each word to be hidden, in (0, 1); 0.15 to 0.9 make sense.
        spare: Hides at least one word and leaves at least one, where a sentence has two or more; of a single word the
            chance decides. False is as published.

    Raises:
        ValueError: If the ratio is not in (0, 1).
    """

    def __init__(self, *, max_words: int, ratio: float, spare: bool = True) -> None:
        if not 0 < ratio < 1:
            raise ValueError(f"a ratio of hidden words lies between 0 and 1, got {ratio}")
        self.max_words, self.ratio, self.spare = max_words, ratio, spare

    @property
    def noise_width(self) -> int:
        """See :attr:`NoiseMasking.noise_width`: one a place."""
        return self.max_words

    def mask_of(self, noise: Tensor, real: Tensor | None = None) -> Mask:
        """See :meth:`NoiseMasking.mask_of`.

        Raises:
            ValueError: If nobody says how long sentences are, or one is too long.
        """
        if real is None:
            raise ValueError("words are of sentences of some length: say which are no padding, real=(B, L) bool")
        if real.shape[1] > self.max_words:
            raise ValueError(f"sentences may have {self.max_words} tokens, got {real.shape[1]}")
        real = real.to(noise.device)
        noise = noise[:, : real.shape[1]]  # (B, L)
        words = between_ends(real)
        hidden = words & (noise < self.ratio)
        if self.spare:
            first, last = noise.masked_fill(~words, 2.0), noise.masked_fill(~words, -1.0)
            several = words.sum(dim=1, keepdim=True) > 1
            hidden |= several & words & (noise == first.amin(dim=1, keepdim=True))
            hidden &= ~(several & (noise == last.amax(dim=1, keepdim=True)))
        return Mask.from_bool(hidden, real=real, replaced=True)


def between_ends(real: Tensor) -> Tensor:
    """Tokens but the first and the last of each sentence, of bool ``(B, L)`` that tells tokens from padding behind."""
    place, length = torch.arange(real.shape[1], device=real.device), real.sum(dim=1, keepdim=True)
    return real & (place > 0) & (place < length - 1)
