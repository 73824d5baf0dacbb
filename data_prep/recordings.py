"""What preparations of videos and of sounds share: columns of tables, owners of files, splits by patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from data_prep.preparation import Preparation
from data_prep.video_source import VideoSource
from data_prep.work import given_split
from medmae.data import splits
from medmae.data.identity.given import Given
from medmae.data.identity.headers import SALT
from medmae.errors import DataError


class Asked(TypedDict):
    """Where paths of a table start, what the user says of patients and of columns, and where nothing is looked for."""

    root: Path | None
    given: Given | None
    columns: Mapping[str, str]
    out: Path


@dataclass(frozen=True, kw_only=True)
class RecordingPreparation(Preparation[VideoSource]):
    """Of recordings that lie in folders of classes, or that a table names; subclasses say what their options mean."""

    root: str | Path | None = None
    subject_column: str | None = None
    label_column: str | None = None
    value_column: str | None = None

    @property
    def named_columns(self) -> dict[str, str]:
        """Our name of a column -> the table's, where the user names it."""
        named = {"subject": self.subject_column, "label": self.label_column, "value": self.value_column}
        return {ours: theirs for ours, theirs in named.items() if theirs is not None}

    @property
    def table_root(self) -> Path | None:
        """Where the paths of a table start, if that is said."""
        return None if self.root is None else Path(self.root)

    @property
    def asked(self) -> Asked:
        """What whoever looks for recordings is told."""
        return Asked(root=self.table_root, given=self.given, columns=self.named_columns, out=Path(self.out))

    @property
    def salt(self) -> Path | None:
        """Where the salt of hashed patients lies; None of a dry run, which writes none."""
        return None if self.dry_run else Path(self.out) / SALT

    def owners(self, unit: VideoSource) -> Mapping[Path, str]:
        """Of each file its class where folders are those of classes, else whose it is."""
        return dict.fromkeys(unit.files, unit.segments[0].label or unit.subject)

    def splits_of(self, units: Sequence[VideoSource]) -> Mapping[str, str]:
        """Of the file, else of folders or table, else drawn; without patients, in each class.

        Raises:
            DataError: If a subject is in two splits, or both the source and the file name them.
        """
        splits.check_disjoint(((unit.subject, unit.split) for unit in units if unit.split), path=self.source)
        own = {unit.subject: unit.split for unit in units}
        if self.split is not None:
            if any(own.values()):
                raise DataError(
                    "folders (or the table) and --split both name splits", field="--split", remedy="drop one"
                )
            return given_split(self.split, own)
        shelves: dict[str, dict[str, str | None]] = defaultdict(dict)
        for unit in units:
            shelves["" if unit.known else unit.segments[0].label or ""][unit.subject] = unit.split
        found: dict[str, str] = {}
        for _, some in sorted(shelves.items()):
            found |= splits.completed(some, fractions=self.fractions, seed=self.seed)
        return found
