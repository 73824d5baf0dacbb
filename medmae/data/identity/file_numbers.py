"""Numbers that alone tell files apart: series of one patient's study, or one patient each, nobody can tell which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from medmae.data.identity.doubts import Choice, Doubt

_MOST_SERIES = 20  # of one study: more numbers than these count patients
_FOLDER = "put these files into one folder of the patient's name"


@dataclass(frozen=True)
class Numbered:
    """A file that nothing names but what it shows and a number: ``t1_mprage_sag_3``, ``3_t1_mprage``.

    Args:
        number: The number.
        shows: What the file shows.
        session: The visit, if its name tells one.
        behind: Whether the number stands behind what the file shows; before it, it is a patient's more often.
    """

    number: str
    shows: str
    session: str | None
    behind: bool = True


def series_numbers(files: Sequence[Numbered], *, total: int) -> list[Doubt]:
    """The doubt about numbers that a scanner may have counted, as its converters name series.

    Patients have a number for all that was taken of them, series one each: numbers with two contrasts of one visit are
    patients'. Of a single contrast, numbers before it, with leading zeros or of three digits and more count patients.

    Args:
        files: Those with a number.
        total: Files of the source; where some are named otherwise, numbers are counted among themselves.

    >>> [len(series_numbers([Numbered(n, "T1", None) for n in some], total=2)) for some in (("3", "4"), ("03", "04"))]
    [1, 0]
    """
    shown: dict[tuple[str | None, str], set[str]] = defaultdict(set)
    for one in files:
        shown[one.session, one.number].add(one.shows)
    numbers = sorted({one.number for one in files}, key=lambda number: (len(number), number))
    if not 1 < len(numbers) <= _MOST_SERIES or any(len(some) > 1 for some in shown.values()):
        return []
    padded = any(number.startswith("0") or len(number.rstrip("abcdefgh")) > 2 for number in numbers)
    behind = all(one.behind for one in files)
    if len({one.shows for one in files}) == 1 and (padded or not behind):
        return []
    pattern = r"(\d+[a-h]?)$" if behind else r"(?:^|/)(\d+[a-h]?)[^/]*$"
    visits = len({one.session for one in files})
    readings = [
        Choice(visits, f"with several series: {_FOLDER}"),
        Choice(len(numbers), "one a number", pattern if len(files) == total else None),
    ]
    shown_first = ", ".join(f"{one.shows} {one.number}" for one in files[:3])
    return [Doubt("series", "files are told apart by numbers that may count series", shown_first, tuple(readings))]
