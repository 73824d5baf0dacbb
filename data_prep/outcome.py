"""What a preparation did, and how that is written down: manifest rows, tables, record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_prep.case import CaseResult, Options
from data_prep.layouts import Found
from data_prep.tables import SUMMARY_COLUMNS, summary_row, versions, write_csv
from medmae.data import splits
from medmae.data.manifest import NAME, check_leaks
from medmae.data.manifest import write as write_manifest
from medmae.errors import ExitCode
from medmae.files import write_text


@dataclass(frozen=True, kw_only=True)
class PrepResult:
    """What a preparation did.

    Args:
        manifest: The file that data sets read.
        prepared: Cases prepared now.
        kept: Cases that an earlier run had prepared from the same bytes.
        quarantined: Cases that could not be used; ``quarantine.csv`` says why.
        subjects: Number of subjects in each split.
        ignored: Volumes whose names say no contrast.
        exit_code: ``OK``, or ``SOME_FAILED`` when a case was quarantined.
    """

    manifest: Path
    prepared: int
    kept: int
    quarantined: int
    subjects: dict[str, int]
    ignored: tuple[Path, ...]
    exit_code: ExitCode

    @property
    def cases(self) -> int:
        """Cases in the manifest."""
        return self.prepared + self.kept


@dataclass
class Outcome:
    """What became of each task, by its number."""

    done: dict[int, CaseResult] = field(default_factory=dict)
    failed: dict[int, Exception] = field(default_factory=dict)


def manifest_rows(
    outcome: Outcome,
    given: dict[str, str] | None,
    *,
    fractions: tuple[float, float, float],
    seed: int,
    manifest: Path,
) -> list[dict[str, Any]]:
    """Manifest rows with their split, sorted by case; leaks are refused before anything is written."""
    rows = [outcome.done[index].row for index in sorted(outcome.done)]
    of = given or splits.split_by_subject((row["subject"] for row in rows), fractions=fractions, seed=seed)
    rows = [_with_split(row, of[row["subject"]]) for row in rows]
    check_leaks(rows, path=manifest)
    return sorted(rows, key=lambda row: row["case"])


def _with_split(row: dict[str, Any], split: str) -> dict[str, Any]:
    head = {key: row[key] for key in ("case", "subject", "session")}
    return head | {"split": split} | {key: value for key, value in row.items() if key not in head}


def write_tables(rows: list[dict[str, Any]], outcome: Outcome, out: Path) -> None:
    """Writes ``summary.csv``, ``splits.csv`` and, when both stand, the manifest."""
    seconds = {result.row["case"]: result.seconds for result in outcome.done.values()}
    write_csv(out / "summary.csv", SUMMARY_COLUMNS, [summary_row(row, seconds[row["case"]]) for row in rows])
    splits.write(out / "splits.csv", {row["subject"]: row["split"] for row in rows})
    write_manifest(out / NAME, rows)  # last: whoever finds it finds the rest


def result_of(rows: list[dict[str, Any]], outcome: Outcome, found: Found, out: Path) -> PrepResult:
    """Counts, for the caller and its exit code."""
    kept = sum(result.kept for result in outcome.done.values())
    return PrepResult(
        manifest=out / NAME,
        prepared=len(outcome.done) - kept,
        kept=kept,
        quarantined=len(outcome.failed),
        subjects={name: len({row["subject"] for row in rows if row["split"] == name}) for name in splits.SPLITS},
        ignored=tuple(found.ignored),
        exit_code=ExitCode.SOME_FAILED if outcome.failed else ExitCode.OK,
    )


def write_record(
    result: PrepResult,
    options: Options,
    *,
    source: str | Path,
    split: str | Path | None,
    fractions: tuple[float, float, float],
    seed: int,
) -> None:
    """Writes ``prep.json``: options, versions and counts."""
    record = {
        "source": str(source),
        "options": asdict(options),
        "split": {"file": None if split is None else str(split), "fractions": fractions, "seed": seed},
        "versions": versions(),
        "counts": {
            "cases": result.cases,
            "prepared": result.prepared,
            "kept": result.kept,
            "quarantined": result.quarantined,
            "subjects": result.subjects,
        },
        "ignored": [str(path) for path in result.ignored],
    }
    write_text(result.manifest.with_name("prep.json"), json.dumps(record, indent=2) + "\n")
