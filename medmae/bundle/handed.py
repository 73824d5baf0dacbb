"""What is handed to MONAI's parser as it is: typed texts, and objects that were made before the parser was there."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

_SPECIAL = frozenset("#$@%")  # what MONAI's parser does not leave as it is


def as_data(value: object) -> Any:  # noqa: ANN401
    """A value that MONAI's parser gives back as it is: a text that it would read otherwise is made by a call."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str):
        return {"_target_": partial(str, value)} if _SPECIAL & set(value) else value
    if isinstance(value, list):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    return value


def hand_on(value: object, *, was: object) -> dict[str, Any]:
    """A value for MONAI's parser, in the place of what a recipe has there.

    Args:
        value: Any object.
        was: What the recipe has: this is kept with the run.
    """
    return {"_target_": partial(handed, value, was=was)}


def handed(value: object, *, was: object) -> object:
    """What :func:`hand_on` was given."""
    return value
