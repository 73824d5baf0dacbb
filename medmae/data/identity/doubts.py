"""Names of patients that could be one patient's: refused with both readings and the option that chooses one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from medmae.errors import DataError

TABLE = "--subjects TABLE (path,subject[,session])"


@dataclass(frozen=True)
class Choice:
    """One of two readings.

    Args:
        count: Subjects that it gives.
        text: What they are.
        pattern: Regular expression on paths that chooses it, if there is one.
    """

    count: int
    text: str
    pattern: str | None = None

    def __str__(self) -> str:
        return f"{self.count} subject{'' if self.count == 1 else 's'}, {self.text}"

    def checked(self, paths: Sequence[str]) -> Choice:
        """The same without the pattern if that does not give as many subjects on these paths."""
        found = [re.search(self.pattern, path) for path in paths] if self.pattern else []
        if found and all(found) and len({match[1] for match in found if match}) == self.count:
            return self
        return replace(self, pattern=None)


@dataclass(frozen=True)
class Doubt:
    """What could be read in several ways.

    Args:
        kind: Which rule found it: ``level`` of folders, ``spelling``, ``ending``, ``parents``, ``visits``, ``headers``.
        why: What makes it doubtful.
        shown: An example.
        readings: At least two.
    """

    kind: str
    why: str
    shown: str
    readings: tuple[Choice, ...]

    def __str__(self) -> str:
        """All readings in words."""
        return f"{self.why} ({self.shown}): {', or '.join(map(str, self.readings))}"

    @property
    def remedy(self) -> str:
        """The options that choose."""
        chosen = [f"--subject-from '{one.pattern}' for {one}" for one in self.readings if one.pattern]
        return "; ".join([*chosen, TABLE])


def checked(doubts: Iterable[Doubt], paths: Sequence[str]) -> list[Doubt]:
    """Doubts whose patterns give on these paths what they promise."""
    return [replace(doubt, readings=tuple(one.checked(paths) for one in doubt.readings)) for doubt in doubts]


def refuse(doubts: Collection[Doubt], *, path: object) -> None:
    """Refuses what is doubtful.

    Raises:
        DataError: With every doubt; the remedy is that of the first.
    """
    if doubts:
        first = next(iter(doubts))
        raise DataError(
            "it does not show who is one patient: " + "; also: ".join(dict.fromkeys(map(str, doubts))),
            path=str(path),
            field="subject",
            value=first.shown,
            remedy=first.remedy,
        )


def restarted(above: Mapping[str, Collection[tuple[str, ...]]], depths: Mapping[str, int]) -> list[Doubt]:
    """One subject's name under several parents: one patient at several places, or places that count from 1.

    Args:
        above: Names outside each subject.
        depths: Place of names in their paths.
    """
    several = sorted((name, sorted(some)) for name, some in above.items() if len(some) > 1)
    if not several:
        return []
    name, parents = several[0]
    depth = depths.get(name, 0)
    return [
        Doubt(
            kind="parents",
            why="one name lies under several parents",
            shown=", ".join("/".join((*some, name)) for some in parents[:3]),
            readings=(
                Choice(len(above), f"{name} being one", f"^(?:[^/]+/){{{depth}}}([^/]+)"),
                Choice(
                    sum(len(some) for some in above.values()),
                    f"{name} of each parent being another",
                    f"^((?:[^/]+/){{{depth}}}[^/]+)",
                ),
            ),
        )
    ]
