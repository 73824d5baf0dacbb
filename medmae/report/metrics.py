"""Metrics by naming rule: ``<metric>_model`` is ours, any other ``<metric>_<name>`` is a baseline beside it.

A variant is a suffix: ``psnr_model_foreground`` stands beside ``psnr_neighbour_foreground``. ``gain_over_<name>`` is
the paired advantage on the metric without a variant, ``gain_over_<name>_<metric>_<variant>`` that on another, and
``gain_over_<name>_<metric>`` where several metrics have no variant; each has its own interval. So a later method that
writes ``auroc_model`` and ``auroc_colour_only`` gets its cards, chart and tables without a line here. An entry of
``summary.json`` may carry ``label``, ``unit`` and ``better`` ("higher" or "lower") to say how it is shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmae.report.folder import Row, RunFolder, as_float
from medmae.report.text import words

# metric -> label, unit, which way is better
KNOWN = {
    "psnr": ("PSNR on masked patches", "dB", "higher"),
    "ssim": ("SSIM", "", "higher"),
    "mae": ("Mean absolute error", "", "lower"),
    "nmse": ("NMSE", "", "lower"),
    "stripe": ("Stripe ratio", "", "nearer 1"),
    "blockiness": ("Blockiness", "", "nearer 1"),
}
NAMES = {
    "model": "Model",
    "mean_fill": "Mean fill",
    "neighbour": "Neighbour interpolation",
    "table": "Table of grey values",
    "joint": "Joint table of grey values",
    "patch": "Regression on neighbourhoods",
}


@dataclass(frozen=True)
class Score:
    """One metric of the model or a baseline: mean over subjects with its 95 % interval, and their own means."""

    name: str
    label: str
    mean: float | None
    std: float | None
    median: float | None
    ci_low: float | None
    ci_high: float | None
    n_subjects: int
    by_subject: Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """The model's score on one metric, and the baselines' (best first)."""

    stem: str
    variant: str
    label: str
    unit: str
    higher_is_better: bool
    model: Score
    baselines: list[Score]
    gains: Mapping[str, tuple[float, float]]  # baseline's name -> 95 % interval of the gain, where summarised

    @property
    def digits(self) -> int:
        """Decimals worth showing at a glance."""
        return 1 if self.unit == "dB" else 3

    def gain(self, baseline: Score) -> tuple[float, int, int] | None:
        """Mean advantage over a baseline, the number of subjects where the model is better, and of all subjects."""
        shared = sorted(self.model.by_subject.keys() & baseline.by_subject.keys())
        if not shared:
            return None
        sign = 1.0 if self.higher_is_better else -1.0
        gaps = [sign * (self.model.by_subject[subject] - baseline.by_subject[subject]) for subject in shared]
        return float(np.mean(gaps)), sum(gap > 0 for gap in gaps), len(gaps)


def comparisons(folder: RunFolder) -> list[Comparison]:
    """Every metric that the evaluation gives for the model, with whatever stands beside it."""
    groups = families(metric_names(folder))
    return [_comparison(folder, stem, variant, names) for (stem, variant), names in groups.items()]


def other_scores(folder: RunFolder) -> list[Score]:
    """Metrics that belong to no comparison."""
    names = [name for name in metric_names(folder) if not name.startswith("gain_over_")]
    shown = {name for members in families(names).values() for name in members}
    return [_score(folder, name, words(name)) for name in names if name not in shown]


def families(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Group metric names by (metric, variant), for every metric that the model has; the model's name comes first."""
    names = list(names)
    matches = [match for name in names if (match := re.fullmatch(r"(.+?)_model(?:_(.+))?", name))]
    groups = {(match[1], match[2] or ""): [match[0]] for match in matches}
    for name in names:
        fits = [key for key, (model, *_) in groups.items() if name != model and _belongs(name, *key)]
        if fits and not any(name == members[0] for members in groups.values()):
            groups[max(fits, key=lambda key: len("".join(key)))].append(name)  # the most specific one
    return groups


def key_of(name: str, stem: str, variant: str) -> str:
    """Whose metric it is: ``psnr_mean_fill_foreground`` -> ``mean_fill``."""
    return name.removeprefix(f"{stem}_").removesuffix(f"_{variant}" if variant else "")


def label_of(key: str) -> str:
    """How the model or a baseline is called on the page."""
    return NAMES.get(key, words(key).capitalize())


def metric_names(folder: RunFolder) -> list[str]:
    """Names of all metrics: those of ``summary.json``, then columns of the scores that it leaves out."""
    summarised = [name for name, entry in folder.summary.items() if isinstance(entry, dict) and "mean" in entry]
    columns = families(folder.scores[0] if folder.scores else {})
    return list(dict.fromkeys([*summarised, *(name for members in columns.values() for name in members)]))


def mean_by(rows: Iterable[Row], metric: str, key: str) -> dict[str, float]:
    """Mean of a column of the scores for every value of ``key``; cells without a number are left out."""
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = as_float(row.get(metric))
        if value is not None:
            groups[row.get(key, "")].append(value)
    return {group: float(np.mean(values)) for group, values in sorted(groups.items())}


def _belongs(name: str, stem: str, variant: str) -> bool:
    return name.startswith(f"{stem}_") and name.endswith(f"_{variant}" if variant else "")


def _comparison(folder: RunFolder, stem: str, variant: str, names: list[str]) -> Comparison:
    known = KNOWN.get(stem, (words(stem), "", "higher"))
    entry = _entry(folder, names[0])
    higher = entry.get("better", known[2]) != "lower"
    keys = {name: key_of(name, stem, variant) for name in names}
    scores = [_score(folder, name, label_of(keys[name])) for name in names[1:]]
    scores = sorted((score for score in scores if score.mean is not None), key=lambda score: score.mean or 0.0)
    return Comparison(
        stem=stem,
        variant=variant,
        label=str(entry.get("label", f"{known[0]}, {words(variant)} only" if variant else known[0])),
        unit=str(entry.get("unit", known[1])),
        higher_is_better=higher,
        model=_score(folder, names[0], NAMES["model"]),
        baselines=scores[::-1] if higher else scores,
        gains=_gains(folder, keys, stem=stem, variant=variant),
    )


def _gains(folder: RunFolder, keys: Mapping[str, str], *, stem: str, variant: str) -> dict[str, tuple[float, float]]:
    found = {}
    for name, key in keys.items():
        said = f"gain_over_{key}_{stem}" + (f"_{variant}" if variant else "")
        entry = _entry(folder, said) or ({} if variant else _entry(folder, f"gain_over_{key}"))
        low, high = as_float(entry.get("ci_low")), as_float(entry.get("ci_high"))
        if low is not None and high is not None:
            found[name] = (low, high)
    return found


def _score(folder: RunFolder, name: str, label: str) -> Score:
    entry, by_subject = _entry(folder, name), mean_by(folder.scores, name, "subject")
    fallback = float(np.mean(list(by_subject.values()))) if by_subject else None
    mean = as_float(entry.get("mean"))
    return Score(
        name=name,
        label=label,
        mean=fallback if mean is None else mean,
        std=as_float(entry.get("std")),
        median=as_float(entry.get("median")),
        ci_low=as_float(entry.get("ci_low")),
        ci_high=as_float(entry.get("ci_high")),
        n_subjects=int(as_float(entry.get("n_subjects")) or len(by_subject)),
        by_subject=by_subject,
    )


def _entry(folder: RunFolder, name: str) -> Mapping[str, Any]:
    entry = folder.summary.get(name)
    return entry if isinstance(entry, dict) else {}
