"""What inference is to make of each case, settled before the first is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.volumes.cases import StoredCase
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.target_intensity import read_target_intensities
from medmae.errors import DataError

Targets = tuple[str, ...] | None


def check_targets(targets: Sequence[str] | None, *, contrasts: tuple[str, ...], num_contrasts: int | None) -> Targets:
    """The targets as they are asked for.

    Args:
        targets: None takes all that a case lacks.
        contrasts: That the cases are read for.
        num_contrasts: Channels of an any-to-any network; None for a network of pairs.

    Raises:
        ValueError: If the network cannot make them.
    """
    names = None if targets is None else tuple(targets)
    if isinstance(targets, str):
        raise ValueError(f"targets is a list of contrasts, got {targets!r}")
    if num_contrasts is None:
        if names is None or len(names) != 1 or len(contrasts) != 1 or names == contrasts:
            raise ValueError(f"a network of pairs makes one target of one other source, got {names} of {contrasts}")
    elif len(contrasts) != num_contrasts:
        raise ValueError(f"the network has {num_contrasts} contrasts, the cases are read for {contrasts}")
    elif names is not None and not (names and set(names) <= set(contrasts) and len(set(names)) == len(names)):
        raise ValueError(f"targets must be some of {contrasts}, each once, got {names}")
    return names


def plan_pair(case: StoredCase, *, target: str, remake: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """What a network of pairs makes of a case, and which channels it sees, ``(1,)`` bool.

    Args:
        case: Has the source.
        target: The one that the network makes.
        remake: Whether to make it of a case that has it, too.
    """
    return (() if target in case.there and not remake else (target,)), case.available


def plan_any(case: StoredCase, *, targets: Targets) -> tuple[tuple[str, ...], np.ndarray]:
    """What an any-to-any network makes of a case, and which channels it sees, ``(C,)`` bool: none that it makes.

    Raises:
        DataError: If the case has nothing else.
    """
    missing = tuple(name for name, there in zip(case.contrasts, case.available, strict=True) if not there)
    targets = missing if targets is None else targets
    given = case.available & np.array([name not in targets for name in case.contrasts])
    if not given.any():
        raise DataError(
            f"case {case.name} has nothing but what is to be made",
            field="targets",
            value=list(targets),
            remedy="give another contrast of the case, or ask for fewer targets",
        )
    return targets, given


def known_intensities(
    path: str | Path | None, *, targets: Sequence[str], record: Mapping[str, Any] | None = None
) -> dict[str, Normalisation] | None:
    """What intensities the targets usually have; None without a file.

    Args:
        path: The file, or that which says ``record``.
        targets: Contrasts.
        record: What it says, where that is known.

    Raises:
        DataError: If the file does not tell those of every target.
    """
    if path is None:
        return None
    known = read_target_intensities(path, record=record)
    unknown = [name for name in targets if name not in known]
    if unknown:
        raise DataError(
            f"it does not tell the intensities of {', '.join(unknown)}",
            path=path,
            field="contrasts",
            value=sorted(known),
            remedy="write it anew for all targets, or leave it out for intensities in [0, 1]",
        )
    return known
