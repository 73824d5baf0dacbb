"""Questions about a video and the answers that count, as rows of a manifest keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

AnswerBy = Literal["classes", "words", "choices"]  # of a closed list; in words; one of those that the question has
_KEYS = {"question", "answers", "choices", "right", "type", "id"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        text: As it is asked; empty where a sentence is to be chosen and nothing is asked.
        answers: All that are accepted; none where the answer is not known. Of several choices the right one.
        choices: To choose from; none of an open question.
        right: Number of the right choice, from 0; None of an open question, or where it is not known.
        type: Of question or answer, as its source calls it.
        id: As its source calls it.
    """

    text: str
    answers: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    right: int | None = None
    type: str | None = None
    id: str | None = None

    @property
    def asked(self) -> tuple[str, tuple[str, ...]]:
        """What makes it another question of the same video."""
        return self.text.casefold(), self.choices

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is asked and answered."""
        return (self.text, *(self.choices or self.answers))

    def as_row(self) -> dict[str, Any]:
        """As JSON can hold it."""
        about = {"right": self.right, "type": self.type, "id": self.id}
        return {"question": self.text, "answers": list(self.answers), "choices": list(self.choices), **about}


def questions_of(row: Mapping[str, Any]) -> list[Question]:
    """What is asked of a video, in the order in which it was written; see :func:`fault_in`."""
    return [
        Question(
            text=entry["question"],
            answers=tuple(entry["answers"]),
            choices=tuple(entry["choices"]),
            right=entry["right"],
            type=entry["type"],
            id=entry["id"],
        )
        for entry in row.get("questions") or ()
    ]


def fault_in(row: Mapping[str, Any]) -> str | None:
    """What is wrong with the captions and questions of a row of a manifest, or None."""
    captions, questions = row.get("captions") or [], row.get("questions") or []
    if not _texts(captions):
        return "'captions' are no list of texts"
    if not isinstance(questions, list):
        return "'questions' are no list"
    return next((fault for entry in questions if (fault := _fault(entry)) is not None), None)


def _fault(entry: object) -> str | None:
    if not isinstance(entry, dict) or set(entry) != _KEYS:
        return f"a question does not have the keys {', '.join(sorted(_KEYS))}"
    if not isinstance(entry["question"], str) or not _texts(entry["answers"]) or not _texts(entry["choices"]):
        return "a question, its answers or its choices are no texts"
    if any(not isinstance(entry[key], str | None) for key in ("type", "id")):
        return "the type or id of a question is no text"
    right, choices = entry["right"], entry["choices"]
    if right is None:
        return None
    if not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < len(choices):
        return f"the right choice of a question is {right!r}, and there are {len(choices)}"
    return None if entry["answers"] == [choices[right]] else "the answer of a question is not its right choice"


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)
