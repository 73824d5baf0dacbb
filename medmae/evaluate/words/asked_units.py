"""Questions of a data set for evaluation: views of a clip as one, and what was asked and accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from medmae.data.samples import Samples
from medmae.data.video.answer_list import spelt, type_of
from medmae.data.video.asked import AskedClips
from medmae.data.video.questions import Question


@dataclass(frozen=True)
class Asked:
    """One question of one video.

    Attributes:
        case: The video;
        subject: whose it is.
        question: As it was written.
    """

    case: str
    subject: str
    question: Question

    @property
    def type(self) -> str:
        """See :func:`medmae.data.video.answer_list.type_of`."""
        return type_of(self.question)

    @property
    def text(self) -> str:
        """The question as it is compared."""
        return spelt(self.question.text)

    @property
    def answers(self) -> tuple[str, ...]:
        """Those that count, as they are compared."""
        return tuple(dict.fromkeys(map(spelt, self.question.answers)))

    @property
    def choices(self) -> tuple[str, ...]:
        """Likewise."""
        return tuple(map(spelt, self.question.choices))

    def is_right(self, answer: str) -> bool:
        """Whether an answer, as it is compared, counts."""
        return answer in self.answers


@dataclass(frozen=True, kw_only=True)
class AskedUnits:
    """Questions in order, and the samples that are views of each.

    Attributes:
        samples: Of a view that draws nothing.
        view: Theirs.
        asked: One each question.
        members: Numbers of its samples.
    """

    samples: Samples
    view: AskedClips
    asked: Sequence[Asked]
    members: Sequence[Sequence[int]]

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Of samples.

        Raises:
            ValueError: If their view is of something else, or draws clips.
        """
        view = samples.view
        if not isinstance(view, AskedClips) or view.test_views is None:
            raise ValueError("questions are evaluated on AskedClips(test_views=...), so that nothing is drawn")
        members: dict[tuple[int, int], list[int]] = {}
        for number in range(len(samples)):
            row, _, question = samples.item(number).numbers
            members.setdefault((row, question), []).append(number)
        asked = []
        for row, question in members:
            known = samples.source.rows[row]
            asked.append(Asked(str(known["case"]), str(known["subject"]), view.asked(known)[question]))
        return cls(samples=samples, view=view, asked=asked, members=list(members.values()))

    @property
    def first(self) -> list[int]:
        """The first sample of each question."""
        return [some[0] for some in self.members]

    @property
    def case_of(self) -> dict[int, int]:
        """Number of the video of each sample, by its own."""
        numbers = {case: number for number, case in enumerate(dict.fromkeys(one.case for one in self.asked))}
        return {
            member: numbers[one.case] for one, some in zip(self.asked, self.members, strict=True) for member in some
        }

    def __len__(self) -> int:
        return len(self.asked)
