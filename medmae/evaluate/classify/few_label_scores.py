"""From the predictions of many fits to means, intervals over patients, and the gain over colour alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.metrics import confusion_matrix

from medmae.evaluate.classify.classification_scores import (
    METRICS,
    classification_scores,
    patient_draws,
    weighted_scores,
)
from medmae.evaluate.statistics import summarise

Unit = Literal["patient", "slide"]
_BLOCK = 20_000_000  # weights of a bootstrap at once


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What is classified.

    Args:
        labels: Class of each sample, ``(N,)``.
        classes: Their names.
        names: What names each sample, for tables: rows of the same keys, such as slide, x, y.
        groups: Patient of each sample; None where none is known.
        unit: What a group is.
        test: True where a sample belongs to a test set of its own; None has none.
        item: What a sample is, for tables.
    """

    labels: np.ndarray
    classes: Sequence[str]
    names: Sequence[Mapping[str, str | int]]
    groups: np.ndarray | None = None
    unit: Unit = "patient"
    test: np.ndarray | None = None
    item: str = "tile"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What one fit predicts.

    Attributes:
        seed: Of the repetition.
        fold: Its number.
        samples: Places of the test samples ``(T,)``.
        probabilities: ``(T, K)``.
    """

    seed: int
    fold: int
    samples: np.ndarray
    probabilities: np.ndarray


def score_all(
    fits: Mapping[str, Sequence[Fit]],
    labels: np.ndarray,
    *,
    groups: np.ndarray | None,
    pool_folds: bool,
    baselines: Sequence[str],
    resamples: int = 1000,
) -> dict[str, dict[str, Any]]:
    """Figures of every contender.

    A run is a prediction for every test sample: that of a fit or, where each fold is a test set of its own, those of
    all folds of one seed together (``pool_folds``). Means are over runs. Their interval draws patients, the same ones
    for all runs and contenders; classes that a draw lacks are left out of it.

    Args:
        fits: By contender, all on the same folds.
        labels: Of all samples.
        groups: Patients of all samples; None draws samples, whose interval is too narrow if they are related.
        pool_folds: See above.
        baselines: Which contenders are.
        resamples: Of the bootstrap.

    Returns:
        By contender: ``metrics``, by name ``mean``, ``ci_low``, ``ci_high``, ``n_units``, and ``fits`` (mean, deviation
        and 95 % interval over folds and seeds); ``gains`` over the best baseline, by metric ``over``, ``mean``,
        ``ci_low``, ``ci_high``, of what is no baseline; ``confusion``, mean counts over runs, a row a true class.
    """
    found, draws = {}, {}
    for name, some in fits.items():
        samples, runs = _runs(some, pool_folds=pool_folds)
        truth, patients = labels[samples], samples if groups is None else groups[samples]
        draws[name] = _bootstrap(truth, runs, patients, resamples=resamples)
        units = len(np.unique(patients))
        found[name] = {
            "metrics": _metrics(truth, runs, some, labels, draws[name], units=units),
            "confusion": _confusion(truth, runs),
        }
    for name in fits:
        if name not in baselines:
            found[name]["gains"] = {metric: _gain(metric, name, found, draws, baselines) for metric in METRICS}
    return found


def _runs(fits: Sequence[Fit], *, pool_folds: bool) -> tuple[np.ndarray, np.ndarray]:
    """Test samples ``(T,)``, and the probabilities of each run ``(R, T, K)``."""
    if not pool_folds:
        return fits[0].samples, np.stack([fit.probabilities for fit in fits])
    runs = []
    for seed in dict.fromkeys(fit.seed for fit in fits):
        parts = [fit for fit in fits if fit.seed == seed]
        samples = np.concatenate([fit.samples for fit in parts])
        order = np.argsort(samples)
        runs.append(np.concatenate([fit.probabilities for fit in parts])[order])
    return samples[order], np.stack(runs)


def _bootstrap(truth: np.ndarray, runs: np.ndarray, patients: np.ndarray, *, resamples: int) -> dict[str, np.ndarray]:
    """Mean over runs in each resample, ``(resamples,)`` by metric."""
    draws, member = patient_draws(patients, resamples=resamples)
    parts = []
    for block in np.array_split(draws, -(-resamples * len(truth) // _BLOCK)):
        scores = [weighted_scores(truth, run, block[:, member]) for run in runs]
        parts.append({metric: np.mean([score[metric] for score in scores], axis=0) for metric in METRICS})
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


def _metrics(
    truth: np.ndarray,
    runs: np.ndarray,
    fits: Sequence[Fit],
    labels: np.ndarray,
    draws: Mapping[str, np.ndarray],
    *,
    units: int,
) -> dict[str, dict[str, Any]]:
    by_run = [classification_scores(truth, run) for run in runs]
    by_fit = [classification_scores(labels[fit.samples], fit.probabilities) for fit in fits]
    found = {}
    for metric in METRICS:
        values = [score[metric] for score in by_fit if not math.isnan(score[metric])]
        over_fits = summarise(values, [str(number) for number in range(len(values))]).as_dict() if values else {}
        found[metric] = {
            "mean": _known(float(np.mean([score[metric] for score in by_run]))),
            **_interval(draws[metric], units),
            "n_units": units,
            "fits": {key: over_fits.get(key) for key in ("mean", "std", "ci_low", "ci_high")} | {"n": len(values)},
        }
    return found


def _gain(
    metric: str,
    name: str,
    found: Mapping[str, Mapping[str, Any]],
    draws: Mapping[str, Mapping[str, np.ndarray]],
    baselines: Sequence[str],
) -> dict[str, Any]:
    """Over the baseline that is best by its mean."""
    means = {other: found[other]["metrics"][metric]["mean"] for other in (name, *baselines)}
    if None in means.values():
        return {"over": None, "mean": None, "ci_low": None, "ci_high": None}
    best = max(baselines, key=lambda other: means[other])
    apart = draws[name][metric] - draws[best][metric]
    units = found[name]["metrics"][metric]["n_units"]
    return {"over": best, "mean": means[name] - means[best], **_interval(apart, units)}


def _interval(values: np.ndarray, units: int) -> dict[str, float | None]:
    """The 95 % interval of resamples, those without a value left out."""
    if units < 2 or np.isnan(values).all():
        return {"ci_low": None, "ci_high": None}
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {"ci_low": float(low), "ci_high": float(high)}


def _confusion(truth: np.ndarray, runs: np.ndarray) -> list[list[float]]:
    classes = np.arange(runs.shape[2])
    return np.mean([confusion_matrix(truth, run.argmax(axis=1), labels=classes) for run in runs], axis=0).tolist()


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
