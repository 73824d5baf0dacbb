"""What is said of a video: texts of a cell or of JSON, cleaned, with those that are missing counted."""

from __future__ import annotations

import json
import unicodedata

from medmae.data.table_files import MISSING
from medmae.errors import DataError

_ANSWERS = MISSING - {"None", "null", "NULL"}  # which may be answers: how many polyps?


def nfc(text: str) -> str:
    """Letters in their composed form, so that a name is the same on every system."""
    return unicodedata.normalize("NFC", text)


def cleaned(value: object) -> str | None:
    """A text without outer blanks; None of nothing."""
    return nfc(str(value)).strip() or None if value is not None else None


def is_missing(text: str | None, *, answer: bool = False) -> bool:
    """Whether a text says that there is none, or has no letter and no digit.

    >>> [is_missing(text) for text in (None, "NA", "n/a", "nan", "None", " - ", "no")]
    [True, True, True, True, True, True, False]
    >>> is_missing("None", answer=True)
    False

    Args:
        text: Without outer blanks.
        answer: None and null may be answers.
    """
    return text is None or text in (_ANSWERS if answer else MISSING) or not any(map(str.isalnum, text))


def items_of(value: object) -> list[object]:
    """What a cell holds: a list of JSON, also written in a cell of a table, or one thing.

    Raises:
        DataError: If it is a list as Python writes it, which several texts would be taken for one of.
    """
    if isinstance(value, list):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not (text.startswith("[") and text.endswith("]")):
        return [value]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and not any(isinstance(item, list | dict) for item in found):
        return found
    if text.startswith("['") or text.endswith("']"):
        raise DataError(
            "a list is written as Python has it, not as JSON",
            value=text[:100],
            remedy='write ["one", "two"], or give each text a line of its own',
        )
    return [value]


def texts_of(value: object, *, answer: bool = False) -> tuple[tuple[str, ...], int]:
    """The texts of a cell or of JSON, each once, and how many are missing.

    Args:
        value: A text, a list of texts, or nothing.
        answer: See :func:`is_missing`.

    Raises:
        DataError: See :func:`items_of`.
    """
    found = [cleaned(item) for item in items_of(value)]
    there = [text for text in found if text is not None and not is_missing(text, answer=answer)]
    return tuple(dict.fromkeys(there)), len(found) - len(there)
