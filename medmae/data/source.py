"""Where samples come from: units (cases, slides, pictures, videos) with a subject and a split each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from medmae.data.splits import Unit


class Cohort(Protocol):
    """Subjects by split."""

    @property
    def path(self) -> Path:
        """Where it comes from."""

    @property
    def made_of(self) -> str:
        """What tells it from another one of the same names."""

    @property
    def unit(self) -> Unit:
        """What subjects are."""

    def subjects(self, split: str | None = None) -> tuple[str, ...]:
        """Those of a split, or of all, sorted."""

    def contents(self, split: str | None = None) -> set[str]:
        """Short hashes of what a split, or all, is made of, as far as they are known; reads files."""


class Source(Cohort, Protocol):
    """Units that a :class:`~medmae.data.views.View` makes samples of: a manifest, or a table."""

    @property
    def sha256(self) -> str:
        """Of all that is known of the units: what a run records about its data."""

    def __len__(self) -> int:
        """Units."""

    def places(self, split: str | None = None) -> Sequence[int]:
        """Numbers of the units of a split, or of all, in order."""

    def subject_of(self, place: int) -> str:
        """Whose the unit of this number is: what splits, folds and intervals are made of."""
