"""The tables of ``benchmarks/video_methods.py``: balanced accuracy of every classifier over all held-out sources.

    python benchmarks/video_methods_report.py OUT

Predictions of all folds are pooled, so that every labelled clip is tested once a seed; a score is the mean over seeds.
Intervals (95 %) draw whole sources, for clips of one source are no independent samples; of the draws, those without one
of the classes are left out. What a classifier gains over another has the interval of the paired difference. The second
table has the accuracy on each source.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from document import table

from medmae.evaluate.statistics import patient_draws

RESAMPLES = 5000
RIVAL = "mean frame, logistic regression"


@dataclass(frozen=True)
class Tested:
    """What a classifier said: ``right`` (S, N) of N clips with S seeds, their ``sources`` and ``labels`` (N,)."""

    clips: tuple[str, ...]
    sources: np.ndarray
    labels: np.ndarray
    right: np.ndarray

    def on(self, clips: set[str]) -> Tested:
        """These clips only."""
        kept = np.array([clip in clips for clip in self.clips])
        left = tuple(clip for clip in self.clips if clip in clips)
        return Tested(left, self.sources[kept], self.labels[kept], self.right[:, kept])

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Balanced accuracy by weights of clips ``(R, N)``, mean over seeds, ``(R,)``; NaN where a class is missing."""
        shares = self.right.mean(axis=0)  # (N,)
        recalls = []
        for label in np.unique(self.labels):
            own = weights * (self.labels == label)  # (R, N)
            total = own.sum(axis=1)
            recalls.append(np.divide(own @ shares, total, out=np.full(len(own), np.nan), where=total > 0))
        return np.mean(recalls, axis=0)


def read(path: Path) -> dict[str, Tested]:
    """Classifiers by name; clips that were not tested with every seed are refused."""
    rows: dict[str, dict[str, dict[str, bool]]] = defaultdict(lambda: defaultdict(dict))
    about = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            shares = {key.removeprefix("p_"): float(value) for key, value in row.items() if key.startswith("p_")}
            guess = max(shares, key=lambda label: shares[label])
            rows[row["classifier"]][row["seed"]][row["clip"]] = guess == row["label"]
            about[row["clip"]] = (row["source"], row["label"])
    found = {}
    for name, seeds in rows.items():
        clips = tuple(sorted(set.union(*map(set, seeds.values()))))
        if any(len(tested) != len(clips) for tested in seeds.values()):
            raise ValueError(f"{name}: not every seed was tested on the same clips; finish the run or delete its rows")
        sources, labels = (np.array(column) for column in zip(*(about[clip] for clip in clips), strict=True))
        right = np.array([[tested[clip] for clip in clips] for tested in seeds.values()], dtype=float)
        found[name] = Tested(clips, sources, labels, right)
    return found


def interval(tested: Tested, rival: Tested | None = None) -> tuple[float, float, float]:
    """Score, or score minus that of a rival on the clips of both, and its interval over sources."""
    if rival is not None:
        shared = set(tested.clips) & set(rival.clips)
        tested, rival = tested.on(shared), rival.on(shared)
    draws, member = patient_draws(tested.sources, resamples=RESAMPLES)
    weights = np.concatenate([np.ones((1, len(tested.clips))), draws[:, member]])
    values = tested.scores(weights) - (0.0 if rival is None else rival.scores(weights))
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return float(values[0]), float(low), float(high)


def by_classifier(found: dict[str, Tested]) -> str:
    """A row a classifier."""
    rows = []
    for name, tested in found.items():
        value, low, high = interval(tested)
        each = [Tested(tested.clips, tested.sources, tested.labels, one[None]) for one in tested.right]
        seeds = [float(one.scores(np.ones((1, len(one.clips))))[0]) for one in each]
        spread = f"{min(seeds):.3f} to {max(seeds):.3f}" if len(seeds) > 1 else ""
        row = [name, str(len(tested.clips)), f"{value:.3f}", spread, f"{low:.3f} to {high:.3f}"]
        for rival in (untrained(found, name), found[RIVAL]):
            own = rival is None or rival is tested
            row.append("" if own else "{:+.3f} ({:+.3f} to {:+.3f})".format(*interval(tested, rival)))
        rows.append(row)
    heads = ["classifier", "clips", "balanced accuracy", "seeds", "95 % interval", "minus untrained"]
    return table([*heads, "minus mean frame"], rows)


def untrained(found: dict[str, Tested], name: str) -> Tested | None:
    """What did the same from random weights; of a fine-tuned encoder the best recipe of a start from scratch."""
    kind = name.partition(", ")[2].partition(" (")[0]
    rivals = [tested for other, tested in found.items() if other.startswith(f"untrained, {kind}")]
    return max(rivals, key=lambda tested: interval(tested)[0], default=None)


def by_source(found: dict[str, Tested]) -> str:
    """A row a source, with the accuracy of what was fine-tuned with all folds, and of the mean frame."""
    whole = max(len(tested.clips) for tested in found.values())
    tuned = {name: tested for name, tested in found.items() if ", fine-tuned" in name and len(tested.clips) == whole}
    shown = {RIVAL: found[RIVAL], **tuned}
    first = next(iter(shown.values()))
    rows = []
    for source in sorted(set(first.sources), key=int):
        own = first.sources == source
        classes = ", ".join(f"{n} {label}" for label, n in Counter(first.labels[own]).most_common())
        rows.append([source, classes, *(f"{each.right[:, own].mean():.2f}" for each in shown.values())])
    return table(["source", "clips", *shown], rows)


if __name__ == "__main__":
    everything = read(Path(sys.argv[1]) / "predictions.csv")
    print(by_classifier(everything), by_source(everything), sep="\n\n")
