"""The checkpoint that a resumed training asks for: whether it can be there, without importing what reads it."""

from __future__ import annotations

from pathlib import Path

from medmae.errors import DataError

NEWEST = "newest"
REMEDY = f"take an older one, or --checkpoint {NEWEST}, which passes over what cannot be read"


def require_checkpoint(wanted: str | Path) -> None:
    """Refuses the name of a file that is not there.

    Raises:
        DataError: With the path.
    """
    if str(wanted) != NEWEST and not Path(wanted).is_file():
        raise DataError("the checkpoint cannot be read (there is no such file)", path=wanted, remedy=REMEDY)
