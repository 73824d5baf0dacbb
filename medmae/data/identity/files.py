"""Whose images, slides and videos are: units that are many to a folder, and of which names mostly tell no patient."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Sequence
from itertools import compress
from operator import not_
from pathlib import Path

from medmae.data.identity.doubts import Doubt, checked, refuse
from medmae.data.identity.endings import dated, renamed, repeated
from medmae.data.identity.given import Given, identify
from medmae.data.identity.tree import Identity, Reading, Unit, depths_of, doubts_among, read_tree

_COUNTER = 6  # digits of a number that counts images


def patients_of(
    units: Sequence[Unit], *, source: Path, given: Given | None = None, strict: bool = True
) -> list[str | None]:
    """Whose each unit is: as the user says, or as its names say in words; None where they do not.

    Args:
        units: Without the folders of classes and splits.
        source: The source, for its name and for messages.
        given: What the user says.
        strict: Whether names of which several could be one patient's are refused; else they are warned of.

    Raises:
        DataError: Such names, with both readings and how to choose; units of which table or pattern say nothing.
    """
    if given is not None and given.says:
        return [one.subject for one in identify(units, source=source, given=given)]
    reading = read_tree(units, root=source.resolve().name)
    folders = _folders_of_patients(units, reading.identities)
    known = [one.clear or one.subject in folders for one in reading.identities]
    doubts = list(reading.doubts) if all(known) else _of_some(units, reading, known)
    if strict:
        refuse(doubts, path=source)
    elif doubts:
        warnings.warn(f"{source}: images of one patient may be split: {doubts[0]}; {doubts[0].remedy}", stacklevel=3)
    return [one.subject if clear else None for one, clear in zip(reading.identities, known, strict=True)]


def _folders_of_patients(units: Sequence[Unit], identities: Sequence[Identity]) -> set[str]:
    """Subjects that are folders in which the same names lie: what repeats in each is a part of one patient's data."""
    inside: dict[str, set[str]] = defaultdict(set)
    for unit, one in zip(units, identities, strict=True):
        if one.known and one.subject in unit.names[:-1]:
            inside[unit.names[-1]].add(one.subject)
    return {subject for some in inside.values() if len(some) > 1 for subject in some}


def _of_some(units: Sequence[Unit], reading: Reading, known: Sequence[bool]) -> list[Doubt]:
    """Doubts where some names tell no patient: about levels of folders, about known patients, and about other names."""
    levels = [doubt for doubt in reading.doubts if doubt.kind == "level"]
    patients = doubts_among(list(compress(reading.identities, known)), depths_of(units))
    others = _of_files(list(compress(units, map(not_, known))))
    return [*levels, *checked([*patients, *others], [unit.path for unit in units])]


def _of_files(units: Sequence[Unit]) -> list[Doubt]:
    """Doubts about units of which no patient is known: numbers at the end of names."""
    names = {unit.path: unit.names[-1] for unit in units if unit.names}
    depths = {name: path.count("/") for path, name in names.items()}
    last = set(names.values())
    return dated(last, depths, alone=False) or renamed(last, depths, digits=_COUNTER) or repeated(last, depths)
