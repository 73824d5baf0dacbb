"""What a preparation did, and how that is written down: manifest rows, tables, record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_prep.tables import QUARANTINE_COLUMNS, failure_row, versions, write_csv
from medmae.data import splits
from medmae.data.left_out import LeftOut, counted
from medmae.data.manifest import NAME, check_leaks
from medmae.data.manifest import write as write_manifest
from medmae.errors import ExitCode
from medmae.files import write_text

Row = dict[str, Any]
NO_PATIENT = "no_patient"  # flag: nothing tells which slides or images are of one patient


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What became of one case.

    Args:
        rows: Manifest rows, usually one, without their split unless the source gave it.
        kept: Whether they are those of an earlier run.
        seconds: Time it took.
        failures: Lines of ``quarantine.csv`` about parts of the case that could not be used.
    """

    rows: tuple[Row, ...]
    kept: bool
    seconds: float
    failures: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrepResult:
    """What a preparation did.

    Args:
        manifest: The file that data sets read.
        prepared: Cases prepared now.
        kept: Cases that an earlier run had prepared from the same bytes.
        quarantined: Cases, or parts of them, that could not be used; ``quarantine.csv`` says why.
        subjects: Number of subjects in each split.
        left_out: Files that are not read, with the reason.
        exit_code: ``OK``, or ``SOME_FAILED`` when something was quarantined.
    """

    manifest: Path
    prepared: int
    kept: int
    quarantined: int
    subjects: dict[str, int]
    left_out: tuple[LeftOut, ...]
    exit_code: ExitCode

    @classmethod
    def of_nothing(cls, manifest: Path, left_out: Sequence[LeftOut]) -> PrepResult:
        """Of a dry run."""
        none = dict.fromkeys(splits.SPLITS, 0)
        return cls(
            manifest=manifest,
            prepared=0,
            kept=0,
            quarantined=0,
            subjects=none,
            left_out=tuple(left_out),
            exit_code=ExitCode.OK,
        )

    @property
    def cases(self) -> int:
        """Cases in the manifest."""
        return self.prepared + self.kept


@dataclass
class Outcome:
    """What became of each task, by its number."""

    done: dict[int, CaseResult] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the tasks."""
        return [row for index in sorted(self.done) for row in self.done[index].rows]

    def add(self, index: int, result: CaseResult | Exception) -> None:
        """Keeps what became of a task; of an error no traceback, whose frames would keep its volumes in memory."""
        if isinstance(result, Exception):
            self.failed[index] = _without_frames(result)
        else:
            self.done[index] = result

    @property
    def seconds(self) -> dict[str, float]:
        """Time that each row's case took."""
        return {row["case"]: result.seconds for result in self.done.values() for row in result.rows}

    def write_quarantine(
        self, out: Path, names: Sequence[str], others: Sequence[tuple[str, Exception]] = ()
    ) -> list[Row]:
        """Writes ``quarantine.csv``, also when it stays empty.

        Args:
            out: Folder.
            names: Of the cases, by task.
            others: Name and error of what could not become a task.

        Returns:
            Its lines.
        """
        lines = [failure_row(names[index], error) for index, error in sorted(self.failed.items())]
        lines += [line for index in sorted(self.done) for line in self.done[index].failures]
        lines += [failure_row(name, error) for name, error in others]
        write_csv(out / "quarantine.csv", QUARANTINE_COLUMNS, lines)
        return lines


def _without_frames(error: Exception) -> Exception:
    error.__cause__ = error.__context__ = None  # these have tracebacks, too
    return error.with_traceback(None)


def manifest_rows(
    rows: Iterable[Row],
    given: Mapping[str, str] | None,
    *,
    fractions: tuple[float, float, float],
    seed: int,
    manifest: Path,
) -> list[Row]:
    """Manifest rows with their split, sorted by case; leaks are refused before anything is written."""
    rows = list(rows)
    of = given or splits.split_by_subject((row["subject"] for row in rows), fractions=fractions, seed=seed)
    rows = [_with_split(row, of[row["subject"]]) for row in rows]
    check_leaks(rows, path=manifest)
    return sorted(rows, key=lambda row: row["case"])


def _with_split(row: Row, split: str) -> Row:
    head = {key: row[key] for key in ("case", "subject", "session")}
    origin = {"origin": row["origin"]} if "origin" in row else {}
    return head | {"split": split} | origin | {key: value for key, value in row.items() if key not in head}


def write_tables(rows: list[Row], lines: Iterable[Row], columns: Sequence[str], out: Path) -> None:
    """Writes ``summary.csv`` (``lines``), ``splits.csv`` and, when both stand, the manifest (``rows``)."""
    write_csv(out / "summary.csv", columns, lines)
    splits.write(out / "splits.csv", {row["subject"]: row["split"] for row in rows})
    write_manifest(out / NAME, rows)  # last: whoever finds it finds the rest


def result_of(
    rows: list[Row], outcome: Outcome, out: Path, *, left_out: Sequence[LeftOut] = (), failed: int = 0
) -> PrepResult:
    """Counts, for the caller and its exit code."""
    kept = {row["case"] for result in outcome.done.values() if result.kept for row in result.rows}
    quarantined = failed + len(outcome.failed) + sum(len(result.failures) for result in outcome.done.values())
    return PrepResult(
        manifest=out / NAME,
        prepared=sum(row["case"] not in kept for row in rows),
        kept=sum(row["case"] in kept for row in rows),
        quarantined=quarantined,
        subjects={name: len({row["subject"] for row in rows if row["split"] == name}) for name in splits.SPLITS},
        left_out=tuple(left_out),
        exit_code=ExitCode.SOME_FAILED if quarantined else ExitCode.OK,
    )


def write_record(
    result: PrepResult,
    options: Mapping[str, Any],
    *,
    source: str | Path,
    split: str | Path | None,
    fractions: tuple[float, float, float],
    seed: int,
    packages: Sequence[str],
) -> None:
    """Writes ``prep.json``: options, versions (of ``packages``, too) and counts."""
    record = {
        "source": str(source),
        "options": options,
        "split": {"file": None if split is None else str(split), "fractions": fractions, "seed": seed},
        "versions": versions(packages),
        "counts": {
            "cases": result.cases,
            "prepared": result.prepared,
            "kept": result.kept,
            "quarantined": result.quarantined,
            "subjects": result.subjects,
            "left_out": counted(result.left_out),
        },
    }
    write_text(result.manifest.with_name("prep.json"), json.dumps(record, indent=2) + "\n")
