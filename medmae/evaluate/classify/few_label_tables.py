"""What few labels gave, as tables: every fit, every sample, every patient, and the scores in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from medmae.evaluate.classify.classification_scores import METRICS, classification_scores
from medmae.evaluate.classify.few_label_scores import Fit, Samples
from medmae.evaluate.tables import write_csv

Line = dict[str, object]


def write_tables(folder: Path, fits: Mapping[str, Sequence[Fit]], samples: Samples) -> None:
    """Writes ``fits.csv``, ``predictions.csv`` and, where patients are known, ``patients.csv``.

    Args:
        folder: Receives them.
        fits: By contender.
        samples: What was classified.
    """
    rows = [{"contender": name, **row} for name, some in fits.items() for row in _fit_rows(some, samples)]
    write_csv(folder / "fits.csv", rows)
    means = {name: _mean_probabilities(some, samples) for name, some in fits.items()}
    rows = [{"contender": name, **row} for name, mean in means.items() for row in _sample_rows(mean, samples)]
    write_csv(folder / "predictions.csv", rows)
    if samples.groups is not None:
        rows = [{"contender": name, **row} for name, mean in means.items() for row in patient_rows(mean, samples)]
        write_csv(folder / "patients.csv", rows)


def patient_rows(probabilities: Mapping[int, np.ndarray], samples: Samples) -> list[Line]:
    """A row a patient and true class: tiles, how many are right, mean probabilities, and the class these say.

    Args:
        probabilities: ``(K,)`` by place of the sample.
        samples: What was classified, with patients.
    """
    assert samples.groups is not None
    members: dict[tuple[str, int], list[int]] = {}
    for place in probabilities:
        members.setdefault((str(samples.groups[place]), int(samples.labels[place])), []).append(place)
    rows: list[Line] = []
    for (patient, label), places in sorted(members.items()):
        each = np.stack([probabilities[place] for place in places])  # (T, K)
        right = int((each.argmax(axis=1) == label).sum())
        shown = _columns(each.mean(axis=0), label, samples.classes)
        rows.append({"patient": patient, "tiles": len(places), "right": right, **shown})
    return rows


def print_scores(record: Mapping[str, Any], console: Console) -> None:
    """Prints every contender with its intervals, baselines below a line.

    Args:
        record: What ``few_labels.json`` holds.
        console: Where to.
    """
    title = f"{record['labels']} labels, {record['folds']} folds, seeds {', '.join(map(str, record['seeds']))}"
    caption = f"mean (95 % interval over {record['unit']}s), tested on {record['tested_on']}"
    table = Table("", *(metric.replace("_", " ") for metric in METRICS), title=title, caption=caption)
    names = list(record["scores"])
    for number, name in enumerate(names):
        figures = record["scores"][name]["metrics"]
        following = names[number + 1] if number + 1 < len(names) else name
        ends = (following in record["baselines"]) != (name in record["baselines"])
        cells = (_interval(figures[metric]) for metric in METRICS)
        table.add_row(name.replace("_", " "), *cells, end_section=ends)
    console.print(table)


def _fit_rows(fits: Sequence[Fit], samples: Samples) -> list[Line]:
    return [
        {
            "seed": fit.seed,
            "fold": fit.fold,
            "tested": len(fit.samples),
            **classification_scores(samples.labels[fit.samples], fit.probabilities),
        }
        for fit in fits
    ]


def _mean_probabilities(fits: Sequence[Fit], samples: Samples) -> dict[int, np.ndarray]:
    """``(K,)`` by place of each tested sample, over all fits that judged it."""
    total, count = np.zeros((len(samples.labels), len(samples.classes))), np.zeros(len(samples.labels))
    for fit in fits:
        total[fit.samples] += fit.probabilities
        count[fit.samples] += 1
    return {int(place): total[place] / count[place] for place in np.flatnonzero(count)}


def _sample_rows(probabilities: Mapping[int, np.ndarray], samples: Samples) -> list[Line]:
    return [
        {**samples.names[place], **_columns(each, int(samples.labels[place]), samples.classes)}
        for place, each in probabilities.items()
    ]


def _columns(probabilities: np.ndarray, label: int, classes: Sequence[str]) -> Line:
    shares = {f"p_{name}": float(share) for name, share in zip(classes, probabilities, strict=True)}
    return {"label": classes[label], "predicted": classes[int(probabilities.argmax())], **shares}


def _interval(figure: Mapping[str, Any]) -> str:
    if figure["mean"] is None:
        return "-"
    if figure["ci_low"] is None:
        return f"{figure['mean']:.3f}"
    return f"{figure['mean']:.3f} ({figure['ci_low']:.3f} to {figure['ci_high']:.3f})"
