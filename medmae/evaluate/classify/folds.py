"""Which samples an estimator may learn from, and which it is tested on, fold by fold, with few labels or all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from medmae.errors import DataError

_NONE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Places of samples; the three parts share no sample, and no patient where patients are known.

    Attributes:
        train: To learn from.
        val: To choose the best epoch by; may be empty.
        test: To be tested on.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


def few_label_folds(
    labels: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    test: np.ndarray | None = None,
    each: int | None = None,
    folds: int = 5,
    seed: int = 0,
    validate: bool = True,
) -> list[Fold]:
    """Cross-validation with few labels, stratified by class and, where patients are known, grouped by patient.

    With a test set of its own, ``test``, each fold learns from the other folds, and the held-out one chooses the epoch:
    the protocol of MMAE. Without, the held-out fold is the test set, and a part of the rest chooses the epoch.

    With a test set of its own there may also be one fold only: all others are learnt from, and nothing is held out.

    Of every class ``each`` samples are drawn to learn from, and up to as many for validation.

    Args:
        labels: Class of each sample, 0 to K - 1, ``(N,)``; all 0 where there are no classes.
        groups: Patient of each sample, ``(N,)``.
        test: True where a sample belongs to the test set, ``(N,)``; its patients must be others.
        each: Labels a class to learn from; None takes all there are.
        folds: How many.
        seed: Of folds and draws.
        validate: False without a test set of its own: nothing is held back for validation, so that a patient more is
            there to learn from.

    Raises:
        ValueError: If labels are not 0 to K - 1, no class gets a label, or folds do not suit.
        DataError: If a fold has too few samples of a class, or a patient is in pool and test set.
    """
    _check(labels, groups, test, each=each, folds=folds)
    own = _NONE if test is None else np.flatnonzero(test)
    pool = np.arange(len(labels)) if test is None else np.flatnonzero(~test)
    found = []
    for number, (kept, held_out) in enumerate(_split(pool, labels, groups, folds, seed)):
        learn, val, tested = kept, held_out, own
        if test is None:
            learn, val = _inner(kept, labels, groups, folds, seed) if validate else (kept, _NONE)
            tested = held_out
        rng = np.random.default_rng([seed, number])
        train = _draw(learn, labels, each, rng, fold=number)
        found.append(Fold(train=train, val=_draw(val, labels, each, rng), test=tested))
    return found


def _check(
    labels: np.ndarray, groups: np.ndarray | None, test: np.ndarray | None, *, each: int | None, folds: int
) -> None:
    if folds < 1 or (folds == 1 and test is None):
        raise ValueError(f"at least 2 folds are needed (1 with a test set of its own), got {folds}")
    if labels.min() < 0 or len(np.unique(labels)) != labels.max() + 1:
        raise ValueError(f"labels must be 0 to K - 1, each at least once, got {np.unique(labels).tolist()}")
    if each is not None and each < 1:
        raise ValueError(f"each class needs a label to learn from, got {each}")
    if groups is None:
        return
    pool = set(groups if test is None else groups[~test])
    if len(pool) < folds:
        raise DataError(
            f"{len(pool)} patients do not make {folds} folds",
            field="folds",
            value=folds,
            remedy="ask for fewer folds, or prepare more patients",
        )
    if test is not None and (shared := sorted(pool & set(groups[test]))):
        raise DataError(
            "patients are in the test set and among those to learn from",
            field="patient",
            value=shared[:5],
            remedy="split by patient",
        )


def _split(
    pool: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of what is kept and what is held out."""
    if folds == 1:
        return [(pool, _NONE)]
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    pairs = splitter.split(pool, labels[pool], None if groups is None else groups[pool])
    return [(pool[kept], pool[held_out]) for kept, held_out in pairs]


def _inner(
    pool: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A split of what is kept: to learn from, and for validation."""
    if groups is not None:
        folds = min(folds, len(np.unique(groups[pool])))
    if folds < 2:
        return pool, _NONE
    return _split(pool, labels, groups, folds, seed)[0]


def _draw(
    pool: np.ndarray, labels: np.ndarray, each: int | None, rng: np.random.Generator, *, fold: int | None = None
) -> np.ndarray:
    """``each`` samples of every class, in order; for a numbered ``fold`` exactly so many, else up to so many."""
    chosen = [_NONE]
    for label in range(int(labels.max()) + 1):
        members = pool[labels[pool] == label]
        if fold is not None and len(members) < (each or 1):
            raise DataError(
                f"fold {fold} has {len(members)} samples of class {label} to learn from, {each or 1} are needed",
                field="labels",
                value=each,
                remedy="ask for fewer labels or folds, do without validation, or prepare more patients",
            )
        chosen.append(members if each is None else rng.permutation(members)[:each])
    return np.sort(np.concatenate(chosen))
