"""What preparations of recordings share: columns of tables, owners of files, splits by patient, what is told."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypedDict

from data_prep.media_case import MediaTask
from data_prep.outcome import NO_PATIENT, Row
from data_prep.preparation import Preparation
from data_prep.unit import FoundUnits
from data_prep.video_source import FoundVideos, VideoSource
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
    """Of recordings that lie in folders of classes, or that a table names; subclasses say what their options mean.

    Attributes:
        task_of: What a worker is told.
        limit_s: Seconds after which a recording's reader is taken to hang.
    """

    task_of: ClassVar[type[MediaTask]] = MediaTask

    root: str | Path | None = None
    subject_column: str | None = None
    label_column: str | None = None
    value_column: str | None = None

    @property
    @abstractmethod
    def stored(self) -> Any:  # noqa: ANN401 - a dataclass of its own for each kind of recording
        """What shapes the shards."""

    @property
    @abstractmethod
    def limit_s(self) -> float:
        """See the class; an option of each kind of recording, with a default of its own."""

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

    def task(self, unit: VideoSource) -> MediaTask:
        """What a worker needs for one recording."""
        shards = Path(self.out) / "shards"
        return self.task_of(source=unit, shards=shards, options=self.stored, limit_s=self.limit_s)

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


def units_of(found: FoundVideos) -> FoundUnits[VideoSource]:
    """What was found, as a preparation has it."""
    return FoundUnits(units=found.videos, left_out=found.left_out, failed=found.failed, notes=found.notes)


def nobody_known(rows: Sequence[Row], units: str, *, who: str = "patient") -> list[str]:
    """What it means that nobody says whose some recordings are; nothing, where all are known."""
    if not any(NO_PATIENT in row["flags"] for row in rows):
        return []
    return [
        f"no {who} is known, so {units} of one may be in train and in test, and held-out figures too good: "
        "name them by --subject-from, or in a table with path,label,subject"
    ]


def ended_early(rows: Sequence[Row], units: str) -> list[str]:
    """How many are damaged, and what leaves them out."""
    damaged = [row for row in rows if row["status"] == "damaged"]
    if not damaged:
        return []
    first = f"{damaged[0]['case']}: {damaged[0]['reason']}"
    return [f"{len(damaged)} {units} are damaged and end early ({first}): --damaged refuse leaves them out"]


def flagged(rows: Sequence[Row], units: str, words: Mapping[str, str]) -> list[str]:
    """How many have each flag; ``words`` say what it means, and in which order they are told."""
    counts = Counter(flag.partition(":")[0] for row in rows for flag in row["flags"])
    return [f"{counts[name]} of {len(rows)} {units} {meaning}" for name, meaning in words.items() if counts[name]]
