"""What is known of every image of a source, in columns, and how one of them is read."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from medmae.data.splits import FRACTIONS, SPLITS, Unit, check_disjoint, completed
from medmae.errors import DataError

Read = Callable[[int], np.ndarray]  # number -> (H, W, C), uint8 or float32 in [0, 1]


@dataclass(frozen=True, kw_only=True)
class ImageTable:
    """N images of any source.

    Args:
        path: The source.
        names: What each is called ``(N,)``, all different.
        labels: Class of each, ``None`` where it has none.
        patients: Whose each is; None if that is not known.
        splits: Of each; None if the source names none.
        made_of: What tells this source from another one of the same names: hashes, or sizes of files.
        read: Gives an image by its number: ``(H, W, C)`` uint8, or float32 in [0, 1].
    """

    path: Path
    names: Sequence[str]
    labels: Sequence[str | None]
    patients: Sequence[str] | None
    splits: Sequence[str] | None
    made_of: str
    read: Read

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def sha256(self) -> str:
        """Of names, classes, patients, splits, and what it is made of: what a run records about its data."""
        digest = hashlib.sha256(self.made_of.encode())
        for column in (self.names, self.labels, self.patients, self.splits):
            digest.update(repr(None if column is None else list(column)).encode())
        return digest.hexdigest()

    @property
    def units(self) -> Sequence[str]:
        """What splits and intervals are made of: patients where they are known, else single images."""
        return self.names if self.patients is None else self.patients

    @property
    def unit(self) -> Unit:
        """What :attr:`units` are."""
        return "images" if self.patients is None else "patients"

    def subjects(self, split: str | None = None) -> tuple[str, ...]:
        """Patients (or names of images) of a split, or of all, sorted."""
        return tuple(sorted({self.units[place] for place in self.places(split)}))

    def places(self, split: str | None = None) -> list[int]:
        """Numbers of the images of a split, in order."""
        if split is not None and split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        if split is None:
            return list(range(len(self)))
        assert self.splits is not None, "split() gives every image its split"
        return [place for place, own in enumerate(self.splits) if own == split]

    def split(self, *, fractions: tuple[float, float, float] = FRACTIONS, seed: int = 0) -> ImageTable:
        """The same with a split for every image: the source's own, or drawn by patient, or within each class.

        Raises:
            DataError: If a patient is in two splits.
        """
        check_disjoint(zip(self.units, self.splits, strict=True) if self.splits else (), path=self.path)
        known: Sequence[str | None] = self.splits or [None] * len(self)
        own = dict(zip(self.units, known, strict=True))
        shelves: dict[str, dict[str, str | None]] = defaultdict(dict)
        for unit, label in zip(self.units, self.labels, strict=True):
            shelf = label or "" if self.patients is None else ""  # a patient may have images of several classes
            shelves[shelf][unit] = own[unit]
        found: dict[str, str] = {}
        for _, some in sorted(shelves.items()):
            found |= completed(some, fractions=fractions, seed=seed)
        return replace(self, splits=[found[unit] for unit in self.units])


def check_columns(table: ImageTable) -> ImageTable:
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
