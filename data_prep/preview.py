"""Who would be who: what a preparation shows before it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_prep.unit import PrepUnit

_MOST_LINES = 200


def spoken(units: Sequence[PrepUnit], source: Path) -> str:
    """``12 subjects in 12 top folders, 20 sessions``: what was understood of the source."""
    subjects = {unit.subject for unit in units}
    sessions = {(unit.subject, unit.session) for unit in units}
    tops = {path for unit in units for path in _tops(unit, source)}
    words = ((len(subjects), "subject"), (len(tops), "top folder"), (len(sessions), "session"))
    first, second, third = (f"{count} {word}{'' if count == 1 else 's'}" for count, word in words)
    return f"{first} in {second}, {third}"


def print_preview(
    console: Console, units: Sequence[PrepUnit], ignored: Sequence[Path], splits: Mapping[str, str]
) -> None:
    """A line a unit: whose it is, of which visit, what it holds, and its first file; then what is left out."""
    table = Table(title="dry run: nothing is written")
    for name in ("subject", "session", "split", "content", "first file"):
        table.add_column(name, overflow="fold")
    for unit in units[:_MOST_LINES]:
        cells: list[Any] = [unit.subject, unit.session or "", splits.get(unit.subject, ""), unit.content]
        table.add_row(*(escape(str(cell)) for cell in (*cells, unit.files[0] if unit.files else "")))
    if len(units) > _MOST_LINES:
        table.add_row(f"… and {len(units) - _MOST_LINES} more")
    console.print(table)
    for suffix, count in sorted(Counter(path.suffix for path in ignored).items()):
        first = next(path for path in ignored if path.suffix == suffix)
        console.print(f"[yellow]left out[/] {count} files {escape(suffix)}, such as {escape(str(first))}")


def _tops(unit: PrepUnit, source: Path) -> list[str]:
    """The first folders below the source that its files lie in; a file of the source itself is in no folder."""
    parts = [file.relative_to(source).parts for file in unit.files if file.is_relative_to(source)]
    return [some[0] for some in parts if len(some) > 1] or ["."]
