"""Samples of an evaluation that cannot be read: warned of and listed, while the others are evaluated."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from medmae.errors import SomeFailedError
from medmae.files import read_object, write_text
from medmae.training.reading import attempt

RECORD = "left_out.json"
Item = TypeVar("Item")


def read_some(read: Callable[[int], Item], numbers: Iterable[int]) -> dict[int, Item]:
    """What can be read, by number, in order; each of the others is warned of, as of samples that come in batches.

    Args:
        read: Gives what is to be shown of a sample.
        numbers: Which.
    """
    found: dict[int, Item] = {}
    for number in numbers:
        sample, reason = attempt(read, number)
        if sample is None:
            warnings.warn(f"sample {number} is left out: {reason}", stacklevel=2)
        else:
            found[number] = sample
    return found


def write_left_out(
    out: str | Path, failed: Mapping[int, str], *, of: int, lacking: Mapping[int, str] | None = None
) -> None:
    """Writes ``<out>/left_out.json``, or removes it if nothing was left out.

    Args:
        out: Folder.
        failed: Why samples could not be read, by their number.
        of: How many there are.
        lacking: Which kind of data samples do not have that all need here: nothing is wrong with these.
    """
    path = Path(out) / RECORD
    if failed or lacking:
        write_text(path, json.dumps({"of": of, "samples": dict(failed), "lacking": dict(lacking or {})}, indent=2))
    else:
        path.unlink(missing_ok=True)


def raise_left_out(out: str | Path) -> None:
    """The last step of a run, when record and report are written.

    Raises:
        SomeFailedError: If the evaluation left samples out that could not be read.
    """
    path = Path(out) / RECORD
    if path.is_file():
        found = read_object(path, remedy="evaluate again")
        if not found["samples"]:
            return
        reasons = "; ".join(list(found["samples"].values())[:5])
        raise SomeFailedError(f"{len(found['samples'])} of {found['of']} samples were left out: {reasons}")
