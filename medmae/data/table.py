"""A source whose units stand in a table: what is known of each, in columns, and how one of them is read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from medmae.data.labels import Labels
from medmae.data.rows import SHORT
from medmae.data.splits import FRACTIONS, Unit, check_disjoint, completed, require_split
from medmae.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Table:
    """N units of one kind, such as images; a :class:`~medmae.data.source.Source`.

    Args:
        path: The source.
        names: What each is called ``(N,)``, all different.
        labels: Class of each, ``None`` where it has none.
        patients: Whose each is; None if that is not known.
        splits: Of each; None if the source names none.
        made_of: What tells this source from another one of the same names: hashes, or sizes of files.
        read: Gives a unit by its number; an image is ``(H, W, C)`` uint8, or float32 in [0, 1].
        hashes: Gives the hashes of a unit by its number: of its file, or of what it holds; None if nobody knows them.
        constant: Says of a unit by its number whether it has one value, of which nothing can be learnt; None if nobody
            has asked.
        targets: Several labels, or numbers, of each: what the one who reads the source asked for by name.
    """

    path: Path
    names: Sequence[str]
    labels: Sequence[str | None]
    patients: Sequence[str] | None
    splits: Sequence[str] | None
    made_of: str
    read: Callable[[int], Any]
    hashes: Callable[[int], Iterable[str]] | None = None
    constant: Callable[[int], bool] | None = None
    targets: Labels | None = None

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Of names, classes, patients, splits, and what it is made of: what a run records about its data."""
        digest = hashlib.sha256(self.made_of.encode())
        for column in (self.names, self.labels, self.patients, self.splits):
            digest.update(repr(None if column is None else list(column)).encode())
        if self.targets is not None:
            digest.update(repr((self.targets.task, self.targets.names)).encode() + self.targets.values.tobytes())
        return digest.hexdigest()

    @property
    def owners(self) -> Sequence[str]:
        """What splits and intervals are made of: patients where they are known, else single units."""
        return self.names if self.patients is None else self.patients

    def subject_of(self, place: int) -> str:
        """Whose the unit of this number is; its own name where no patient is known."""
        return self.owners[place]

    @property
    def unit(self) -> Unit:
        """What subjects are."""
        return "images" if self.patients is None else "patients"

    def subjects(self, split: str | None = None) -> tuple[str, ...]:
        """Patients (or names of units) of a split, or of all, sorted."""
        return tuple(sorted({self.owners[place] for place in self.places(split)}))

    def contents(self, split: str | None = None) -> set[str]:
        """Short hashes of the units of a split, or of all; files are read for them."""
        if self.hashes is None:
            return set()
        return {sha256[:SHORT] for place in self.places(split) for sha256 in self.hashes(place)}

    def places(self, split: str | None = None) -> list[int]:
        """Numbers of the units of a split, in order."""
        require_split(split)
        if split is None:
            return list(range(len(self)))
        assert self.splits is not None, "split() gives every unit its split"
        return [place for place, own in enumerate(self.splits) if own == split]

    def split(self, *, fractions: tuple[float, float, float] = FRACTIONS, seed: int = 0) -> Table:
        """The same with a split for every unit: the source's own, or drawn by patient, or within each class.

        Raises:
            DataError: If a patient is in two splits.
        """
        check_disjoint(zip(self.owners, self.splits, strict=True) if self.splits else (), path=self.path)
        known: Sequence[str | None] = self.splits or [None] * len(self)
        own = dict(zip(self.owners, known, strict=True))
        shelves: dict[str, dict[str, str | None]] = defaultdict(dict)
        for owner, label in zip(self.owners, self.labels, strict=True):
            shelf = label or "" if self.patients is None else ""  # a patient may have units of several classes
            shelves[shelf][owner] = own[owner]
        found: dict[str, str] = {}
        for _, some in sorted(shelves.items()):
            found |= completed(some, fractions=fractions, seed=seed)
        return replace(self, splits=[found[owner] for owner in self.owners])


def check_columns(table: Table) -> Table:
    """The table as it is.

    Raises:
        DataError: If a column has another length than there are names, or a name is there twice.
    """
    for field, column in (("label", table.labels), ("patient", table.patients), ("split", table.splits)):
        if column is not None and len(column) != len(table):
            raise DataError(
                f"{len(table)} images have {len(column)} entries of {field}",
                path=table.path,
                field=field,
                value=len(column),
                remedy="give one to each image, or to none",
            )
    if len(set(table.names)) < len(table):
        raise DataError("images of the same name", path=table.path, field="name", remedy="rename them")
    return table
