"""What all preparations share: find units, know whose they are, prepare each by itself, and write what came of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Generic

from rich.console import Console

from data_prep.copies import refuse_copies
from data_prep.outcome import PrepResult, Row, manifest_rows, result_of, write_record, write_tables
from data_prep.preview import print_preview, spoken
from data_prep.tables import LEFT_OUT_COLUMNS, left_out_rows, print_summary, write_csv
from data_prep.unit import FoundUnits, U
from data_prep.work import check_names, check_writable, given_split, nothing_usable, run_cases, workers_for
from medmae.data import splits
from medmae.data.identity.given import Given
from medmae.data.left_out import barren, damaged_in, nothing_in
from medmae.data.left_out import spoken as spoken_of
from medmae.data.manifest import NAME
from medmae.data.origin import Origin, settled


@dataclass(frozen=True, kw_only=True)
class Preparation(ABC, Generic[U]):
    """A preparation of one kind of data; subclasses add their options and say how a unit is found and prepared.

    Args:
        source: Where the data are.
        out: Folder to write; made if it is not there.
        subject_from: Regular expression whose first group is the patient: on paths below the source for volumes; for
            other files on names, or, if it has a ``/``, on paths. ``PatientID`` takes a salted hash of what DICOM says.
        subjects: CSV with ``path,subject[,session][,contrast]``; a folder stands for all that lies in it.
        dry_run: Show who would be who, and write nothing.
        origin: ``real`` or ``simulated``: where all subjects come from, which pages tell; None takes what files say.
        split: CSV with ``subject,split``; None draws one from ``seed``.
        fractions: Shares of train, val, test of a drawn split, in whole subjects.
        seed: Of a drawn split.
        workers: Processes; 0 works in this one; None chooses.
        scheduler: Address of a running Dask scheduler.
        console: Where progress and tables go; None prints to the standard error stream.
    """

    what: ClassVar[str] = "case"  # that a line of the table is
    columns: ClassVar[tuple[str, ...]]  # of summary.csv, besides case, subject, split, flags, seconds
    packages: ClassVar[tuple[str, ...]]  # that shape what is written
    work: ClassVar[Any]  # a function of the task of one unit, that gives a CaseResult

    source: str | Path
    out: str | Path
    subject_from: str | None = None
    subjects: str | Path | None = None
    dry_run: bool = False
    origin: Origin | None = None
    split: str | Path | None = None
    fractions: tuple[float, float, float] = splits.FRACTIONS
    seed: int = 0
    workers: int | None = None
    scheduler: str | None = None
    console: Console | None = field(default=None, compare=False)

    @abstractmethod
    def find(self) -> FoundUnits[U]:
        """The units of the source, with subjects.

        Raises:
            DataError: Nothing is there, or it does not show who is who.
        """

    @abstractmethod
    def task(self, unit: U) -> object:
        """What a worker needs for one unit."""

    @abstractmethod
    def line(self, row: Row) -> Row:
        """Its own columns of the line of ``summary.csv``."""

    @abstractmethod
    def check(self) -> None:
        """Raises ValueError for options out of range."""

    def splits_of(self, units: Sequence[U]) -> Mapping[str, str] | None:
        """The split of each subject, where file or source name them; None draws one."""
        return None if self.split is None else given_split(self.split, (unit.subject for unit in units))

    def usable(self, rows: list[Row]) -> tuple[list[Row], list[Row]]:
        """Rows for the manifest, and rows that the summary alone lists."""
        return rows, []

    def notes(self, found: FoundUnits[U], rows: Sequence[Row]) -> list[str]:
        """What a user should be told at the end."""
        return list(found.notes)

    def owners(self, unit: U) -> Mapping[Path, str]:
        """Whose each file of a unit is, or of which class where folders are those of classes."""
        return dict.fromkeys(unit.files, unit.subject)

    @property
    def given(self) -> Given:
        """What the user says of patients; units are files unless a subclass says otherwise."""
        return Given(subject_from=self.subject_from, subjects=self.subjects, by_name=True)

    def prepare(self) -> PrepResult:
        """Prepares everything.

        A case that cannot be used is quarantined and the others go on. A case whose files and options are those of an
        earlier run is kept.

        Raises:
            DataError: If nothing can be used, it does not show who is who, the split does not cover the subjects, or a
                patient would be in two splits.
            ValueError: If an option is out of range.
        """
        # Rows say where files are, and are read from any folder.
        return replace(self, source=Path(self.source).absolute())._run()

    def _run(self) -> PrepResult:
        console, out = self.console or Console(stderr=True), Path(self.out)
        self.check()
        settled(self.origin, declared=None, case="all")
        splits.split_by_subject((), fractions=self.fractions)
        found = self.with_failures(self.find())
        names = [unit.case for unit in found.units]
        check_names(names)
        of = self.splits_of(found.units)
        console.print(spoken(found.units, Path(self.source)))
        if self.dry_run:
            print_preview(console, found, of or {}, source=Path(self.source))
            return PrepResult.of_nothing(out / NAME, found.left_out)
        check_writable(out)
        outcome = run_cases(
            self.work,
            [self.task(unit) for unit in found.units],
            names=names,
            workers=workers_for(self.workers, (file for unit in found.units for file in unit.files)),
            scheduler=self.scheduler,
            console=console,
        )
        failures = outcome.write_quarantine(out, names, found.failed)
        write_csv(out / "left_out.csv", LEFT_OUT_COLUMNS, left_out_rows(found.left_out))
        if not outcome.rows:
            raise nothing_usable(outcome.failed, failures, out, self.source)
        rows, empty = self.usable([self._with_origin(row) for row in outcome.rows])
        check_names([row["case"] for row in (*rows, *empty)])  # parts of one file may be called as another file
        refuse_copies(rows)
        rows = manifest_rows(rows, of, fractions=self.fractions, seed=self.seed, manifest=out / NAME)
        seconds = outcome.seconds  # made once: it has a line a case
        lines = [self._line(row, seconds[row["case"]]) for row in (*rows, *empty)]
        write_tables(rows, lines, self._columns, out)
        result = result_of(rows, outcome, out, left_out=found.left_out, failed=len(found.failed))
        write_record(
            result,
            self.options(),
            source=self.source,
            split=self.split,
            fractions=self.fractions,
            seed=self.seed,
            packages=self.packages,
        )
        notes = [*self.notes(found, rows), *spoken_of(found.left_out)]
        print_summary(console, lines, self._columns[:-1], failures, result.manifest, what=self.what, notes=notes)
        return result

    def _with_origin(self, row: Row) -> Row:
        origin = settled(self.origin, declared=row.get("origin"), case=row["case"])
        return row if origin is None else {**row, "origin": origin}

    def options(self) -> Row:
        """What a user chose, for the record."""
        left_out = {"source", "out", "dry_run", "split", "fractions", "seed", "workers", "scheduler", "console"}
        told = {option.name: getattr(self, option.name) for option in fields(self) if option.name not in left_out}
        return {name: str(value) if isinstance(value, Path) else value for name, value in told.items()}

    def with_failures(self, found: FoundUnits[U]) -> FoundUnits[U]:
        """Damaged files that no unit has, and folders of patients or classes that give nothing, as failures."""
        damaged = [(Path(str(error.path)).parent.name, error) for error in damaged_in(found.left_out)]
        source, owners = Path(self.source), {k: v for unit in found.units for k, v in self.owners(unit).items()}
        empty = barren(source, owners) if source.is_dir() else []
        told = {folder for _, error in found.failed for folder in Path(str(error.path)).parents}
        nothing = nothing_in((folder for folder in empty if folder not in told), found.left_out)
        return replace(found, failed=(*found.failed, *damaged, *((Path(str(one.path)).name, one) for one in nothing)))

    @property
    def _columns(self) -> tuple[str, ...]:
        return ("case", "subject", "split", *self.columns, "flags", "seconds")

    def _line(self, row: Row, seconds: float) -> Row:
        own = {"flags": row["flags"], **self.line(row)}
        head = {"case": row["case"], "subject": row["subject"], "split": row.get("split", "")}
        return head | own | {"flags": " ".join(own["flags"]), "seconds": f"{seconds:.2f}"}
