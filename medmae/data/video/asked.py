"""Clips with what is asked of them: a view for methods that answer questions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from medmae.data.labels import Labels
from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.video.answer_list import spelt
from medmae.data.video.clips import Clips
from medmae.data.video.questions import AnswerBy, Question, questions_of
from medmae.data.views import About, Item
from medmae.errors import DataError, check_choice
from medmae.kinds import Kind
from medmae.tokens.text import PAD, WORDS, Vocabulary


@dataclass(frozen=True, kw_only=True)
class AskedClips(Clips):
    """As :class:`Clips`, a sample for every question of a video.

    ``words`` ``(max_words,)`` int64 is the question. Of open questions ``accepted`` ``(A,)`` says which of the listed
    answers count, float32 0 or 1, and ``answer`` ``(answer_words,)`` is one of all that count. Of choices ``choices``
    ``(max_choices, max_words)`` are question and choice, each as one sentence, unused rows all padding, and
    ``accepted`` ``(max_choices,)`` marks the right one. An open question may have choices, which are not shown then.

    Args:
        vocabulary: Of the network that reads them.
        answers: The closed list, as :class:`medmae.data.AnswerList` has it; of open questions.
        by: How answers are given: ``classes`` of the list, in ``words``, or as one of ``choices``.
        max_words: Longer questions lose their end, which is told; a choice never does while a word of its question is
            left.
        answer_words: Likewise, of answers.
        max_choices: Rows of choices; a question of more is refused.
        ask: Asked of every video in the place of its own questions.
        answered: False: also what has no known answer, which cannot be learnt.

    Raises:
        DataError: If there is no vocabulary.
        ValueError: As :class:`Clips`; or if no answers are listed of open questions, or choices are to be asked freely.
    """

    vocabulary: Vocabulary | Sequence[str] | str | Path | None = None
    answers: Sequence[str] = ()
    by: AnswerBy = "classes"
    max_words: int = 32
    answer_words: int = 8
    max_choices: int = 5
    ask: Sequence[str] | None = None
    answered: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self.by, get_args(AnswerBy), name="by")
        if not self.vocabulary:
            raise DataError(
                "no vocabulary tells which number a word has",
                field="vocabulary",
                remedy="take that of the weights, method.vocabulary; published ones have a vocab.txt beside them",
            )
        if self.by != "choices" and not self.answers:
            raise ValueError("open questions have a closed list of answers: answers=AnswerList(source=...)")
        if self.by == "choices" and self.ask is not None:
            raise ValueError("choices are those of a question in the data: ask nothing else, or answer by='classes'")
        object.__setattr__(self, "vocabulary", Vocabulary.of(self.vocabulary))
        object.__setattr__(self, "_numbers", {spelt(answer): number for number, answer in enumerate(self.answers)})
        self.words.encode(["a"], max_words=min(self.max_words, self.answer_words))

    @property
    def words(self) -> Vocabulary:
        """The vocabulary, read."""
        assert isinstance(self.vocabulary, Vocabulary)
        return self.vocabulary

    @property
    def options(self) -> dict[str, Any]:
        """See :attr:`View.options`; a hash stands for all the words."""
        return {**super().options, "vocabulary": self.words.sha256}

    def asked(self, row: dict[str, Any]) -> list[Question]:
        """The questions of a video that give samples."""
        if self.ask is not None:
            return [Question(text=text) for text in self.ask]
        suits = (one for one in questions_of(row) if self.by != "choices" or one.choices)
        return [one for one in suits if one.answers or not self.answered]

    def open(self, source: Source | str | Path) -> Manifest:
        """The manifest; what is cut, unknown or not in the list is told with its count.

        Raises:
            DataError: See :meth:`Clips.open`; or if nothing is asked, or of a question more choices than fit.
        """
        manifest = super().open(source)
        asked = [question for row in manifest for question in self.asked(row)]
        if not asked:
            raise DataError(
                "no video of this data set has such a question",
                path=manifest.path,
                field="questions, by",
                value=(0, self.by),
                remedy="give medmae prep video a table with question and answer (and choices, if by='choices')",
            )
        most = max(len(question.choices) for question in asked)
        if self.by == "choices" and most > self.max_choices:
            raise DataError(
                f"a question has {most} choices", path=manifest.path, field="max_choices", value=self.max_choices,
                remedy=f"pass --max_choices {most}",
            )  # fmt: skip
        self._tell(asked, manifest)
        return manifest

    def _tell(self, asked: Sequence[Question], manifest: Manifest) -> None:
        found = self.words.encode(list(dict.fromkeys(one.text for one in asked)), max_words=self.max_words)
        told = [f"{found.cut} are longer than {self.max_words} words and lose their end"] if found.cut else []
        told += [f"{found.unknown} of their words are not in the vocabulary"] if found.unknown else []
        listed = sum(self.accepted(one).any() for one in asked)
        if self.by != "choices" and self.answered and listed < len(asked):
            told.append(f"{len(asked) - listed} have no answer in the list, are not learnt, and count as wrong")
        if told:
            warnings.warn(f"{manifest.path}: of {len(asked)} questions " + "; ".join(told), stacklevel=3)

    def items(self, source: Manifest, places: Sequence[int]) -> np.ndarray:
        """``(N, 3)``: row, which of its clips (or views), and which question; views of a question in a row."""
        rows = [
            (place, clip, number)
            for place in places
            for number in range(len(self.asked(source.rows[place])))
            for clip in range(self.per_video)
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)

    def labels(self, source: Manifest, items: np.ndarray) -> Labels | None:
        """None: what is to be learnt are answers."""
        return None

    def kinds(self, source: Manifest) -> dict[str, Kind]:
        """A clip and words."""
        return {**super().kinds(source), WORDS.name: WORDS}

    def question(self, source: Manifest, item: Item) -> Question:
        """What a sample asks."""
        return self.asked(source.rows[item.numbers[0]])[item.numbers[2]]

    def accepted(self, question: Question) -> Tensor:
        """Which answers of the list, or which choices, count: float32 0 or 1."""
        if self.by == "choices":
            found = torch.zeros(self.max_choices)
            return found if question.right is None else found.index_fill(0, torch.tensor([question.right]), 1)
        numbers: dict[str, int] = getattr(self, "_numbers")  # noqa: B009 - set beside the fields
        right = [numbers[answer] for answer in map(spelt, question.answers) if answer in numbers]
        return torch.zeros(len(self.answers)).index_fill(0, torch.tensor(right, dtype=torch.int64), 1)

    def read(self, source: Manifest, item: Item) -> dict[str, Tensor]:
        """See the class, and :meth:`Clips.read`."""
        question = self.question(source, item)
        found = {WORDS.name: self._padded(question.text, self.max_words), "accepted": self.accepted(question)}
        if self.by == "choices":
            found["choices"] = self._choices(question)
        elif self.by == "words":
            answers = question.answers or ("",)
            drawn = np.random.default_rng((self.seed, item.epoch, item.index, 3)).integers(len(answers))
            found["answer"] = self._padded(answers[0 if self.test_views is not None else drawn], self.answer_words)
        return {**super().read(source, item), **found}

    def describe(self, source: Manifest, item: Item) -> About:
        """As :meth:`Clips.describe`, and what is asked."""
        about = super().describe(source, item)
        place = {**about.place, "question": self.question(source, item).text, "number": item.numbers[2]}
        return About(about.case, about.subject, label=about.label, place=place)

    def remedy(self, source: Manifest, places: Sequence[int]) -> str:
        """How many videos are there, and are asked nothing."""
        silent = sum(not self.asked(source.rows[place]) for place in places)
        return f"{silent} of {len(places)} videos of this split are asked nothing: ask some, or choose another split"

    def _padded(self, text: str, length: int) -> Tensor:
        words = self.words.encode([text], max_words=length).words[0]
        return torch.nn.functional.pad(words, (0, length - len(words)), value=self.words.number(PAD))

    def _choices(self, question: Question) -> Tensor:
        """Question and choice as one sentence with ``[SEP]`` between them, of which the question is cut first."""
        rows = torch.full((self.max_choices, self.max_words), self.words.number(PAD), dtype=torch.int64)
        (asked,) = self.words.encode([question.text], max_words=self.max_words).words
        for row, choice in enumerate(question.choices):
            (own,) = self.words.encode([choice], max_words=self.max_words).words
            room = self.max_words - (len(own) - 1)  # without its [CLS]
            head = torch.cat([asked[: room - 1], asked[-1:]]) if len(asked) > room else asked
            both = own if not question.text or room < 3 else torch.cat([head, own[1:]])
            rows[row, : len(both)] = both
        return rows
