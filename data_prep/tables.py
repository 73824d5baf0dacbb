"""The tables of a preparation: summary.csv, quarantine.csv, and what is printed at the end."""

from __future__ import annotations

import csv
import io
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

import medmae
from data_prep.fitting import print_fitting
from medmae.data.left_out import LeftOut
from medmae.errors import DataError
from medmae.files import write_text

QUARANTINE_COLUMNS = ("case", "file", "field", "value", "reason", "remedy")
LEFT_OUT_COLUMNS = ("file", "reason")
_MOST_LINES = 40  # of the printed table
_FIRST = ("case", "split", "flags", "status", "subject", "session")  # columns that matter most, where not all fit


def failure_row(case: str, error: Exception) -> dict[str, Any]:
    """One line of ``quarantine.csv``; an error that is not a DataError shows its type."""
    if isinstance(error, DataError):
        return {
            "case": case,
            "file": "" if error.path is None else str(error.path),
            "field": error.field or "",
            "value": "" if error.value is None else str(error.value),
            "reason": error.reason,
            "remedy": error.remedy or "",
        }
    blank = dict.fromkeys(QUARANTINE_COLUMNS, "")
    return blank | {"case": case, "reason": f"{type(error).__name__}: {error}", "remedy": "report this, with the file"}


def left_out_rows(left: Iterable[LeftOut]) -> list[dict[str, str]]:
    """Lines of ``left_out.csv``."""
    return [{"file": str(one.path), "reason": one.why} for one in left]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table atomically; the header is there even without rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def print_summary(
    console: Console,
    lines: Sequence[Mapping[str, Any]],
    shown: Sequence[str],
    failures: Sequence[Mapping[str, Any]],
    manifest: Path,
    *,
    what: str = "case",
    notes: Sequence[str] = (),
) -> None:
    """Prints one line a case, the quarantined ones last, and where the manifest is; what does not fit is named.

    Args:
        console: Where to.
        lines: Of ``summary.csv``.
        shown: Columns of ``lines`` that are printed where the console is wide enough.
        failures: Lines of ``quarantine.csv``.
        manifest: The file.
        what: A line of the table is one.
        notes: What else to tell.
    """
    print_fitting(
        console,
        [{name: line[name] for name in shown} for line in lines[:_MOST_LINES]],
        title=f"{len(lines)} {what}{'' if len(lines) == 1 else 's'} prepared",
        first=_FIRST,
        elsewhere="all is in summary.csv",
    )
    if len(lines) > _MOST_LINES:
        console.print(f"… and {len(lines) - _MOST_LINES} more: read summary.csv")
    for failure in failures[:_MOST_LINES]:
        text = (
            f"{failure['file']}: {failure['reason']} [{failure['field']} = {failure['value']}] -> {failure['remedy']}"
        )
        console.print(f"[bold red]quarantined[/] {escape(failure['case'])}: {escape(text)}")
    if len(failures) > _MOST_LINES:
        console.print(f"[bold red]quarantined[/] … and {len(failures) - _MOST_LINES} more: read quarantine.csv")
    for note in notes:
        console.print(f"[yellow]note[/] {escape(note)}")
    console.print(f"manifest: {escape(str(manifest))}", soft_wrap=True)  # a path to copy


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of what shaped the shards."""
    found = {"python": platform.python_version(), "medmae": medmae.__version__}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
