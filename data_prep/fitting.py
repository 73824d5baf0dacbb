"""Tables that fit a terminal: columns are left out whole, and named, before cells are broken into pieces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_GAP = 2  # between two columns
_COMFORT = 24  # characters that a column may claim before others: longer cells go on in a further line
_LONGEST = 40  # of a word that is not broken


@dataclass(frozen=True)
class _Column:
    name: str
    cells: tuple[str, ...]
    breakable: bool

    @property
    def full(self) -> int:
        """Width at which every cell takes one line."""
        return max(map(cell_len, (self.name, *self.cells)))

    @property
    def comfortable(self) -> int:
        """Width at which it can be read: no word is broken, unless it is a path or very long."""
        words = [word for cell in (self.name, *self.cells) for word in cell.split()]
        longest = 0 if self.breakable else max(map(cell_len, words), default=0)
        return min(self.full, max(_COMFORT, min(longest, _LONGEST)))


def print_fitting(
    console: Console,
    lines: Sequence[Mapping[str, object]],
    *,
    title: str,
    first: Sequence[str],
    breakable: Collection[str] = (),
    elsewhere: str,
) -> None:
    """Prints a table with as many columns as the console is wide, and says which it left out.

    Where all columns fit, all are shown. Else those without any entry go, then those that repeat an earlier one, then
    the last of those that remain, until what is left can be read.

    Args:
        console: Where to.
        lines: Texts by column; all have the same columns, in the order in which they are shown.
        title: Of the table.
        first: Columns that matter most, in that order; the others follow in their own.
        breakable: Columns whose words may be broken, such as paths.
        elsewhere: Where a reader finds what is left out.
    """
    columns = [
        _Column(name, tuple(str(line[name]) for line in lines), breakable=name in breakable) for name in lines[0]
    ]
    shown, why = _chosen(columns, first=first, width=console.width)
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, _GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for column, width in zip(shown, _widths(shown, console.width), strict=True):
        table.add_column(escape(column.name), width=width, overflow="fold")
    for cells in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*map(escape, cells))
    console.print(table)
    if why:
        parts = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in why.items())
        console.print(f"[dim]left out: {escape(parts)}: {escape(elsewhere)}[/]")


def _chosen(
    columns: Sequence[_Column], *, first: Sequence[str], width: int
) -> tuple[list[_Column], dict[str, list[str]]]:
    """Columns that fit, in their order, and names of the others by the reason."""
    if _total([column.full for column in columns]) <= width:
        return list(columns), {}
    why: dict[str, list[str]] = {}
    by_name = {column.name: column for column in columns}
    kept: list[_Column] = []
    for name in dict.fromkeys([*(name for name in first if name in by_name), *by_name]):
        column = by_name[name]
        same = next((other.name for other in kept if other.cells == column.cells), None)
        if not any(column.cells):
            why.setdefault("empty", []).append(name)
        elif same is not None:
            why.setdefault(f"as {same}", []).append(name)
        elif kept and _total([other.comfortable for other in (*kept, column)]) > width:
            why.setdefault("no room", []).append(name)
        else:
            kept.append(column)
    return [column for column in columns if column in kept], why


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """What each gets: what it can be read at, and what is left over for those that want more, the narrowest first."""
    widths = [column.comfortable for column in columns]
    room = width - _total(widths)
    for i in sorted(range(len(columns)), key=lambda i: columns[i].full):
        more = max(min(columns[i].full - widths[i], room), 0)
        widths[i] += more
        room -= more
    return [min(each, width) for each in widths]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
