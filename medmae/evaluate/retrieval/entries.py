"""What is looked for by what: things of one kind, and which things of another belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Things of one kind: the rows, or the columns, of a matrix of similarities.

    Args:
        kind: What they are, for people, such as ``text``, ``video``, ``audio``.
        owners: Of what each is, ``(N,)``: a row and a column of the same owner belong together. Several of one kind
            may have one owner: captions of a clip, clips of an emotion.
        names: What tables and pages call each; None calls them by their owners.
        contents: Things of equal content are one and the same, ``(N,)``, such as a sentence that is said of two clips:
            it stands in the gallery once, and whatever belongs to one of them belongs to the other. None: all differ.
        patients: Whose each is, ``(N,)``: intervals draw patients. None where nobody is known.

    Raises:
        ValueError: If there are none, or not as many of everything.
    """

    kind: str
    owners: Sequence[str]
    names: Sequence[str] | None = None
    contents: Sequence[str] | None = None
    patients: Sequence[str] | None = None

    def __post_init__(self) -> None:
        known = {name: getattr(self, name) for name in ("owners", "names", "contents", "patients")}
        counts = {name: len(each) for name, each in known.items() if each is not None}
        if len(set(counts.values())) != 1 or not counts["owners"]:
            raise ValueError(f"entries of {self.kind!r} need as many of everything, one at least: got {counts}")

    def __len__(self) -> int:
        return len(self.owners)

    def name(self, place: int) -> str:
        """Of one of them."""
        return (self.owners if self.names is None else self.names)[place]

    @property
    def same(self) -> np.ndarray:
        """A number for each content, ``(N,)``."""
        return np.arange(len(self)) if self.contents is None else _numbers(self.contents)

    @property
    def distinct(self) -> np.ndarray:
        """Places of the first of each content, in order: the gallery."""
        return np.sort(np.unique(self.same, return_index=True)[1])


def belonging(rows: Entries, columns: Entries) -> np.ndarray:
    """Which columns belong to which rows, bool ``(N, M)``: those of one owner, and whatever equals one of these."""
    known = _numbers([*rows.owners, *columns.owners])
    together = known[: len(rows), None] == known[len(rows) :]  # (N, M)
    return _spread(_spread(together, rows.same).T, columns.same).T


def _spread(together: np.ndarray, same: np.ndarray) -> np.ndarray:
    """What belongs to one row ``(N, M)`` belongs to all rows of the same number ``(N,)``."""
    shared = np.zeros((same.max() + 1, together.shape[1]), dtype=bool)
    np.logical_or.at(shared, same, together)
    return shared[same]


def _numbers(texts: Sequence[str]) -> np.ndarray:
    return np.unique(np.array(texts, dtype=object).astype(str), return_inverse=True)[1]
