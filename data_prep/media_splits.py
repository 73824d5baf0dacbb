"""Which split each patient of recordings is in: what a file says, what the source says, or what is drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.video_source import VideoSource
from data_prep.work import given_split
from medmae.data import splits
from medmae.errors import DataError


def splits_of(
    units: Sequence[VideoSource],
    *,
    given: str | Path | None,
    source: str | Path,
    fractions: tuple[float, float, float],
    seed: int,
) -> Mapping[str, str]:
    """Of the file, else of folders or table, else drawn; without patients, in each class.

    Args:
        units: With the splits that their source names.
        given: CSV with ``subject,split``, or None.
        source: For messages.
        fractions: Shares of train, val, test of a drawn split.
        seed: Of the draw.

    Raises:
        DataError: If a subject is in two splits, or both the source and the file name them.
    """
    splits.check_disjoint(((unit.subject, unit.split) for unit in units if unit.split), path=source)
    own = {unit.subject: unit.split for unit in units}
    if given is not None:
        if any(own.values()):
            raise DataError("folders (or the table) and --split both name splits", field="--split", remedy="drop one")
        return given_split(given, own)
    shelves: dict[str, dict[str, str | None]] = defaultdict(dict)
    for unit in units:
        shelves["" if unit.known else unit.segments[0].label or ""][unit.subject] = unit.split
    found: dict[str, str] = {}
    for _, some in sorted(shelves.items()):
        found |= splits.completed(some, fractions=fractions, seed=seed)
    return found
