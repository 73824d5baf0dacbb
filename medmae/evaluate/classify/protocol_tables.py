"""What a comparison of estimators leaves: a record for the report, tables, and the scores in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from medmae.data.names import file_name_of
from medmae.evaluate.classify.comparison import Comparison
from medmae.evaluate.classify.labelled import Labelled
from medmae.evaluate.classify.scores import Fit, runs_of
from medmae.evaluate.classify.task import Task
from medmae.evaluate.statistics import signed_rank_p, summarise
from medmae.evaluate.tables import write_csv
from medmae.files import write_text

RECORD, FOLDER = "protocol.json", "protocol"
Line = dict[str, object]


def write_protocol(comparisons: Mapping[str, Comparison], *, data: Labelled, task: Task, out: Path) -> dict[str, Any]:
    """Writes ``protocol.json``, ``protocol/scores.csv``, ``protocol/paired.csv``, and a folder of tables for each.

    ``fits.csv`` has a row a fit, ``predictions.csv`` a row a sample and estimator (the mean over fits), and, where
    patients are known, ``patients.csv`` a row a patient and target.

    Args:
        comparisons: By name, such as of so many labels.
        data: Of all of them.
        task: Likewise.
        out: Evaluation folder of a run.

    Returns:
        What ``protocol.json`` holds.
    """
    for name, found in comparisons.items():
        _write_tables(out / FOLDER / file_name_of(name), found.fits, data, task)
    scores = [row for name, found in comparisons.items() for row in _score_rows(name, found.record)]
    paired = [row for name, found in comparisons.items() for row in paired_rows(name, found.fits, data, task)]
    write_csv(out / FOLDER / "scores.csv", scores)
    write_csv(out / FOLDER / "paired.csv", paired)
    record = {"tasks": {name: found.record for name, found in comparisons.items()}, "paired": paired}
    write_text(out / RECORD, json.dumps(record, indent=2))  # last: it is there only when all is
    return record


def paired_rows(name: str, fits: Mapping[str, Sequence[Fit]], data: Labelled, task: Task) -> list[Line]:
    """Differences of every two encoders by the same classifier, on the same test samples.

    A sample's figure (:meth:`medmae.evaluate.classify.task.Task.each`) is its mean over runs; intervals and tests are
    over patients, or over samples where no patient is known.

    Returns:
        Rows of ``task``, ``classifier``, ``a``, ``b``, ``figure``, ``mean_a``, ``mean_b``, ``b_minus_a``, ``ci_low``,
        ``ci_high``, ``p_wilcoxon`` (two-sided, not corrected for the number of rows), ``n``.
    """
    by_classifier: dict[str, dict[str, np.ndarray]] = {}
    for estimator, some in fits.items():
        samples, runs = runs_of(some, pool_folds=data.test is None)
        encoder, _, classifier = estimator.rpartition(", ")
        each = np.mean([task.each(data.targets[samples], run) for run in runs], axis=0)  # (T,)
        by_classifier.setdefault(classifier, {})[encoder] = each
    whose = [str(owner) for owner in (samples if data.groups is None else data.groups[samples])]
    return [
        {"task": name, "classifier": classifier, "a": first, "b": second, "figure": task.item}
        | _difference(found[first], found[second], whose)
        for classifier, found in by_classifier.items()
        for first, second in combinations(found, 2)
    ]


def print_scores(name: str, comparison: Comparison, task: Task, console: Console) -> None:
    """Prints every estimator with its intervals, baselines below a line."""
    record = comparison.record
    title = f"{name}: {record['labels']}, {record['folds']} folds, seeds {', '.join(map(str, record['seeds']))}"
    caption = f"mean (95 % interval over {record['unit']}s), tested on {record['tested_on']}"
    table = Table("", *(metric.replace("_", " ") for metric in task.metrics), title=title, caption=caption)
    names = list(record["scores"])
    for number, each in enumerate(names):
        figures = record["scores"][each]["metrics"]
        following = names[number + 1] if number + 1 < len(names) else each
        ends = (following in record["baselines"]) != (each in record["baselines"])
        table.add_row(each, *(_interval(figures[metric]) for metric in task.metrics), end_section=ends)
    console.print(table)


def _write_tables(folder: Path, fits: Mapping[str, Sequence[Fit]], data: Labelled, task: Task) -> None:
    write_csv(folder / "fits.csv", [row for name, some in fits.items() for row in _fit_rows(name, some, data, task)])
    means = {name: _mean_predictions(some) for name, some in fits.items()}
    rows = [
        {**_named(name), **data.names[place], **task.columns(data.targets[place], said)}
        for name, mean in means.items()
        for place, said in mean.items()
    ]
    write_csv(folder / "predictions.csv", rows)
    if data.groups is not None:
        rows = [row for name, mean in means.items() for row in _patient_rows(name, mean, data, task)]
        write_csv(folder / "patients.csv", rows)


def _named(name: str) -> Line:
    encoder, _, classifier = name.rpartition(", ")
    return {"encoder": encoder, "classifier": classifier}


def _fit_rows(name: str, fits: Sequence[Fit], data: Labelled, task: Task) -> list[Line]:
    return [
        {
            **_named(name),
            "seed": fit.seed,
            "fold": fit.fold,
            "tested": len(fit.samples),
            **task.scores(data.targets[fit.samples], fit.predictions),
        }
        for fit in fits
    ]


def _mean_predictions(fits: Sequence[Fit]) -> dict[int, np.ndarray]:
    """``(K,)`` by place of each tested sample, in order, over all fits that tested it."""
    found: dict[int, list[np.ndarray]] = {}
    for fit in fits:
        for place, said in zip(fit.samples.tolist(), fit.predictions, strict=True):
            found.setdefault(place, []).append(said)
    return {place: np.mean(found[place], axis=0) for place in sorted(found)}


def _patient_rows(name: str, predictions: Mapping[int, np.ndarray], data: Labelled, task: Task) -> list[Line]:
    """A row a patient and target: samples, their mean figure, and mean predictions."""
    assert data.groups is not None
    members: dict[tuple[str, tuple[float, ...]], list[int]] = {}
    for place in predictions:
        target = tuple(np.ravel(data.targets[place]).tolist())
        members.setdefault((str(data.groups[place]), target), []).append(place)
    rows: list[Line] = []
    for (patient, _), places in sorted(members.items()):
        said = np.stack([predictions[place] for place in places])  # (T, K)
        each = float(task.each(data.targets[places], said).mean())
        shown = task.columns(data.targets[places[0]], said.mean(axis=0))
        rows.append({**_named(name), "patient": patient, "samples": len(places), task.item: each, **shown})
    return rows


def _difference(first: np.ndarray, second: np.ndarray, whose: Sequence[str]) -> Line:
    apart = (second - first).tolist()
    found = summarise(apart, whose, resamples=1000)
    return {
        "mean_a": summarise(first.tolist(), whose, resamples=1).mean,
        "mean_b": summarise(second.tolist(), whose, resamples=1).mean,
        "b_minus_a": found.mean,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "p_wilcoxon": signed_rank_p(apart, whose),
        "n": found.n_subjects,
    }


def _score_rows(name: str, record: Mapping[str, Any]) -> list[Line]:
    return [
        {"task": name, **_named(each), "metric": metric}
        | {key: figure[key] for key in ("mean", "ci_low", "ci_high", "n_units")}
        | {"sd_over_fits": figure["fits"]["std"], "fits": figure["fits"]["n"]}
        for each, found in record["scores"].items()
        for metric, figure in found["metrics"].items()
    ]


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["mean"] is None:
        return "-"
    if figure["ci_low"] is None:
        return f"{figure['mean']:.3f}"
    return f"{figure['mean']:.3f} ({figure['ci_low']:.3f} to {figure['ci_high']:.3f})"
