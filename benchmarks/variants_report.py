"""Table and curves of a race that ``benchmarks/variants.py`` ran: accuracy at equal seconds, seconds at equal accuracy.

python benchmarks/variants_report.py OUT [MORE ...]    # more: folders of other seeds; everything is written into OUT
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import typer
from scipy import stats

mpl.use("Agg")
from matplotlib import pyplot as plt

METRICS = {"knn": "nearest neighbours", "probe": "linear probe"}
REFERENCE = "plain"


class Race:
    """The rows of every ``results.csv``, restricted to seeds that every variant finished."""

    def __init__(self, folders: Sequence[Path]) -> None:
        found = [row for folder in folders for row in csv.DictReader((folder / "results.csv").open())]
        self.raw = {metric: float(found[0][metric]) for metric in METRICS}  # raw pixels
        rows = [row for row in found if row["seed"]]
        self.names = list(dict.fromkeys(row["variant"] for row in rows))
        self.times = np.array(sorted({float(row["time"]) for row in rows}))
        self.cells = {(row["variant"], row["seed"], float(row["time"])): row for row in rows}
        seeds = dict.fromkeys(row["seed"] for row in rows)
        self.seeds = [s for s in seeds if all((n, s, t) in self.cells for n in self.names for t in self.times)]
        if not self.seeds:
            raise ValueError(f"{', '.join(map(str, folders))}: no seed that all of {', '.join(self.names)} finished")

    def curves(self, name: str, field: str) -> np.ndarray:
        """``(seeds, times)``."""
        return np.array([[float(self.cells[name, s, t][field]) for t in self.times] for s in self.seeds])


def crossing(times: np.ndarray, curve: np.ndarray, level: float) -> float:
    """When a curve first reaches a level, by linear interpolation; NaN if it never does."""
    above = np.flatnonzero(curve >= level)
    if not above.size:
        return math.nan
    i = int(above[0])
    if i == 0:
        return float(times[0])
    share = (level - curve[i - 1]) / (curve[i] - curve[i - 1])
    return float(times[i - 1] + share * (times[i] - times[i - 1]))


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval (Student's t over seeds) as text."""
    if len(values) < 2:
        return f"{values.mean():.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return f"{values.mean():.1f} ± {half:.1f}"


def table(race: Race) -> str:
    """The summary as Markdown."""
    rate = {name: race.curves(name, "samples_per_second")[:, -1] for name in race.names}
    lines = [
        f"{len(race.seeds)} seeds, {race.times[-1]:g} s of training each; accuracy in percent, mean ± 95 % (t over "
        "seeds). "
        f"Gain: paired difference to {REFERENCE}. Speed-up: {REFERENCE}'s seconds over the variant's to where "
        f"{REFERENCE} ends (mean curves, linear interpolation; - is never).",
    ]
    for metric, title in METRICS.items():
        reference = race.curves(REFERENCE, metric)
        level = reference[:, -1].mean()
        base = crossing(race.times, reference.mean(axis=0), level)
        lines += ["", f"### {title}", "", "| variant | samples/s | ratio | at the end | gain | speed-up |"]
        lines += ["|---|---|---|---|---|---|"]
        for name in race.names:
            curve = race.curves(name, metric)
            reached = crossing(race.times, curve.mean(axis=0), level)
            speed = "-" if math.isnan(reached) or not reached else f"{base / reached:.2f}"
            lines.append(
                f"| {name} | {rate[name].mean():.0f} | {(rate[name] / rate[REFERENCE]).mean():.2f} "
                f"| {interval(curve[:, -1])} | {interval(curve[:, -1] - reference[:, -1])} | {speed} |"
            )
        untrained = race.curves(REFERENCE, metric)[:, 0]
        lines += [f"| *untrained encoder* | | | {interval(untrained)} | {interval(untrained - reference[:, -1])} | |"]
        lines += [f"| *raw pixels* | | | {race.raw[metric]:.1f} | {race.raw[metric] - level:.1f} | |"]
    return "\n".join(lines) + "\n"


def draw(race: Race, path: Path) -> None:
    """Accuracy over seconds of training: mean over seeds, and the seeds as thin lines."""
    figure, axes = plt.subplots(1, len(METRICS), figsize=(11, 4.5), layout="constrained")
    for axis, (metric, title) in zip(axes, METRICS.items(), strict=True):
        for i, name in enumerate(race.names):
            curves = race.curves(name, metric)
            axis.plot(race.times, curves.T, color=f"C{i}", linewidth=0.5, alpha=0.4)
            axis.plot(race.times, curves.mean(axis=0), color=f"C{i}", linewidth=2, label=name)
        axis.axhline(race.raw[metric], color="grey", linestyle=":", label="raw pixels")
        axis.set(title=title, xlabel="seconds of training", ylabel="accuracy, %")
    axes[-1].legend(fontsize="small")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def report(folders: list[Path]) -> None:
    """Writes ``summary.md`` and ``curves.png`` into the first folder."""
    race, out = Race(folders), folders[0]
    text = table(race)
    (out / "summary.md").write_text(text, encoding="utf-8")
    draw(race, out / "curves.png")
    print(text)


if __name__ == "__main__":
    typer.run(report)
