"""How good weights were when they were evaluated: a file beside them, bound to them by their hash.

It has a file of its own, and not a place in the header of the weights: that would change their sha256, by which the
record of their run, calibrations and other people know them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medmae.errors import DataError
from medmae.files import read_object, sha256_of, write_text
from medmae.weights.about import run_of

NAME = "quality.json"
NOT_EVALUATED = "not judged: no evaluation has said how good it is"
_REMEDY = "delete it, and evaluate the weights again"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """One figure of some weights.

    Attributes:
        metric: Its name, such as ``balanced accuracy``.
        value: Mean over units; None if it is not defined.
        ci_low: Lower end of its 95 % interval; None without one.
        ci_high: Upper end.
        units: How many it is the mean of.
        unit: What they are: ``patient``, ``subject``, ``image``.
        beside: The best of what needs no such network, and its value.
        data: Name of the data set.
        data_sha256: Of its manifest or table.
        split: Of the data; None: all.
        how: Title of the evaluation.
        run: Id of the run that evaluated.
    """

    metric: str
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    units: int | None = None
    unit: str = "subject"
    beside: tuple[str, float] | None = None
    data: str = ""
    data_sha256: str = ""
    split: str | None = None
    how: str = ""
    run: str = ""

    def __str__(self) -> str:
        value = "undefined" if self.value is None else f"{self.value:.3f}"
        between = None in (self.ci_low, self.ci_high)
        interval = "no interval" if between else f"95 % interval {self.ci_low:.3f} to {self.ci_high:.3f}"
        over = f", {self.units} {self.unit}{'' if self.units == 1 else 's'}" if self.units else ""
        where = " ".join(filter(None, [self.split and f"{self.split} split of", self.data]))
        rival = f"; {self.beside[0]}: {self.beside[1]:.3f}" if self.beside else ""
        return f"{self.metric} {value} ({interval}{over}{', ' if where else ''}{where}){rival}"


def note_quality(weights: str | Path, found: Sequence[Quality]) -> None:
    """Notes how good weights were, beside them; what was found earlier on the same data is replaced.

    A folder that cannot be written gets a warning: whoever uses the weights there will read that nobody evaluated them.

    Args:
        weights: Their file.
        found: Figures, the one to be told first.
    """
    weights = Path(weights)
    path, sha256 = weights.parent / NAME, sha256_of(weights)
    record = _read(path)
    told = {_question(one) for one in found}
    kept = [one for one in _of(record.get(sha256), path) if _question(one) not in told]
    record[sha256] = {
        "file": weights.name,
        "run": run_of(weights),
        "quality": [asdict(one) for one in (*found, *kept)],
    }
    try:
        write_text(path, json.dumps(record, indent=2) + "\n")
    except OSError as error:
        warnings.warn(f"how good the weights are cannot be noted beside them: {path}: {error.strerror}", stacklevel=2)


def quality_of(weights: str | Path) -> list[Quality]:
    """What was noted of exactly these weights, the latest first.

    Raises:
        DataError: If the note cannot be read.
    """
    path = Path(weights).parent / NAME
    return _of(_read(path).get(sha256_of(weights)), path) if path.is_file() else []


def told_quality(weights: str | Path) -> str:
    """The first of the latest figures in a sentence, and how many there are besides; or that nobody evaluated them."""
    found = quality_of(weights)
    if not found:
        return NOT_EVALUATED
    further = sum(one.run == found[0].run for one in found) - 1
    return str(found[0]) + (f"; {further} further figures in {NAME} beside the weights" if further else "")


def made_by(weights: str | Path) -> dict[str, Any]:
    """What stands beside everything that weights make: which they are, of which run, and how good."""
    weights = Path(weights)
    return {
        "file": weights.name,
        "sha256": sha256_of(weights),
        "run": run_of(weights),
        "quality": told_quality(weights),
    }


def sentence(made: Mapping[str, Any]) -> str:
    """The same for people."""
    return f"Made by {made['file']} (run {made['run'] or 'unknown'}), {made['quality']}."


def _question(one: Quality) -> tuple[str, str, str | None, str]:
    return one.metric, one.data_sha256, one.split, one.how


def _read(path: Path) -> dict[str, Any]:
    return read_object(path, remedy=_REMEDY) if path.is_file() else {}


def _of(entry: object, path: Path) -> list[Quality]:
    if entry is None:
        return []
    try:
        return list(_parsed(entry["quality"]))  # type: ignore[index]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError("this does not tell how good weights were", path=path, remedy=_REMEDY) from error


def _parsed(rows: Iterable[Mapping[str, Any]]) -> Iterable[Quality]:
    for row in rows:
        beside = row.get("beside")
        for name in ("value", "ci_low", "ci_high", "units"):
            if row.get(name) is not None and not isinstance(row[name], int | float):
                raise TypeError(f"{name} is no number")
        yield Quality(**{**row, "beside": None if beside is None else (str(beside[0]), float(beside[1]))})
