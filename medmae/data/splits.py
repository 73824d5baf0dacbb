"""Splits by patient: made once, written down, read back; a subject is never in two of them."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from medmae.data.identity.doubts import refuse
from medmae.data.identity.spelling import alike, normalised, seen_as
from medmae.data.table_files import read_csv
from medmae.errors import DataError
from medmae.files import write_text

SPLITS = ("train", "val", "test")
Unit = Literal["patients", "images"]  # what is split
FRACTIONS = (0.7, 0.1, 0.2)


def require_split(split: str | None) -> None:
    """Refuses a name of a split that is none; None is all of them.

    Raises:
        ValueError: With those that there are.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")


def split_by_subject(
    subjects: Iterable[str], *, fractions: tuple[float, float, float] = FRACTIONS, seed: int = 0
) -> dict[str, str]:
    """Assigns each subject to train, val or test.

    The counts are rounded to whole subjects. Test gets at least one of two subjects, val at least one of three; a
    single subject trains. A fraction of 0 keeps its split empty.

    Args:
        subjects: Names; repeats count once and their order does not matter.
        fractions: Shares of train, val, test; they add up to 1.
        seed: Of the shuffle.

    Returns:
        ``{subject: split}``, sorted by subject.

    Raises:
        ValueError: If the fractions are negative or do not add up to 1.
    """
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions are three shares >= 0 that add up to 1, got {fractions}")
    names = sorted(set(subjects))
    n = len(names)
    test = _count(fractions[2], n, least=2)
    val = min(_count(fractions[1], n, least=3), n - test - 1) if n else 0
    order = np.random.default_rng(seed).permutation(n)
    split = {
        names[i]: "test" if rank < test else "val" if rank < test + val else "train" for rank, i in enumerate(order)
    }
    return dict(sorted(split.items()))


def completed(own: Mapping[str, str | None], *, fractions: tuple[float, float, float], seed: int) -> dict[str, str]:
    """The split of each name: its own, where it has one; of train without val, a part becomes val; else drawn.

    Args:
        own: Split by name; None of all where none is known.
        fractions: Shares of train, val, test; they add up to 1.
        seed: Of the draw.
    """
    known = {name: split for name, split in own.items() if split is not None}
    if not known:
        return split_by_subject(own, fractions=fractions, seed=seed)
    if "val" in known.values() or fractions[1] == 0:
        return known
    both = fractions[0] + fractions[1]
    learn = [name for name, split in known.items() if split == "train"]
    return known | split_by_subject(learn, fractions=(fractions[0] / both, fractions[1] / both, 0.0), seed=seed)


def _count(fraction: float, n: int, *, least: int) -> int:
    if fraction == 0 or n < least:
        return 0
    return min(max(1, round(fraction * n)), n - 1)


def read(path: str | Path) -> dict[str, str]:
    """Reads ``splits.csv`` (columns ``subject``, ``split``).

    Raises:
        DataError: Missing file or columns, an unknown split, a subject in two splits, be it in two spellings; all bad
            lines are named.
    """
    remedy = "the first line must be: subject,split"
    lines = read_csv(Path(path), needs=("subject", "split"), known=(), remedy=remedy, spelling=False)
    split = _checked([(number, line["subject"], line["split"]) for number, line in lines], Path(path))
    if len(set(split.values())) > 1:
        _refuse_twins(split, Path(path))
    return split


def _refuse_twins(split: Mapping[str, str], path: Path) -> None:
    """Refuses subjects that differ in nothing but spelling and are in two splits; within one they may be images."""
    for form in (normalised, seen_as):
        same: dict[str, list[str]] = defaultdict(list)
        for subject in split:
            same[form(subject)].append(subject)
        for some in same.values():
            if len({split[subject] for subject in some}) > 1:
                refuse(alike(some), path=path)


def _checked(pairs: list[tuple[int, str, str]], path: Path) -> dict[str, str]:
    split: dict[str, str] = {}
    faults = []
    for line, subject, name in pairs:
        if not subject or name not in SPLITS:
            faults.append(f"line {line}: subject {subject!r} has split {name!r}, not one of {', '.join(SPLITS)}")
        elif split.setdefault(subject, name) != name:
            faults.append(f"line {line}: subject {subject!r} is in {split[subject]} and in {name}")
    if faults:
        raise DataError("; ".join(faults), path=path, field="split", remedy="give each subject one split")
    return split


def write(path: str | Path, split: Mapping[str, str]) -> None:
    """Writes ``splits.csv`` atomically, sorted by subject."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("subject", "split"))
    writer.writerows(sorted(split.items()))
    write_text(path, text.getvalue())


def check_disjoint(pairs: Iterable[tuple[str, str]], *, what: str = "subject", path: str | Path | None = None) -> None:
    """Refuses a key that occurs in two splits.

    Args:
        pairs: ``(key, split)`` of every sample; a key is a subject or the hash of a file.
        what: Name of the key, for the message.
        path: File at fault, for the message.

    Raises:
        DataError: With every overlap listed.
    """
    found: dict[str, set[str]] = {}
    for key, split in pairs:
        found.setdefault(key, set()).add(split)
    overlap = [f"{key} ({', '.join(sorted(splits))})" for key, splits in sorted(found.items()) if len(splits) > 1]
    if overlap:
        raise DataError(
            f"the same {what} is in more than one split: {'; '.join(overlap)}",
            path=path,
            field=what,
            value=len(overlap),
            remedy="give all samples of one patient the same split",
        )
