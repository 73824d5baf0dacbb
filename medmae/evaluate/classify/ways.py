"""Which kinds of data of a sample are given: each choice of some of them, by what tables call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

Ways = Mapping[str, Sequence[str]]


def called(names: Sequence[str]) -> str:
    """Some kinds; no comma, for in the name of an estimator what stands before the last one is the encoder."""
    return f"{names[0]} alone" if len(names) == 1 else " + ".join(names)


def ways_of(choices: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Some choices of kinds by what they are called."""
    return {called(some): tuple(some) for some in choices}


def every_choice(kinds: Sequence[str]) -> list[tuple[str, ...]]:
    """From each kind alone to all together."""
    return [some for count in range(1, len(kinds) + 1) for some in combinations(kinds, count)]
