"""Images of any source, as a recipe names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from medmae.data.images.source import read_images
from medmae.data.splits import FRACTIONS
from medmae.data.table import Table


class Images(Table):
    """What :func:`~medmae.data.images.source.read_images` finds, with a split for every image.

    Args:
        source: See there, as for the others.
        subject_from: Regular expression on file names, whose first group is the patient.
        fractions: Shares of train, val, test, where the source names no splits.
        seed: Of that draw.
    """

    def __init__(
        self,
        *,
        source: str | Path,
        subject_from: str | None = None,
        fractions: Sequence[float] = FRACTIONS,
        seed: int = 0,
    ) -> None:
        found = read_images(source, subject_from=subject_from, fractions=fractions, seed=seed)
        super().__init__(**{column.name: getattr(found, column.name) for column in fields(found)})
