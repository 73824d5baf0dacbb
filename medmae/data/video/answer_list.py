"""Answers as they are compared, and the closed list of those that a network may give."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

from medmae.data.manifest import Manifest
from medmae.data.source import Source
from medmae.data.video.questions import AnswerBy, Question, questions_of
from medmae.errors import DataError

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: str(number) for number, word in enumerate(_DIGITS)}
_ARTICLES = {"a", "an", "the"}
_NO_WORD = re.compile(r"[^\w\s%+/.-]|(?<!\d)[./]|[./](?!\d)|(?<!\w)-(?!\d)|_")


def spelt(answer: str) -> str:
    """An answer as it is compared: small letters, numbers as digits, no articles, punctuation or double blanks.

    >>> [spelt(answer) for answer in ("To the Left.", "Two", "3.5 cm", "x-ray!", "  NO ")]
    ['to left', '2', '3.5 cm', 'x-ray', 'no']
    """
    plain = _NO_WORD.sub(" ", unicodedata.normalize("NFKC", answer).casefold())
    words = [_NUMBERS.get(word, word) for word in plain.split()]
    return " ".join(word for word in words if word not in _ARTICLES) or " ".join(words)


def type_of(question: Question) -> str:
    """What is asked for: as its source calls it, else ``yes or no``, ``number`` or ``other`` by its answers."""
    if question.type:
        return question.type
    answers = {spelt(answer) for answer in question.answers}
    if answers and answers <= {"yes", "no"}:
        return "yes or no"
    numbers = answers and all(re.fullmatch(r"[-+]?\d+(\.\d+)?( ?[^\d\s]\S*)?", answer) for answer in answers)
    return "number" if numbers else "other"


class AnswerList(tuple[str, ...]):
    """Answers in the order of their numbers, the most frequent first, none of which is :func:`spelt` as another is.

    Each is written as it mostly is; weights keep them.
    """

    def __new__(
        cls, *, source: Source | str | Path, size: int = 1000, split: str = "train", by: AnswerBy = "classes"
    ) -> AnswerList:
        """Lists those that occur.

        Args:
            source: Prepared videos with questions.
            size: Answers at most.
            split: Whose answers.
            by: How they are given; of ``choices`` none is listed, for each question brings its own.

        Raises:
            DataError: If no question of it has an answer.
            ValueError: If ``size`` is not positive.
        """
        if size < 1:
            raise ValueError(f"size must be positive, got {size}")
        if by == "choices":
            return super().__new__(cls, ())
        manifest = Manifest.of(source).require("video")
        counts, written = dict[str, float](), dict[str, Counter[str]]()
        for row in manifest.select(split=split):
            for question in questions_of(row):
                answers = {spelt(answer): answer.casefold() for answer in reversed(question.answers)}
                for answer, form in answers.items():
                    counts[answer] = counts.get(answer, 0.0) + 1 / len(answers)
                    written.setdefault(answer, Counter())[form] += 1
        if not counts:
            raise DataError(
                "no question of this split has an answer",
                path=manifest.path,
                field="questions",
                value=split,
                remedy="give medmae prep video a table with columns question and answer",
            )
        order = sorted(counts, key=lambda answer: (-counts[answer], answer))
        forms = (sorted(written[answer].items(), key=lambda form: (-form[1], form[0])) for answer in order[:size])
        return super().__new__(cls, (form[0][0] for form in forms))
