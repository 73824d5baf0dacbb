"""What a preparation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from medmae.data.left_out import LeftOut
from medmae.errors import DataError


class PrepUnit(Protocol):
    """What becomes one case."""

    @property
    def case(self) -> str:
        """Name of its files."""

    @property
    def subject(self) -> str:
        """Whose it is."""

    @property
    def known(self) -> bool:
        """Whether its patient is known; else the subject stands for one."""

    @property
    def session(self) -> str | None:
        """Of which visit."""

    @property
    def files(self) -> Sequence[Path]:
        """All files that belong to it."""

    @property
    def content(self) -> str:
        """What it holds, for the preview."""


U = TypeVar("U", bound=PrepUnit)


@dataclass(frozen=True, kw_only=True)
class FoundUnits(Generic[U]):
    """What a source holds.

    Args:
        units: Sorted by case.
        left_out: Files that are none, or belong to none, with the reason.
        failed: Name and error of what should have been a unit, or a part of one, and cannot be.
        notes: What a user should be told.
    """

    units: tuple[U, ...]
    left_out: tuple[LeftOut, ...] = ()
    failed: tuple[tuple[str, DataError], ...] = ()
    notes: tuple[str, ...] = ()
