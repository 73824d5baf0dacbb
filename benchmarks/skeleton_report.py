"""The tables of ``benchmarks/skeleton_methods.py``: accuracy on held-out people, and what is gained, pair by pair.

    python benchmarks/skeleton_report.py OUT

A score is the mean over all sequences that were tested, whatever person and seed they were tested with; a sequence
that was tested with several seeds counts once, by their mean. Intervals (95 %) draw sequences within people, for there
are but five of these: they say how much sequences vary, and not how much other people would. Gains are paired: the same
sequences, people and seeds.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from document import table

RESAMPLES = 5000
Right = dict[tuple[str, str, str], float]  # by person, seed and sequence
PAIRS = (
    ("joints and frames, {}", "random, {}", "moments and joints over random"),
    ("joints and frames, {}", "untrained, {}", "moments and joints over untrained"),
    ("from MSR, {}", "untrained, {}", "from MSR over untrained"),
)
PROBES = ("mean, logistic regression", "joints, logistic regression", "tokens, logistic regression")


def read(path: Path) -> dict[tuple[str, str], dict[str, Right]]:
    """Whether each sequence was recognised, by set and share of labels, then classifier."""
    found: dict[tuple[str, str], dict[str, Right]] = defaultdict(lambda: defaultdict(dict))
    with path.open() as file:
        for row in csv.DictReader(file):
            key = row["person"], row["seed"], row["sequence"]
            found[row["set"], row["share"]][row["classifier"]][key] = float(row["label"] == row["said"])
    return found


def interval(values: dict[tuple[str, str], float]) -> tuple[float, float, float]:
    """Mean over sequences (person, sequence), and its interval by draws of them within each person."""
    people: dict[str, list[float]] = defaultdict(list)
    for (person, _), value in values.items():
        people[person].append(value)
    rng = np.random.default_rng(0)
    total = sum(map(len, people.values()))
    sums = sum(rng.choice(own, size=(RESAMPLES, len(own))).sum(axis=1) for own in map(np.array, people.values()))
    low, high = np.quantile(sums / total, [0.025, 0.975])
    return float(np.mean(list(values.values()))), float(low), float(high)


def over_seeds(right: Right) -> dict[tuple[str, str], float]:
    """Each sequence once, by the mean of its seeds."""
    each: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (person, _, sequence), value in right.items():
        each[person, sequence].append(value)
    return {key: float(np.mean(values)) for key, values in each.items()}


def gained(ours: Right, theirs: Right) -> tuple[float, float, float]:
    """Of what both were tested with."""
    return interval(over_seeds({key: ours[key] - theirs[key] for key in ours.keys() & theirs.keys()}))


def accuracies(found: dict[tuple[str, str], dict[str, Right]], name: str) -> str:
    """A row a classifier, a column a share of labels."""
    shares = [share for own, share in found if own == name]
    everyone = list(dict.fromkeys(classifier for share in shares for classifier in found[name, share]))
    rows = []
    for classifier in everyone:
        cells = [
            "{:.3f} ({:.3f} to {:.3f})".format(*interval(over_seeds(found[name, share][classifier])))
            if classifier in found[name, share]
            else ""
            for share in shares
        ]
        runs = {key[:2] for share in shares for key in found[name, share].get(classifier, {})}
        rows.append([classifier, str(len(runs)), *cells])
    return table([name, "people x seeds", *(f"{float(share):.0%} of labels" for share in shares)], rows)


def gains(found: dict[tuple[str, str], dict[str, Right]], name: str) -> str:
    """What one thing gains over another."""
    shares = [share for own, share in found if own == name]
    pairs = [
        (ours.format(kind), theirs.format(kind), f"{said}: {kind}") for ours, theirs, said in PAIRS for kind in PROBES
    ]
    trained = "from MSR" if name == "utkinect" else "joints and frames"
    pairs += [(f"{trained}, fine-tuned", "from scratch, fine-tuned", "fine-tuned over from scratch")]
    plain = "raw joints, logistic regression, not standardised"
    pairs += [
        (ours, plain, f"{ours} over raw joints")
        for ours in (f"{trained}, fine-tuned", f"{trained}, tokens, logistic regression", "from scratch, fine-tuned")
    ]
    rows = []
    for ours, theirs, said in pairs:
        held = [found[name, share] for share in shares]
        if any(ours in some and theirs in some for some in held):
            rows.append(
                [said, *("{:+.3f} ({:+.3f} to {:+.3f})".format(*gained(some[ours], some[theirs])) for some in held)]
            )
    return table([f"{name}: gain", *(f"{float(share):.0%} of labels" for share in shares)], rows)


if __name__ == "__main__":
    everything = read(Path(sys.argv[1]) / "predictions.csv")
    for each in dict.fromkeys(name for name, _ in everything):
        print(accuracies(everything, each), gains(everything, each), sep="\n\n", end="\n\n")
