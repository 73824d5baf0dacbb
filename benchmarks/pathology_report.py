"""The tables of ``benchmarks/pathology.py``: balanced accuracy with intervals over patients, and paired differences.

python benchmarks/pathology_report.py OUT [MORE ...]    # more: folders of other seeds

Of a classifier those seeds count that every estimator finished. An interval draws patients (of ``dsb``, images), the
same ones for both sides of a difference; the predictions of all folds of a seed are scored together, and seeds are
averaged. The best colour is chosen by the figures that it is compared by, which favours it.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from document import table

from medmae.evaluate.classify.plain_features import plain_features
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.kinds import Kind

COLOURS = tuple(plain_features(Kind.image()))
CLASSIFIERS = ("linear probe", "5 neighbours", "fine-tuned")
METRIC = "balanced_accuracy"
Cell = tuple[str, str]  # what was trained, classifier
Row = dict[str, str]


class Task:
    """All fits of one task."""

    def __init__(self, rows: Sequence[Row]) -> None:
        known = {int(row["tile"]): row for row in rows}
        self.classes = sorted({row["label"] for row in rows})
        self.labels = np.array([self.classes.index(known[tile]["label"]) for tile in sorted(known)])
        self.groups = np.array([known[tile]["group"] for tile in sorted(known)])
        found: dict[Cell, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            name, _, classifier = row["estimator"].rpartition(", ")
            found[name, classifier][int(row["seed"])].append(row)
        self.trained = list(dict.fromkeys(name for name, _ in found if name not in COLOURS))
        self.colours = [cell for cell in found if cell[0] in COLOURS]
        self.fits: dict[Cell, dict[int, list[Fit]]] = {
            cell: {seed: self._fits(some) for seed, some in seeds.items() if len(some) == len(known)}
            for cell, seeds in found.items()
        }
        self.seeds = {kind: self._finished(kind) for kind in CLASSIFIERS}

    def _finished(self, classifier: str) -> list[int]:
        """Seeds of which all estimators and baselines are there."""
        cells = [*((name, classifier) for name in self.trained), *self.colours]
        return sorted(set.intersection(*(set(self.fits.get(cell, {})) for cell in cells)))

    @staticmethod
    def _fits(rows: Sequence[Row]) -> list[Fit]:
        """Of one seed."""
        parts: dict[int, list[Row]] = defaultdict(list)
        for row in rows:
            parts[int(row["fold"])].append(row)
        fits = []
        for fold, some in parts.items():
            second = np.array([float(row["probability"]) for row in some])
            both = np.stack([1 - second, second], axis=1)  # (T, 2)
            places = np.array([int(row["tile"]) for row in some])
            fits.append(Fit(seed=int(some[0]["seed"]), fold=fold, samples=places, predictions=both))
        return fits

    def scores(
        self, cells: Sequence[Cell], *, baselines: Sequence[Cell], seeds: Sequence[int]
    ) -> Mapping[str, Mapping[str, Any]]:
        """See :func:`score_all`; names are ``trained, classifier``."""
        fits = {
            ", ".join(cell): [fit for seed in seeds for fit in self.fits[cell][seed]] for cell in (*cells, *baselines)
        }
        names = [", ".join(cell) for cell in baselines]
        return score_all(
            fits,
            self.labels,
            task=SingleLabel(classes=self.classes),
            groups=self.groups,
            pool_folds=True,
            baselines=names,
        )

    def means(self) -> str:
        """A row an estimator."""
        found: dict[str, Mapping[str, Any]] = {}
        for kind in reversed(CLASSIFIERS):  # the colours are those of the first, the linear probe
            if self.seeds[kind]:
                cells = [(name, kind) for name in self.trained]
                found |= self.scores(cells, baselines=self.colours, seeds=self.seeds[kind])
        lines = []
        for name in (*COLOURS, *self.trained):
            figures = (found.get(f"{name}, {kind}", {}).get("metrics", {}) for kind in CLASSIFIERS)
            area = found[f"{name}, {CLASSIFIERS[0]}"]["metrics"]["auroc"]
            row = [interval(each[METRIC]) if each else "" for each in figures]
            lines.append([name.replace("_", " "), *row, interval(area)])
        return table(["balanced accuracy, %", *CLASSIFIERS, "AUROC of the linear probe, %"], lines)

    def differences(self) -> str:
        """Paired, on the same folds, labels and patients."""
        pairs = [
            (mine, theirs)
            for pool in ("others", "all")
            for mine, theirs in (
                (f"MMAE ({pool})", f"RGB-only MAE ({pool})"),
                (f"MMAE ({pool})", "from scratch"),
                (f"RGB-only MAE ({pool})", "from scratch"),
            )
        ]
        lines = [
            [f"{mine} - {theirs}", *(self._gain((mine, kind), [(theirs, kind)]) for kind in CLASSIFIERS)]
            for mine, theirs in pairs
        ]
        for name in self.trained:
            lines.append([f"{name} - best colour", *(self._gain((name, kind), self.colours) for kind in CLASSIFIERS)])
        return table(["difference, points", *CLASSIFIERS], lines)

    def _gain(self, mine: Cell, theirs: Sequence[Cell]) -> str:
        seeds = self.seeds[mine[1]]
        if not seeds:
            return ""
        found = self.scores([mine], baselines=theirs, seeds=seeds)
        return interval(found[", ".join(mine)]["gains"][METRIC], sign="+")


def interval(figure: Mapping[str, Any], *, sign: str = "") -> str:
    """Mean (low to high), in percent."""
    mean, low, high = (100 * figure[key] for key in ("mean", "ci_low", "ci_high"))
    return f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def pretraining(rows: Sequence[Row]) -> str:
    """A row a pool and method, means over seeds."""
    kept: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        kept[row["pool"], row["method"]].append(row)
    columns = ("tiles", "steps", "epochs", "gflop_a_step", "tflop", "seconds", "loss")
    lines = [
        [*key, str(len(some)), *(f"{np.mean([float(row[column]) for row in some]):.4g}" for column in columns)]
        for key, some in kept.items()
    ]
    titles = ("tiles", "steps", "epochs", "GFLOP a step", "TFLOP", "CPU seconds", "last loss")
    return table(["pre-trained on", "method", "seeds", *titles], lines)


def main(out: Annotated[list[Path], typer.Argument(help="What runs wrote.")]) -> None:
    """Prints a table of means and one of differences for each task, and what pre-training took."""
    rows = read(out, "fits.csv")
    for name in dict.fromkeys(row["task"] for row in rows):
        task = Task([row for row in rows if row["task"] == name])
        if not task.seeds[CLASSIFIERS[0]]:
            raise ValueError(f"{', '.join(map(str, out))}: no seed of {name} that every estimator has finished")
        seeds = ", ".join(f"{kind} {', '.join(map(str, some))}" for kind, some in task.seeds.items())
        print(f"**{name}**: {' / '.join(task.classes)}, {len(task.labels)} tiles of {len(set(task.groups))}", end="; ")
        print(f"seeds: {seeds}\n\n{task.means()}\n\n{task.differences()}\n")
    print(pretraining(read(out, "pretraining.csv")))


def read(folders: Sequence[Path], name: str) -> list[Row]:
    """The rows of all folders."""
    return [row for folder in folders for row in csv.DictReader((folder / name).open())]


if __name__ == "__main__":
    typer.run(main)
