"""Whose image a file is: a table, a pattern on its name, or a TCGA barcode; never its place in a list."""

from __future__ import annotations

import re
from collections.abc import Iterable

from medmae.errors import DataError

_TCGA = re.compile(r"^TCGA-\w{2}-\w{4}(?=-|$)")


def compiled(pattern: str | None, *, option: str) -> re.Pattern[str] | None:
    """A regular expression that a user gave.

    Raises:
        ValueError: If it is none.
    """
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{option} is no regular expression ({error}): {pattern!r}") from error


def found_in(name: str, pattern: re.Pattern[str]) -> str | None:
    """What a pattern finds in a name: its first group, or all of the match; None if it does not match."""
    match = pattern.search(name)
    return None if match is None else (match[1] if pattern.groups else match[0]) or None


def require_match(names: Iterable[str], pattern: re.Pattern[str], *, option: str) -> dict[str, str]:
    """What a pattern finds in each of the names.

    Raises:
        DataError: With the names that it does not match.
    """
    found = {name: found_in(name, pattern) for name in names}
    missed = [name for name, value in found.items() if value is None]
    if missed:
        raise DataError(
            f"{option} matches nothing in {len(missed)} of {len(found)} names: {', '.join(missed[:10])}",
            field=option,
            value=pattern.pattern,
            remedy="correct the pattern: its first group is what counts",
        )
    return {name: value for name, value in found.items() if value is not None}


def tcga_patient(name: str) -> str | None:
    """The patient in a TCGA barcode, or None.

    >>> tcga_patient("TCGA-AA-3872-01Z-00-DX1.eb3732ee")
    'TCGA-AA-3872'
    """
    match = _TCGA.match(name)
    return match and match[0]
