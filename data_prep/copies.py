"""Copies of one thing under two names: told by what was decoded, whatever holds it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from data_prep.outcome import Row
from medmae.data.rows import contents_of
from medmae.errors import DataError


def refuse_copies(rows: Iterable[Row]) -> None:
    """Refuses equal voxels, pixels or frames under two subjects, which a split could part.

    What has one value throughout is not compared, nor are images of which no patient is known.

    Raises:
        DataError: With the cases.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)  # content -> subject -> what it is called
    for row in rows:
        if "split_by_image" not in row["flags"]:
            for sha256, name in contents_of(row):
                found[sha256].setdefault(row["subject"], name)
    copies = [of for of in found.values() if len(of) > 1]
    if copies:
        told = "; ".join(" = ".join(f"{name} ({subject})" for subject, name in of.items()) for of in copies[:10])
        raise DataError(
            f"{len(copies)} of them hold the same content under different subjects: {told}",
            field="content_sha256",
            value=len(copies),
            remedy="delete the copies, or name one subject for them; what is prepared is kept for the next run",
        )
