"""Whom weights have seen, as their header tells it: hashed, to be compared with and not to be read."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Seal = Mapping[str, Any]
_DIGITS = 16  # 64 bits: no two of a hospital's names agree by chance


def sealed(names: Iterable[str]) -> Seal:
    """Names as salted hashes: who has a name can ask for it, and no table of hashed names answers for all files.

    Whoever can guess a name can test the guess: this hides nothing from those who know whom to look for.
    """
    salt = secrets.token_hex(8)
    return {"salt": salt, "hashed": sorted({_hashed(name, salt) for name in names})}


def check_seals(seals: Iterable[object]) -> None:
    """Holds what a header says against the form of :func:`sealed`.

    Raises:
        TypeError: If one of them is of another form: nobody would be found in it.
    """
    for seal in seals:
        hashed = seal.get("hashed") if isinstance(seal, Mapping) and isinstance(seal.get("salt"), str) else None
        if not isinstance(hashed, list) or not all(isinstance(name, str) for name in hashed):
            raise TypeError("whom it has seen does not stand there as a salt and hashes")


def among(names: Iterable[str], seals: Sequence[Seal]) -> set[str]:
    """Those names that were sealed.

    Raises:
        KeyError: If a seal is none.
    """
    known = [(str(seal["salt"]), frozenset(seal["hashed"])) for seal in seals]
    return {name for name in names if any(_hashed(name, salt) in hashed for salt, hashed in known)}


def count(seals: Sequence[Seal]) -> int:
    """How many they are, at least: one who was sealed twice counts twice."""
    return sum(len(seal["hashed"]) for seal in seals)


def _hashed(name: str, salt: str) -> str:
    return hashlib.sha256(f"{salt} {name}".encode()).hexdigest()[:_DIGITS]
