"""Tables of what ``benchmarks/image_methods.py`` left: accuracies with intervals over seeds, and gains over MAE.

python benchmarks/image_methods_report.py OUT [--data bccd]    # all data sets if none is named; prints Markdown
python benchmarks/image_methods_report.py OUT --contestant cmae,cmae_no_shift    # a row a data set and contestant
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from document import table
from scipy import stats
from variants_report import interval

REFERENCE = "mae"
COLUMNS = ("neighbours", "linear", "few labels", "fine-tune")
Scores = dict[tuple[str, str], dict[str, float]]  # (contestant, score) -> seed -> accuracy


def read(path: Path) -> Scores:
    """Rows of a ``scores.csv``; the last of two that say the same counts."""
    scores: Scores = defaultdict(dict)
    for row in csv.DictReader(path.open()):
        scores[row["contestant"], row["score"]][row["seed"]] = float(row["accuracy"])
    return scores


def cell(scores: Scores, name: str, column: str) -> str:
    """Mean and interval, and in brackets the paired gain over MAE where its interval leaves zero out."""
    mine, theirs = scores.get((name, column), {}), scores.get((REFERENCE, column), {})
    if not mine:
        return ""
    text, shared = interval(np.array(list(mine.values()))), sorted(mine.keys() & theirs.keys())
    if name != REFERENCE and len(shared) > 1:
        gains = np.array([mine[seed] - theirs[seed] for seed in shared])
        text += f" ({gains.mean():+.1f}{'*' if beyond_chance(gains) else ''})"
    return text


def beyond_chance(gains: np.ndarray) -> bool:
    """Whether the 95 % interval of the mean gain (Student's t over seeds) leaves zero out."""
    return float(stats.ttest_1samp(gains, 0.0).pvalue) < 0.05


def rows_of(folder: Path, names: list[str] | None = None) -> tuple[list[list[str]], int]:
    """A row a contestant of a data set, baselines last; and how many seeds there are."""
    scores = read(folder / "scores.csv")
    steps = defaultdict(list)
    for row in csv.DictReader((folder / "training.csv").open()):
        steps[row["contestant"]].append(float(row["steps"]))
    found = names or sorted(
        dict.fromkeys(name for name, _ in scores), key=lambda n: (n == "raw pixels", n == "untrained")
    )
    rows = []
    for name in (name for name in found if (name, COLUMNS[0]) in scores):
        taken = f"{np.mean(steps[name]):,.0f}" if name in steps else ""
        rows.append([name, taken, *(cell(scores, name, column) for column in COLUMNS)])
    return rows, len(scores[REFERENCE, "linear"])


def main(
    out: Path,
    data: Annotated[str, typer.Option(help="Separated by commas.")] = "",
    contestant: Annotated[str, typer.Option(help="Separated by commas; one table of all data sets.")] = "",
) -> None:
    """Prints the tables."""
    folders = [out / name for name in data.split(",")] if data else sorted(p.parent for p in out.glob("*/scores.csv"))
    head = ["steps", *(f"{name}, %" for name in COLUMNS)]
    if contestant:
        rows = [[folder.name, *row] for folder in folders for row in rows_of(folder, contestant.split(","))[0]]
        print(table(["", "", *head], rows))
        return
    for folder in folders:
        rows, seeds = rows_of(folder)
        print(f"**{folder.name}**, {seeds} seeds\n\n{table(['', *head], rows)}\n")


if __name__ == "__main__":
    typer.run(main)
