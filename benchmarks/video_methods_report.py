"""The table of ``benchmarks/video_methods.py``: balanced accuracy of every classifier over all held-out sources.

    python benchmarks/video_methods_report.py OUT

Predictions of all folds are pooled, so that every labelled clip is tested once; intervals (95 %) draw patients. Folds
are three: what a classifier gains over another is told with the interval of the paired difference.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.metrics import balanced_accuracy_score

RESAMPLES = 2000


def main(out: Path) -> None:
    """Prints the table as Markdown."""
    found: dict[str, dict[str, tuple[str, str, str]]] = defaultdict(dict)
    with (out / "predictions.csv").open() as file:
        for row in csv.DictReader(file):
            shares = {key.removeprefix("p_"): float(value) for key, value in row.items() if key.startswith("p_")}
            found[row["classifier"]][row["clip"]] = (row["patient"], row["label"], max(shares, key=shares.__getitem__))
    print("| classifier | clips | balanced accuracy | 95 % interval | minus untrained | minus mean frame |")
    print("|---|---|---|---|---|---|")
    for name, clips in found.items():
        value, low, high = interval([clips])
        rivals = (found.get("untrained" + name[name.rfind(",") :]), found["mean frame, logistic regression"])
        gains = [
            "" if rival is None or rival is clips else "{:+.3f} ({:+.3f} to {:+.3f})".format(*interval([clips, rival]))
            for rival in rivals
        ]
        print(f"| {name} | {len(clips)} | {value:.3f} | {low:.3f} to {high:.3f} | {' | '.join(gains)} |")


def interval(runs: list[dict[str, tuple[str, str, str]]]) -> tuple[float, float, float]:
    """Score of one run, or of the first minus the second on the clips of both, and its interval over patients."""
    shared = sorted(set.intersection(*(set(run) for run in runs)))
    rows = [np.array([run[clip] for clip in shared]) for run in runs]
    patients = np.unique(rows[0][:, 0])
    members = {patient: np.flatnonzero(rows[0][:, 0] == patient) for patient in patients}
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(RESAMPLES):
        places = np.concatenate([members[patient] for patient in rng.choice(patients, len(patients))])
        draws.append(score(rows, places))
    low, high = np.quantile(draws, [0.025, 0.975])
    return score(rows, np.arange(len(shared))), float(low), float(high)


def score(rows: list[np.ndarray], places: np.ndarray) -> float:
    """Balanced accuracy, or the difference of two."""
    values = [balanced_accuracy_score(each[places, 1], each[places, 2]) for each in rows]
    return values[0] - values[1] if len(values) == 2 else values[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
