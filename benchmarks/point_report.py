"""Tables of what ``point_methods.py`` measured: scans resampled, arms paired by scan.

python benchmarks/point_report.py OUT
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

DRAWS = 300
Rows = list[dict[str, str]]


def read(path: Path, *key: str) -> Rows:
    """Rows of a table; of several of one key the last."""
    if not path.exists():
        return []
    with path.open() as file:
        return list({tuple(row[name] for name in key): row for row in csv.DictReader(file)}.values())


def interval(score: Callable[[np.ndarray], float], count: int) -> tuple[float, float, float]:
    """A score of all scans, and its 95 % interval over scans."""
    rng = np.random.default_rng(0)
    drawn = [score(rng.integers(count, size=count)) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return score(np.arange(count)), low, high


def classified(rows: Rows) -> None:
    """Balanced accuracy of shapes, AUROC of glands, for each share of labels; pre-trained against from scratch."""
    groups: dict[tuple[str, str, str], Rows] = defaultdict(list)
    for row in rows:
        groups[row["set"], row["classifier"], row["share"]].append(row)
    for name in sorted({key[0] for key in groups}):
        print(f"\n## {name}\n")
        shares = sorted({key[2] for key in groups if key[0] == name}, key=float)
        print("| classifier | " + " | ".join(f"{float(share):.0%} of labels" for share in shares) + " |")
        for classifier in dict.fromkeys(key[1] for key in groups if key[0] == name):
            cells = [_cell(groups.get((name, classifier, share), []), binary=name == "adrenal") for share in shares]
            print(f"| {classifier} | " + " | ".join(cells) + " |")
        for share in shares:
            _paired(groups, name, share)


def _cell(rows: Rows, *, binary: bool) -> str:
    if not rows:
        return "–"
    score = _score(rows, binary=binary)
    value, low, high = interval(score, len(rows))
    folds = len({row["fold"] for row in rows})
    return f"{value:.3f} ({low:.3f} to {high:.3f})" + ("" if folds == 3 else f", {folds} folds")


def _score(rows: Rows, *, binary: bool) -> Callable[[np.ndarray], float]:
    """Mean over folds, each with its own scale of probabilities."""
    labels = np.array([int(row["label"]) for row in rows])
    folds = np.array([row["fold"] for row in rows])
    found = np.array([[float(row[f"p_{number}"]) for number in range(3)] for row in rows])

    right = found.argmax(axis=1) == labels

    def score(drawn: np.ndarray) -> float:
        values = []
        for fold in np.unique(folds):
            own = drawn[folds[drawn] == fold]
            values.append(auroc(labels[own], found[own, 1]) if binary else balanced(labels[own], right[own]))
        return float(np.mean(values))

    return score


def auroc(labels: np.ndarray, values: np.ndarray) -> float:
    """Share of pairs of both classes that are in order; ties count half."""
    ones = int(labels.sum())
    if ones in (0, len(labels)):
        return float("nan")
    return float((rankdata(values)[labels == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(labels) - ones)))


def balanced(labels: np.ndarray, right: np.ndarray) -> float:
    """Mean over classes of the share that is right."""
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def _paired(groups: Mapping[tuple[str, str, str], Rows], name: str, share: str) -> None:
    """Pre-trained minus from scratch, and minus the best that needs no network."""
    ours = groups.get((name, "point_mae, fine-tuned", share), [])
    others = [key for key in groups if key[0] == name and key[2] == share and "point_mae, fine" not in key[1]]
    for _, other, _ in others:
        theirs = groups[name, other, share]
        if not ours or not any(word in other for word in ("untrained, fine", "coordinates, forest", "volume and box")):
            continue
        known = {row["scan"]: row for row in theirs}
        both = [row for row in ours if row["scan"] in known]
        a = _score(both, binary=name == "adrenal")
        b = _score([known[row["scan"]] for row in both], binary=name == "adrenal")
        value, low, high = interval(lambda drawn, a=a, b=b: a(drawn) - b(drawn), len(both))
        print(f"{float(share):.0%}: point_mae fine-tuned minus {other}: {value:+.3f} ({low:+.3f} to {high:+.3f})")


def completed(rows: Rows) -> None:
    """Means over scans of each figure, by set, share and arm."""
    for name, hidden in sorted({(row["set"], row["hidden"]) for row in rows}):
        own = [row for row in rows if (row["set"], row["hidden"]) == (name, hidden) and row["choice"] == "block"]
        print(f"\n{name}, {float(hidden):.0%} hidden")
        for arm in dict.fromkeys(row["arm"] for row in own):
            some = [row for row in own if row["arm"] == arm]
            print(
                f"| {arm} | " + " | ".join(_figures(some, ("f_score", "cdl1", "hidden_mean"))) + f" | {len(some)} scans"
            )


def _figures(rows: Rows, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        values = np.array([float(row[name]) for row in rows])
        values = values[np.isfinite(values)]
        value, low, high = interval(lambda drawn, values=values: float(values[drawn].mean()), len(values))
        yield f"{name} {value:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    out = Path(sys.argv[1])
    classified(read(out / "predictions.csv", "set", "classifier", "share", "fold", "scan"))
    completed(read(out / "completions.csv", "set", "arm", "hidden", "choice", "scan"))
