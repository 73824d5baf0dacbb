"""A share of the samples: whole subjects, or the first ones in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from medmae.errors import check_choice


def share_of(
    units: np.ndarray,
    *,
    subject_of: Callable[[int], str],
    fraction: float,
    by: str,
    seed: int | None,
    noun: str,
) -> np.ndarray:
    """Numbers of the samples to keep, ascending.

    Args:
        units: Of each sample the number of its unit ``(N,)``.
        subject_of: Whose a unit is.
        fraction: In (0, 1].
        by: ``subjects``, rounded to whole ones; or ``noun``: exactly the first ``int(fraction * N)`` samples, as the
            reference of SLMT-Net takes slices, even if that cuts a subject in two.
        seed: Of the choice of subjects; see :func:`some_subjects`.
        noun: What samples are called.

    Raises:
        ValueError: If an option is out of range, or a seed is given where nothing is drawn.
    """
    check_choice(by, ("subjects", noun), name="fraction_by")
    check_fraction(fraction)
    if by != "subjects":
        if seed is not None:
            raise ValueError(f"fraction_by={by!r} takes the first {by} in order, got fraction_seed={seed}")
        return np.arange(int(fraction * len(units)))
    if fraction == 1:
        return np.arange(len(units))
    whose = {unit: subject_of(unit) for unit in np.unique(units).tolist()}
    some = some_subjects(whose.values(), fraction=fraction, seed=seed)
    return np.flatnonzero(np.isin(units, [unit for unit, subject in whose.items() if subject in some]))


def some_subjects(subjects: Iterable[str], *, fraction: float, seed: int | None) -> frozenset[str]:
    """A share of the subjects, rounded to whole ones, at least one: a patient is never cut in two.

    Args:
        subjects: Names; repeats count once.
        fraction: In (0, 1].
        seed: None takes the first by name, as the reference of SLMT-Net does (they may all come from one site); a
            number shuffles them. With one seed, a smaller share is part of every larger one.

    Raises:
        ValueError: If the fraction is out of range.
    """
    check_fraction(fraction)
    names = sorted(set(subjects))
    count = max(round(fraction * len(names)), min(len(names), 1))
    order = np.arange(len(names)) if seed is None else np.random.default_rng(seed).permutation(len(names))
    return frozenset(names[i] for i in order[:count])


def check_fraction(fraction: float) -> None:
    """Refuses a share that keeps nothing or more than there is."""
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
