"""Questions that a table asks of a video: open ones with the answers that count, or choices and the right one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.said import cleaned, is_missing, items_of, texts_of
from medmae.data.video.questions import Question
from medmae.errors import DataError

NAMES = {  # what is called so in the tables of data sets, if there is a question
    "question": ("question",),
    "answer": ("answers", "answer"),
    "choices": ("choices", "options", "candidates"),
    "right": ("right", "correct", "answer_index", "correct_index", "answer_idx"),
    "question_type": ("question_type", "answer_type", "type"),
    "question_id": ("question_id", "qid", "id"),
}
FIRST = "first choice"  # number of the column of the first choice, where each has one
NESTED = ("questions",)  # a list of such objects, of JSON
CHOICE = re.compile(r"(?:a|choice|option)[-_ ]?(\d+)", re.IGNORECASE)  # columns of one choice each
_REMEDY = 'write question and answer (a text, or a list of those that count), or choices and "right", from 0'

_ONE_A_LINE = "give each question a line of its own: path,question,answer"


class _Line:
    """Where a question stands, for messages."""

    def __init__(self, number: int, path: Path) -> None:
        self.number, self.path = number, path

    def fault(self, reason: str, *, field: str, value: object, remedy: str = _REMEDY) -> DataError:
        return DataError(f"line {self.number} {reason}", path=self.path, field=field, value=value, remedy=remedy)


def questions_of_line(entry: Mapping[str, Any], number: int, path: Path) -> tuple[Question, ...]:
    """The questions of a line, or of an entry of JSON.

    Args:
        entry: Our names of columns -> what stands there.
        number: Of the line.
        path: Of the table.

    Raises:
        DataError: With the number of the line: an answer without a question, choices that are alike or fewer than two,
            a right one that is none of them or could be two of them.
    """
    line = _Line(number, path)
    found = [_question(entry, line)]
    questions = entry.get("questions") or ()
    if isinstance(questions, str):
        raise line.fault("holds questions in a cell", field="questions", value=questions[:100], remedy=_ONE_A_LINE)
    for nested in questions:
        found.append(_question({ours: nested.get(theirs) for ours, theirs in nested_names(nested).items()}, line))
    return tuple(question for question in found if question is not None)


def nested_names(nested: Mapping[str, Any]) -> dict[str, str]:
    """Our names of the keys of a question within an entry -> its own."""
    of = {name.lower(): name for name in nested}
    found = {ours: [of[name] for name in known if name in of] for ours, known in NAMES.items()}
    return {ours: theirs[0] for ours, theirs in found.items() if theirs}


def chosen_captions(entry: Mapping[str, Any]) -> bool:
    """Whether the captions of an entry are choices of which one is right, as in MSR-VTT's multiple choice."""
    captions, answer = entry.get("caption"), entry.get("right", entry.get("answer"))
    number = isinstance(answer, int) and not isinstance(answer, bool)
    return isinstance(captions, list) and len(captions) > 1 and number and not cleaned(entry.get("question"))


def _question(entry: Mapping[str, Any], line: _Line) -> Question | None:
    captions = chosen_captions(entry)
    text = cleaned(entry.get("question"))
    choices = _choices(entry["caption"] if captions else entry.get("choices"), line)
    if is_missing(text) and not captions:
        if choices or any(texts_of(entry.get(name), answer=True)[0] for name in ("answer", "right")):
            raise line.fault("has an answer or choices and no question", field="question", value=text)
        return None
    about: dict[str, Any] = {"type": cleaned(entry.get("question_type")), "id": cleaned(entry.get("question_id"))}
    if not choices:
        return Question(text=str(text), answers=_answers(entry, line), **about)
    right = _right(entry, choices, line)
    answers = () if right is None else (choices[right],)
    return Question(text=text or "", answers=answers, choices=choices, right=right, **about)


def _answers(entry: Mapping[str, Any], line: _Line) -> tuple[str, ...]:
    if not is_missing(cleaned(entry.get("right"))):
        raise line.fault("names a right choice, and there are no choices", field="right", value=entry["right"])
    answers = items_of(entry.get("answer"))
    if any(isinstance(answer, bool) for answer in answers):
        raise line.fault("has an answer that is no text", field="answer", value=answers, remedy="write yes or no")
    return texts_of(answers, answer=True)[0]


def _choices(value: object, line: _Line) -> tuple[str, ...]:
    found = [cleaned(item) for item in items_of(value)]
    while found and found[-1] is None:  # questions of one table may have fewer choices than others
        found.pop()
    there = [choice for choice in found if choice is not None]
    if not found:
        return ()
    if len(there) < max(len(found), 2) or len({choice.casefold() for choice in there}) < len(there):
        raise line.fault("has choices that are alike, empty, or fewer than two", field="choices", value=found)
    return tuple(there)


def _right(entry: Mapping[str, Any], choices: Sequence[str], line: _Line) -> int | None:
    """Number of the right choice: said by number from 0, by letter or in its own words."""
    said = entry.get("right") if not is_missing(cleaned(entry.get("right"))) else entry.get("answer")
    words = [cleaned(item) for item in items_of(said)]
    text = words[0] if len(words) == 1 else None
    if len(words) > 1 or isinstance(said, bool):
        raise line.fault("does not name one right choice", field="right", value=said)
    same = {place for place, choice in enumerate(choices) if text is not None and choice.casefold() == text.casefold()}
    if is_missing(text, answer=True) and not same:
        return None
    numbered = isinstance(said, int | float)
    meant = _numbers(str(text)) if numbered else same | _numbers(str(text))
    if same and not numbered:  # of choices x, y, z the word y is no letter of a 25th
        meant = {place for place in meant if place < len(choices)}
    if entry.get(FIRST) and not same and re.fullmatch(r"\d+(\.0)?", str(text)):
        raise line.fault(
            "names a right choice by a number, and its choices are counted from 1",
            field="right",
            value=said,
            remedy="call the columns a0, a1, ... if it counts from 0; else write the choice in its own words",
        )
    if len(meant) != 1 or not 0 <= min(meant) < len(choices):
        raise line.fault(
            f"names a right choice that is {'two' if len(meant) > 1 else 'none'} of {len(choices)}",
            field="right",
            value=said,
            remedy="name it by its number, from 0, in JSON as a number; or in its own words",
        )
    return meant.pop()


def _numbers(text: str) -> set[int]:
    if re.fullmatch(r"\d{1,3}(\.0)?", text):
        return {int(float(text))}
    return {ord(text.upper()) - ord("A")} if re.fullmatch(r"[A-Za-z]", text) else set()
