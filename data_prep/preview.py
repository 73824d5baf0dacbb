"""Who would be who: what a preparation shows before it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from data_prep.fitting import print_fitting
from data_prep.unit import FoundUnits, PrepUnit
from medmae.data.left_out import spoken as spoken_of

_MOST_LINES = 200


def spoken(units: Sequence[PrepUnit], source: Path) -> str:
    """``12 subjects in 12 top folders, 20 sessions``: what was understood; and of what nobody is known."""
    named = [unit for unit in units if unit.known]
    nobodys = sum(len(unit.files) for unit in units if not unit.known)
    if not named:
        return f"no patient is known of {nobodys} file{'' if nobodys == 1 else 's'}"
    subjects = {unit.subject for unit in named}
    sessions = {(unit.subject, unit.session) for unit in named}
    tops = {path for unit in units for path in _tops(unit, source)}
    words = ((len(subjects), "subject"), (len(tops), "top folder"), (len(sessions), "session"))
    first, second, third = (f"{count} {word}{'' if count == 1 else 's'}" for count, word in words)
    return f"{first} in {second}, {third}" + (f"; no patient is known of {nobodys} files" if nobodys else "")


def print_preview(console: Console, found: FoundUnits[Any], splits: Mapping[str, str], *, source: Path) -> None:
    """A line a unit: whose it is, of which visit, what it holds, and its first file; then what fails or is left out.

    Args:
        console: Where to.
        found: Units that would be prepared, and what would not.
        splits: Of subjects, as far as they are given.
        source: Files are named as they lie below it.
    """
    lines = [
        {
            "subject": unit.subject if unit.known else "(unknown)",
            "session": unit.session or "",
            "split": splits.get(unit.subject, ""),
            "content": unit.content,
            "first file": _below(unit.files[0], source) if unit.files else "",
        }
        for unit in found.units[:_MOST_LINES]
    ]
    print_fitting(
        console,
        lines,
        title="dry run: nothing is written",
        first=("subject", "first file", "session"),
        breakable={"first file"},
        elsewhere="a wider terminal shows all",
    )
    if len(found.units) > _MOST_LINES:
        console.print(f"… and {len(found.units) - _MOST_LINES} more")
    for name, error in found.failed[:_MOST_LINES]:
        console.print(f"[bold red]fails[/] {escape(name)}: {escape(str(error))}")
    for line in spoken_of(found.left_out):
        console.print(f"[yellow]note[/] {escape(line)}")


def _below(path: Path, source: Path) -> str:
    """A path as it lies below a folder; another one as it is."""
    return str(path.relative_to(source) if path.is_relative_to(source) and path != source else path)


def _tops(unit: PrepUnit, source: Path) -> list[str]:
    """The first folders below the source that its files lie in; a file of the source itself is in no folder."""
    parts = [file.relative_to(source).parts for file in unit.files if file.is_relative_to(source)]
    return [some[0] for some in parts if len(some) > 1] or ["."]
