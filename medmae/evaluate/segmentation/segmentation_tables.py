"""Dice of segmentations as tables: every patient, means with intervals, paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from medmae.evaluate.statistics import signed_rank_p, summarise
from medmae.evaluate.tables import write_csv

FOLDER = "segmentation"
_MEAN = "mean of classes"


class DiceRow(NamedTuple):
    """Dice of one patient and class.

    Attributes:
        encoder: Whose.
        seed: Of the repetition.
        fold: Its number.
        subject: Patient.
        label: Class.
        dice: NaN where the class is neither there nor found, 0 where it is only one of both.
        there: Whether the patient has the class, by the label map.
    """

    encoder: str
    seed: int
    fold: int
    subject: str
    label: str
    dice: float
    there: bool


def write_segmentation(rows: Sequence[DiceRow], *, out: Path) -> None:
    """Writes ``segmentation/{dice,summary,paired}.csv`` below an evaluation folder.

    Who counts is decided by the label map alone, so that it is the same patients for all encoders and seeds: those that
    have a class. Of the others ``false_alarms`` is the share in whom the class is found, over all seeds.
    """
    write_csv(out / FOLDER / "dice.csv", [row._asdict() for row in rows])
    scores = _by_patient(rows)
    write_csv(out / FOLDER / "summary.csv", _summaries(scores, _false_alarms(rows)))
    write_csv(out / FOLDER / "paired.csv", _differences(scores))


def _by_patient(rows: Sequence[DiceRow]) -> dict[tuple[str, str], dict[str, float]]:
    """Mean over seeds by class and encoder, of each patient that has the class; and over classes."""
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        if row.there:
            for label in (row.label, _MEAN):
                found.setdefault((label, row.encoder), {}).setdefault(row.subject, []).append(row.dice)
    return {
        key: {subject: sum(values) / len(values) for subject, values in some.items()} for key, some in found.items()
    }


def _false_alarms(rows: Sequence[DiceRow]) -> dict[tuple[str, str], float]:
    """Share by class and encoder; without a patient who lacks the class there is none."""
    found: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        if not row.there:
            for label in (row.label, _MEAN):
                found.setdefault((label, row.encoder), []).append(not math.isnan(row.dice))
    return {key: sum(some) / len(some) for key, some in found.items()}


def _summaries(
    scores: dict[tuple[str, str], dict[str, float]], false_alarms: dict[tuple[str, str], float]
) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for (label, encoder), some in sorted(scores.items()):
        told = summarise(list(some.values()), list(some)).as_dict()
        alarms = false_alarms.get((label, encoder), "")
        lines.append({"class": label, "encoder": encoder, **told, "false_alarms": alarms})
    return lines


def _differences(scores: dict[tuple[str, str], dict[str, float]]) -> list[dict[str, object]]:
    """Of every two encoders; patients are those of both."""
    lines: list[dict[str, object]] = []
    for label in sorted({label for label, _ in scores}):
        own = {encoder: some for (other, encoder), some in scores.items() if other == label}
        for first, second in combinations(own, 2):
            shared = sorted(own[first].keys() & own[second].keys())
            if not shared:
                continue
            apart = [own[second][subject] - own[first][subject] for subject in shared]
            told = summarise(apart, shared)
            lines.append(
                {
                    "class": label,
                    "a": first,
                    "b": second,
                    "b_minus_a": told.mean,
                    "ci_low": told.ci_low,
                    "ci_high": told.ci_high,
                    "p_wilcoxon": signed_rank_p(apart, shared),
                    "n_subjects": told.n_subjects,
                }
            )
    return lines
