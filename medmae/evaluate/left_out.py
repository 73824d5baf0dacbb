"""Samples of an evaluation that cannot be read: logged and counted, while the others are judged."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from medmae.errors import SomeFailedError
from medmae.files import read_object, write_text
from medmae.training.reading import UNREADABLE

log = logging.getLogger(__name__)
RECORD = "left_out.json"
Item = TypeVar("Item")


def read_some(
    read: Callable[[int], Item], numbers: Iterable[int], *, failed: dict[int, str] | None = None
) -> dict[int, Item]:
    """Samples that can be read, by number, in order; each of the others is logged.

    Args:
        read: Gives a sample, such as ``dataset.__getitem__``.
        numbers: Which.
        failed: Receives the reasons of the others, by number.
    """
    found = {}
    for number in numbers:
        try:
            found[number] = read(number)
        except UNREADABLE as error:
            log.error("left out: sample %d: %s", number, error)
            if failed is not None:
                failed[number] = str(error)
    return found


def write_left_out(out: str | Path, failed: Mapping[int, str], *, of: int) -> None:
    """Writes ``<out>/left_out.json``, or removes it if nothing was left out."""
    path = Path(out) / RECORD
    if failed:
        write_text(path, json.dumps({"of": of, "samples": dict(failed)}, indent=2))
    else:
        path.unlink(missing_ok=True)


def raise_left_out(out: str | Path) -> None:
    """The last step of a run, when record and report are written.

    Raises:
        SomeFailedError: If the evaluation left samples out.
    """
    path = Path(out) / RECORD
    if path.is_file():
        found = read_object(path, remedy="evaluate again")
        reasons = "; ".join(list(found["samples"].values())[:5])
        raise SomeFailedError(f"{len(found['samples'])} of {found['of']} samples were left out: {reasons}")
