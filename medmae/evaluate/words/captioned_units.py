"""Clips and all that is said of each, for retrieval: views of a video as one, every caption by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from medmae.data.samples import Samples
from medmae.data.video.captioned import CaptionedClips, captions_of
from medmae.evaluate.features.views_of_units import ViewsOfUnits
from medmae.evaluate.retrieval.entries import Entries
from medmae.training.reading import Items


@dataclass(frozen=True, kw_only=True)
class CaptionedUnits:
    """Videos that were read, and their captions.

    Attributes:
        samples: One item a video; of several views all of them.
        cases: What each video is called, ``(N,)``.
        subjects: Whose it is.
        captions: What is said of it.
        words: How sentences become numbers.
        views: Of each.
    """

    samples: Items[Mapping[str, Any]]
    cases: Sequence[str]
    subjects: Sequence[str]
    captions: Sequence[Sequence[str]]
    words: CaptionedClips
    views: int

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Of samples of a view that draws nothing.

        Raises:
            ValueError: If the view is of something else, or draws clips or captions.
        """
        view = samples.view
        if not isinstance(view, CaptionedClips) or view.test_views is None or view.each_caption:
            raise ValueError(
                "retrieval takes CaptionedClips(test_views=..., each_caption=False), so that nothing is drawn"
            )
        units = ViewsOfUnits.of(samples)
        first = range(len(samples)) if units is None else units.first
        abouts = [samples.describe(number) for number in first]
        return cls(
            samples=samples if units is None else units,
            cases=[about.case for about in abouts],
            subjects=[about.subject for about in abouts],
            captions=[captions_of(samples.source.rows[samples.item(number).numbers[0]]) for number in first],
            words=view,
            views=1 if units is None else units.views,
        )

    def __len__(self) -> int:
        return len(self.cases)

    def only(self, places: Sequence[int]) -> Said:
        """Entries of those videos that could be read, and of what is said of them."""
        said = [(place, number) for place in places for number in range(len(self.captions[place]))]
        texts = [self.captions[place][number] for place, number in said]
        clips = Entries(
            kind="video",
            owners=[self.cases[place] for place in places],
            patients=[self.subjects[place] for place in places],
        )
        sentences = Entries(
            kind="text",
            owners=[self.cases[place] for place, _ in said],
            names=texts,
            contents=[_spelt(text) for text in texts],
            patients=[self.subjects[place] for place, _ in said],
        )
        return Said(clips=clips, sentences=sentences, texts=texts)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is looked for by what.

    Attributes:
        clips: Videos;
        sentences: captions;
        texts: as they were written.
    """

    clips: Entries
    sentences: Entries
    texts: Sequence[str]


def _spelt(text: str) -> str:
    """Equal sentences are equal whatever their case and blanks."""
    return " ".join(text.casefold().split())
