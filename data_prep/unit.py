"""What a preparation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class PrepUnit(Protocol):
    """What becomes one case."""

    @property
    def case(self) -> str:
        """Name of its files."""

    @property
    def subject(self) -> str:
        """Whose it is."""

    @property
    def session(self) -> str | None:
        """Of which visit."""

    @property
    def files(self) -> Sequence[Path]:
        """All files that belong to it."""

    @property
    def content(self) -> str:
        """What it holds, for the preview."""
