"""What the protocol found, as JSON for the report and as tables: scores, paired differences, every fit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from medmae.data.names import file_name_of
from medmae.evaluate.classify.classification_scores import METRICS
from medmae.evaluate.classify.few_label_scores import Fit, Samples
from medmae.evaluate.classify.few_labels import write_contest
from medmae.evaluate.statistics import signed_rank_p, summarise
from medmae.evaluate.tables import write_csv
from medmae.files import write_text

RECORD, FOLDER = "protocol.json", "protocol"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One contest.

    Attributes:
        record: As :func:`medmae.evaluate.classify.few_labels.evaluate_few_labels` gives it.
        fits: By contender; all are tested on the same samples.
    """

    record: Mapping[str, Any]
    fits: Mapping[str, Sequence[Fit]]


def write_protocol(tasks: Mapping[str, Task], *, samples: Samples, out: Path) -> dict[str, Any]:
    """Writes ``protocol.json``, ``protocol/scores.csv``, ``protocol/paired.csv``, and a folder of tables for each task.

    Args:
        tasks: By name.
        samples: Of all tasks.
        out: Evaluation folder of a run.

    Returns:
        What ``protocol.json`` holds.
    """
    for name, task in tasks.items():
        write_contest(task.record, task.fits, samples=samples, out=out / FOLDER / file_name_of(name))
    scores = [row for name, task in tasks.items() for row in _score_rows(name, task.record)]
    paired = [row for name, task in tasks.items() for row in paired_rows(name, task.fits, samples)]
    write_csv(out / FOLDER / "scores.csv", scores)
    write_csv(out / FOLDER / "paired.csv", paired)
    found = {"tasks": {name: task.record for name, task in tasks.items()}, "paired": paired}
    write_text(out / RECORD, json.dumps(found, indent=2))
    return found


def paired_rows(task: str, fits: Mapping[str, Sequence[Fit]], samples: Samples) -> list[dict[str, Any]]:
    """Differences of accuracy of every two encoders by the same classifier, on the same test samples.

    A sample's figure is the share of fits that are right about it; intervals and tests are over patients, or over
    samples where no patient is known.

    Returns:
        Rows of ``task``, ``classifier``, ``a``, ``b``, ``accuracy_a``, ``accuracy_b``, ``b_minus_a``, ``ci_low``,
        ``ci_high``, ``p_wilcoxon`` (two-sided, not corrected for the number of rows), ``n``.
    """
    by_classifier: dict[str, dict[str, np.ndarray]] = {}
    places = next(iter(fits.values()))[0].samples
    for name, some in fits.items():
        encoder, _, classifier = name.rpartition(", ")
        right = [fit.probabilities.argmax(axis=1) == samples.labels[places] for fit in some]
        by_classifier.setdefault(classifier, {})[encoder] = np.mean(right, axis=0)  # (T,)
    whose = [str(name) for name in (places if samples.groups is None else samples.groups[places])]
    rows = []
    for classifier, found in by_classifier.items():
        for first, second in combinations(found, 2):
            row = {"task": task, "classifier": classifier, "a": first, "b": second}
            rows.append({**row, **_difference(found[first], found[second], whose)})
    return rows


def _difference(first: np.ndarray, second: np.ndarray, whose: Sequence[str]) -> dict[str, Any]:
    apart = (second - first).tolist()
    told = summarise(apart, whose, resamples=1000)
    return {
        "accuracy_a": summarise(first.tolist(), whose, resamples=1).mean,
        "accuracy_b": summarise(second.tolist(), whose, resamples=1).mean,
        "b_minus_a": told.mean,
        "ci_low": told.ci_low,
        "ci_high": told.ci_high,
        "p_wilcoxon": signed_rank_p(apart, whose),
        "n": told.n_subjects,
    }


def _score_rows(task: str, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, found in record["scores"].items():
        encoder, _, classifier = name.rpartition(", ")
        for metric in METRICS:
            figure = found["metrics"][metric]
            told = {key: figure[key] for key in ("mean", "ci_low", "ci_high", "n_units")}
            row = {"task": task, "encoder": encoder, "classifier": classifier, "metric": metric, **told}
            rows.append({**row, "sd_over_fits": figure["fits"]["std"], "fits": figure["fits"]["n"]})
    return rows
