"""Copies of one video under two names: told by their decoded frames, whatever holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from data_prep.outcome import Row
from medmae.errors import DataError


def refuse_copies(rows: Iterable[Row]) -> None:
    """Refuses videos of equal decoded frames under two subjects, which a split could part.

    Videos of which all pixels have one value are not compared.

    Raises:
        DataError: With the cases.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)  # content -> subject -> case
    for row in rows:
        if "constant" not in row["flags"]:
            found[row["content_sha256"]].setdefault(row["subject"], row["case"])
    copies = [of for of in found.values() if len(of) > 1]
    if copies:
        told = "; ".join(" = ".join(f"{case} ({subject})" for subject, case in of.items()) for of in copies[:10])
        raise DataError(
            f"{len(copies)} videos have the same frames under different subjects: {told}",
            field="content_sha256",
            value=len(copies),
            remedy="delete the copies, or name one subject for them; what is prepared is kept for the next run",
        )
