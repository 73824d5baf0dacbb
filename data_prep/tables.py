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
from rich.table import Table

import medmae
from medmae.data.grid import Grid
from medmae.errors import DataError
from medmae.files import write_text

SUMMARY_COLUMNS = ("case", "subject", "session", "split", "contrasts", "shape", "spacing_mm", "flags", "seconds")
QUARANTINE_COLUMNS = ("case", "file", "field", "value", "reason", "remedy")
_MOST_LINES = 40  # of the printed table


def summary_row(row: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """One line of ``summary.csv`` from a manifest row; shape and spacing are those of the stored array (z, y, x)."""
    grid = Grid.from_dict(row["grid"])
    flags = [*row["flags"], *(f"{c['name']}:{flag}" for c in row["contrasts"] for flag in c["flags"])]
    return {
        "case": row["case"],
        "subject": row["subject"],
        "session": row["session"] or "",
        "split": row["split"],
        "contrasts": " ".join(contrast["name"] for contrast in row["contrasts"]),
        "shape": "x".join(str(n) for n in grid.stored_shape),
        "spacing_mm": "x".join(f"{mm:.3g}" for mm in grid.spacing),
        "flags": " ".join(flags),
        "seconds": f"{seconds:.2f}",
    }


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


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a table atomically; the header is there even without rows."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def print_summary(
    console: Console,
    rows: Sequence[Mapping[str, Any]],
    failures: Sequence[Mapping[str, Any]],
    manifest: Path,
    *,
    ignored: Sequence[Path],
) -> None:
    """Prints one line a case, the quarantined ones last, and where the manifest is."""
    table = Table(title=f"{len(rows)} {'case' if len(rows) == 1 else 'cases'} prepared")
    for name in ("case", "split", "contrasts", "shape", "mm", "flags"):
        table.add_column(name, overflow="fold")
    for row in rows[:_MOST_LINES]:
        line = summary_row(row, 0)
        keys = ("case", "split", "contrasts", "shape", "spacing_mm", "flags")
        table.add_row(*(escape(str(line[key])) for key in keys))
    if len(rows) > _MOST_LINES:
        table.add_row(f"… and {len(rows) - _MOST_LINES} more")
    console.print(table)
    for failure in failures:
        text = (
            f"{failure['file']}: {failure['reason']} [{failure['field']} = {failure['value']}] -> {failure['remedy']}"
        )
        console.print(f"[bold red]quarantined[/] {escape(failure['case'])}: {escape(text)}")
    if ignored:
        names = ", ".join(path.name for path in ignored[:5]) + (" …" if len(ignored) > 5 else "")
        console.print(
            f"[yellow]ignored[/] {len(ignored)} volumes without a known contrast in their names: {escape(names)}"
        )
    console.print(f"manifest: {escape(str(manifest))}")


def versions() -> dict[str, str]:
    """Versions of what shaped the shards."""
    found = {"python": platform.python_version(), "medmae": medmae.__version__}
    for package in ("numpy", "scipy", "scikit-image", "nibabel", "SimpleITK", "distributed", "zarr"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
