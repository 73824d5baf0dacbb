"""How the report writes numbers and names: one place, so that a card, a table and a chart agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

NOTHING = "–"  # shown where a value is missing
MINUS = "\N{MINUS SIGN}"  # as wide as a plus, unlike a hyphen


def number(value: float | None, *, digits: int = 2) -> str:
    """Write a number with fixed digits and thousands separators; missing or not finite becomes a dash."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{digits}f}".replace("-", MINUS)


def signed(value: float, *, digits: int = 1) -> str:
    """Write a difference, always with its sign."""
    return ("+" if value >= 0 else "") + number(value, digits=digits)


def span(low: float | None, high: float | None, *, digits: int = 2) -> str:
    """Write an interval, ``1.20 to 3.40``; a dash where there is none."""
    return NOTHING if low is None or high is None else f"{number(low, digits=digits)} to {number(high, digits=digits)}"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """Write ``1 subject``, ``2 subjects``."""
    return f"{value:,}\u00a0{noun if value == 1 else plural or noun + 's'}"  # a number stays with its noun


def spoken_count(value: int, noun: str) -> str:
    """The same for a terminal, where a line breaks anyway and a user may search for what it says."""
    return count(value, noun).replace("\u00a0", " ")


def duration(seconds: float | None) -> str:
    """Write seconds the way one says them: ``48 s``, ``4 min 12 s``, ``3 h 05 min``."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def magnitude(value: float) -> str:
    """Write a large count with three digits and a unit: ``4.12 M``."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value:,g}"


def listing(items: Iterable[str], *, limit: int = 8) -> str:
    """Write ``T1, T2 and FLAIR``; a long list is cut and counted."""
    names = list(items)
    if len(names) > limit:
        names = [*names[:limit], f"{len(names) - limit} more"]
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]


def plain(value: object) -> str:
    """Write any JSON value in one line: lists by comma, sizes as they come, nothing as a dash."""
    if value is None or value == "" or value == [] or value == {}:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value)
    return str(value)


def words(name: str) -> str:
    """Turn an identifier into words: ``edge_target`` -> ``edge target``."""
    return name.replace("_", " ").replace("/", " · ").strip()


def slug(name: str) -> str:
    """Turn any text into a safe part of a file name (letters, digits, ``-``, ``_``; at most 60)."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "unnamed"
