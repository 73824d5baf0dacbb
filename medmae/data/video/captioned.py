"""Clips with what is said of them: a view for methods that learn from both."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.video.clips import Clips
from medmae.data.views import About, Item
from medmae.errors import DataError
from medmae.kinds import Kind
from medmae.tokens.text import PAD, WORDS, Encoded, Vocabulary


@dataclass(frozen=True, kw_only=True)
class CaptionedClips(Clips):
    """As :class:`Clips`, with ``"words"`` ``(max_words,)`` int64 of a caption: ``[CLS]``, words, ``[SEP]``, padding.

    Of several captions of a video each clip draws one; videos without any give no samples. A clip and its caption are
    one sample: where a video cannot be read both are replaced, or both missing.

    Args:
        vocabulary: Of the network that reads them: that of a method, a ``vocab.txt``, or its words.
        max_words: Longer captions lose their end, which is told.
        each_caption: A sample for every caption of a video, in the place of one that is drawn.

    Raises:
        DataError: If there is no vocabulary.
        ValueError: As :class:`Clips`, or if not even the ends of a caption would fit.
    """

    vocabulary: Vocabulary | Sequence[str] | str | Path | None = None
    max_words: int = 32
    each_caption: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.vocabulary:
            raise DataError(
                "no vocabulary tells which number a word has",
                field="vocabulary",
                remedy="take that of the weights, method.vocabulary; published ones have a vocab.txt beside them",
            )
        object.__setattr__(self, "vocabulary", Vocabulary.of(self.vocabulary))
        self.encoded(["a"])

    @property
    def words(self) -> Vocabulary:
        """The vocabulary, read."""
        assert isinstance(self.vocabulary, Vocabulary)
        return self.vocabulary

    @property
    def options(self) -> dict[str, Any]:
        """See :attr:`View.options`; a hash stands for all the words."""
        return {**super().options, "vocabulary": self.words.sha256}

    def encoded(self, captions: Sequence[str]) -> Encoded:
        """Captions as numbers, ``(B, L)``, padded to the longest of them."""
        return self.words.encode(captions, max_words=self.max_words)

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest; captions that lose their end, or words, are told with their count.

        Raises:
            DataError: See :meth:`Clips.open`; or if no video has a caption.
        """
        manifest = super().open(source)
        captions = [caption for row in manifest for caption in captions_of(row)]
        if not captions:
            raise DataError(
                "no video of this data set has a caption",
                path=manifest.path,
                field="captions",
                value=0,
                remedy="give medmae prep video a table with a column caption, or JSON {path: caption}",
            )
        found = self.encoded(captions)
        if found.cut or found.unknown:
            warnings.warn(
                f"{manifest.path}: of {len(captions)} captions {found.cut} are longer than {self.max_words} words and "
                f"lose their end; {found.unknown} words are not in the vocabulary",
                stacklevel=2,
            )
        return manifest

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 3)``: row, which of its clips (or views), and which caption; -1 draws one."""
        said = [place for place in places if captions_of(source.rows[place])]
        rows = super().items(source, said)  # (N, 2)
        counts = [len(captions_of(source.rows[row])) for row in rows[:, 0]] if self.each_caption else [1] * len(rows)
        numbers = np.concatenate([np.arange(count) for count in counts] or [np.empty(0, np.int64)])
        numbers = numbers if self.each_caption else np.full(len(numbers), -1)
        return np.concatenate([rows.repeat(counts, axis=0), numbers[:, None]], axis=1)

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """A clip and words."""
        return {**super().kinds(source), WORDS.name: WORDS}

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """``{"image": (C, T, H, W), "words": (max_words,)}``; see :meth:`Clips.read`."""
        words = self.encoded([self.caption(source, item)]).words[0]
        padded = F.pad(words, (0, self.max_words - len(words)), value=self.words.number(PAD))
        return {**super().read(source, item), WORDS.name: padded}

    def describe(self, source: Manifest, item: Item) -> About:
        """As :meth:`Clips.describe`, and what is said."""
        about = super().describe(source, item)
        place = {**about.place, "caption": self.caption(source, item)}
        return About(about.case, about.subject, label=about.label, place=place)

    def caption(self, source: Manifest, item: Item) -> str:
        """What a sample says, as it was written."""
        captions = captions_of(source.rows[item.numbers[0]])
        if item.numbers[2] >= 0:
            return captions[item.numbers[2]]
        if self.test_views is not None:
            return captions[0]
        return captions[int(np.random.default_rng((self.seed, item.epoch, item.index, 2)).integers(len(captions)))]

    def remedy(self, source: Manifest, places: Sequence[int]) -> str:
        """How many videos are there, and say nothing."""
        silent = sum(not captions_of(source.rows[place]) for place in places)
        return f"{silent} of {len(places)} videos of this split have no caption: caption some, or choose another split"


def captions_of(row: dict[str, Any]) -> list[str]:
    """What is said of a video, in the order in which it was written."""
    return list(row.get("captions") or ())
