"""The tables of ``benchmarks/pathology.py``: balanced accuracy with intervals over patients, and paired differences.

python benchmarks/pathology_report.py OUT

Only seeds that every contender has finished count. An interval draws patients (of ``dsb``, images), the same ones for
both sides of a difference; the predictions of all folds of a seed are judged together, and seeds are averaged.
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

from medmae.evaluate.colour import COLOUR_BASELINES
from medmae.evaluate.few_label_scores import Fit, score_all

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
            name, _, classifier = row["contender"].rpartition(", ")
            found[name, classifier][int(row["seed"])].append(row)
        every = set.union(*(set(seeds) for seeds in found.values()))
        self.seeds = [s for s in sorted(every) if all(len(seeds[s]) == len(known) for seeds in found.values())]
        self.fits = {cell: self._fits([row for s in self.seeds for row in seeds[s]]) for cell, seeds in found.items()}
        self.trained = list(dict.fromkeys(name for name, _ in self.fits if name not in COLOUR_BASELINES))

    @staticmethod
    def _fits(rows: Sequence[Row]) -> list[Fit]:
        parts: dict[tuple[int, int], list[Row]] = defaultdict(list)
        for row in rows:
            parts[int(row["seed"]), int(row["fold"])].append(row)
        fits = []
        for (seed, fold), some in parts.items():
            second = np.array([float(row["probability"]) for row in some])
            both = np.stack([1 - second, second], axis=1)  # (T, 2)
            fits.append(Fit(seed=seed, fold=fold, samples=np.array([int(r["tile"]) for r in some]), probabilities=both))
        return fits

    def scores(self, cells: Sequence[Cell], *, baselines: Sequence[Cell]) -> Mapping[str, Mapping[str, Any]]:
        """See :func:`score_all`; names are ``trained, classifier``."""
        fits = {", ".join(cell): self.fits[cell] for cell in (*cells, *baselines)}
        names = [", ".join(cell) for cell in baselines]
        return score_all(fits, self.labels, groups=self.groups, pool_folds=True, baselines=names)

    @property
    def colours(self) -> list[Cell]:
        """The baselines."""
        return [cell for cell in self.fits if cell[0] in COLOUR_BASELINES]

    def means(self) -> str:
        """A row a contender."""
        cells = [cell for cell in self.fits if cell[0] not in COLOUR_BASELINES]
        found = self.scores(cells, baselines=self.colours)
        lines = []
        for name in (*COLOUR_BASELINES, *self.trained):
            figures = (found.get(f"{name}, {classifier}", {}).get("metrics", {}) for classifier in CLASSIFIERS)
            area = found[f"{name}, linear probe"]["metrics"]["auroc"]
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
        found = self.scores([mine], baselines=theirs)
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


def main(out: Annotated[Path, typer.Argument(help="What a run wrote.")]) -> None:
    """Prints a table of means and one of differences for each task, and what pre-training took."""
    with (out / "fits.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in dict.fromkeys(row["task"] for row in rows):
        task = Task([row for row in rows if row["task"] == name])
        if not task.seeds:
            raise ValueError(f"{out}: no seed of {name} that every contender has finished")
        about = f"{len(task.labels)} tiles, {len(set(task.groups))} patients or images, seeds {task.seeds}"
        print(f"**{name}**: {' / '.join(task.classes)}, {about}\n\n{task.means()}\n\n{task.differences()}\n")
    with (out / "pretraining.csv").open() as file:
        print(pretraining(list(csv.DictReader(file))))


if __name__ == "__main__":
    typer.run(main)
