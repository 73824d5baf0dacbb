"""Where subjects come from: measured patients, or a simulation. Said by a user or by the files, never guessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast, get_args

from medmae.errors import DataError, check_choice

Origin = Literal["real", "simulated"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)


def settled(said: str | None, *, declared: str | None, case: str) -> Origin | None:
    """The origin of a case, by what a user says and what its files declare; None if nobody says anything.

    Args:
        said: By the user, of all cases.
        declared: By the files of this one.
        case: Its name.

    Raises:
        DataError: If they contradict each other.
        ValueError: If it is no origin.
    """
    if said is not None:
        check_choice(said, ORIGINS, name="origin")
    if said is not None and declared is not None and said != declared:
        raise DataError(
            f"the files of {case} say that their subject is {declared}",
            field="origin",
            value=said,
            remedy=f"leave the origin out, or say {declared}",
        )
    return cast("Origin | None", said or declared)


def origins_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Subjects by the origin of their rows, sorted; those of whom nothing is known are left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.get("origin"):
            found[str(row["origin"])].add(str(row["subject"]))
    return {origin: sorted(found[origin]) for origin in sorted(found)}
