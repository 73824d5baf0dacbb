"""Whose a DICOM file is: its PatientID against the folders; of identifiers only salted hashes are seen."""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from medmae.data.identity.doubts import Choice, Doubt
from medmae.data.identity.tree import Identity, Reading, Unit
from medmae.files import write_text

SALT = ".salt"
# What anonymisers write for every patient.
_NOBODY = {"", *["0", "1", "anon", "anonymous", "anonymized", "anonymised", "deidentified", "unknown", "none", "na"]}


def salted(identifier: str, salt: bytes) -> str | None:
    """A hash of an identifier that nobody can look up without the salt; None of one that means nobody."""
    text = identifier.strip().casefold()
    if text in _NOBODY:
        return None
    return hashlib.sha256(salt + text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


@cache
def salt_of(path: Path | None) -> bytes:
    """The salt of a preparation, kept in a file that only its owner can read; without a path, that of this process.

    Names made of hashes stay the same as long as the file does; without it, nobody can make them again.
    """
    if path is None:
        return secrets.token_bytes(16)
    if not path.is_file():
        write_text(path, secrets.token_hex(16) + "\n")
        path.chmod(0o600)
    return path.read_bytes()


def with_headers(reading: Reading, units: Sequence[Unit], *, decide: bool = False) -> Reading:
    """The reading of the folders, held against what the files themselves say.

    Where folders say nothing (all of them one, or a doubt), the files decide. Where both speak and disagree, that is a
    doubt. Patients keep the folder's name if one folder holds exactly one of them.

    Args:
        reading: Of the folders.
        units: The same units.
        decide: Whether the files are right whatever folders say.
    """
    if not units or any(unit.patient is None for unit in units):
        return reading
    subjects: dict[str, set[str]] = defaultdict(set)
    patients: dict[str, set[str]] = defaultdict(set)
    for one, unit in zip(reading.identities, units, strict=True):
        subjects[str(unit.patient)].add(one.subject)
        patients[one.subject].add(str(unit.patient))
    agree = all(len(some) == 1 for some in (*subjects.values(), *patients.values()))
    if agree and not decide:
        return Reading(_with_studies(reading.identities, units))  # two witnesses
    if decide or reading.doubts or not any(one.known for one in reading.identities):
        return Reading(_with_studies(_by_patient(reading.identities, units, patients), units))
    shown = next((name for name, some in patients.items() if len(some) > 1), None) or " = ".join(
        sorted(next(some for some in subjects.values() if len(some) > 1))[:3]
    )
    choices = (
        Choice(len(patients), "as the folders say", "^([^/]+)").checked([unit.path for unit in units]),
        Choice(len(subjects), "as PatientID says", "PatientID"),
    )
    return Reading(
        reading.identities, (*reading.doubts, Doubt("headers", "folders and PatientID disagree", shown, choices))
    )


def _by_patient(
    identities: Sequence[Identity], units: Sequence[Unit], patients: Mapping[str, set[str]]
) -> tuple[Identity, ...]:
    names: dict[str, set[str]] = defaultdict(set)
    for one, unit in zip(identities, units, strict=True):
        names[str(unit.patient)].add(one.subject)
    return tuple(
        one
        if one.known and len(names[str(unit.patient)]) == 1 and len(patients[one.subject]) == 1
        else replace(one, subject=f"id-{unit.patient}", inner=(*one.above, *one.inner), above=(), known=True)
        for one, unit in zip(identities, units, strict=True)
    )


def _with_studies(identities: Sequence[Identity], units: Sequence[Unit]) -> tuple[Identity, ...]:
    """Visits by study where folders name none and a patient has several."""
    studies: dict[str, set[str | None]] = defaultdict(set)
    for one, unit in zip(identities, units, strict=True):
        studies[one.subject].add(unit.study)
    return tuple(
        replace(one, session=f"study-{unit.study}") if one.session is None and len(studies[one.subject]) > 1 else one
        for one, unit in zip(identities, units, strict=True)
    )
