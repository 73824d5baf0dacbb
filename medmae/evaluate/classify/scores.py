"""From the predictions of many fits to means, intervals over patients, and the gain over the best baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medmae.evaluate.classify.task import Question
from medmae.evaluate.statistics import patient_draws, summarise

_BLOCK = 20_000_000  # weights of a bootstrap at once


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What one fit predicts.

    Attributes:
        seed: Of the repetition.
        fold: Its number.
        samples: Places of the test samples ``(T,)``.
        predictions: ``(T, K)``.
    """

    seed: int
    fold: int
    samples: np.ndarray
    predictions: np.ndarray


def score_all(
    fits: Mapping[str, Sequence[Fit]],
    targets: np.ndarray,
    *,
    task: Question,
    groups: np.ndarray | None,
    pool_folds: bool,
    baselines: Sequence[str],
    resamples: int = 1000,
) -> dict[str, dict[str, Any]]:
    """Figures of every estimator.

    A run is a prediction for every test sample: that of a fit or, where each fold is a test set of its own, those of
    all folds of one seed together (``pool_folds``). Means are over runs. Their interval draws patients, the same ones
    for all runs and estimators; a draw that lacks a class is left out, and of many such there
    is no interval.

    Args:
        fits: By estimator, all on the same folds.
        targets: Of all samples, ``(N, ...)``.
        task: Scores them.
        groups: Patients of all samples; None draws samples, whose interval is too narrow if they are related.
        pool_folds: See above.
        baselines: Which estimators are.
        resamples: Of the bootstrap.

    Returns:
        By estimator: ``metrics``, by name ``mean``, ``ci_low``, ``ci_high``, ``n_units``, and ``fits`` (mean, deviation
        and 95 % interval over folds and seeds); ``gains`` over the best baseline, by metric ``over``, ``mean``,
        ``ci_low``, ``ci_high``, of what is no baseline, positive where it is better; and what the task adds.
    """
    found, draws = {}, {}
    for name, some in fits.items():
        samples, runs = runs_of(some, pool_folds=pool_folds)
        truth, patients = targets[samples], samples if groups is None else groups[samples]
        draws[name] = _bootstrap(task, truth, runs, patients, resamples=resamples)
        units = len(np.unique(patients))
        metrics = _metrics(task, truth, runs, some, targets, draws[name], units=units)
        found[name] = {"metrics": metrics, **task.extras(truth, runs)}
    for name in fits:
        if name not in baselines:
            found[name]["gains"] = {
                metric: _gain(metric, name, found, draws, baselines, higher=task.higher_is_better(metric))
                for metric in task.metrics
            }
    return found


def runs_of(fits: Sequence[Fit], *, pool_folds: bool) -> tuple[np.ndarray, np.ndarray]:
    """Test samples ``(T,)``, and the predictions of each run ``(R, T, K)``; see :func:`score_all`."""
    if not pool_folds:
        return fits[0].samples, np.stack([fit.predictions for fit in fits])
    runs = []
    for seed in dict.fromkeys(fit.seed for fit in fits):
        parts = [fit for fit in fits if fit.seed == seed]
        samples = np.concatenate([fit.samples for fit in parts])
        order = np.argsort(samples)
        runs.append(np.concatenate([fit.predictions for fit in parts])[order])
    return samples[order], np.stack(runs)


def _bootstrap(
    task: Question, truth: np.ndarray, runs: np.ndarray, patients: np.ndarray, *, resamples: int
) -> dict[str, np.ndarray]:
    """Mean over runs in each resample, ``(resamples,)`` by metric."""
    draws, member = patient_draws(patients, resamples=resamples)
    parts = []
    for block in np.array_split(draws, -(-resamples * len(truth) // _BLOCK)):
        scores = [task.weighted(truth, run, block[:, member]) for run in runs]
        parts.append({metric: np.mean([score[metric] for score in scores], axis=0) for metric in task.metrics})
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in task.metrics}


def _metrics(
    task: Question,
    truth: np.ndarray,
    runs: np.ndarray,
    fits: Sequence[Fit],
    targets: np.ndarray,
    draws: Mapping[str, np.ndarray],
    *,
    units: int,
) -> dict[str, dict[str, Any]]:
    by_run = [task.scores(truth, run) for run in runs]
    by_fit = [task.scores(targets[fit.samples], fit.predictions) for fit in fits]
    found = {}
    for metric in task.metrics:
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
    *,
    higher: bool,
) -> dict[str, Any]:
    """Over the baseline that is best by its mean; of figures of which the lower is better, what is spared."""
    means = {other: found[other]["metrics"][metric]["mean"] for other in (name, *baselines)}
    known = [other for other in baselines if means[other] is not None]
    if means[name] is None or not known:
        return {"over": None, "mean": None, "ci_low": None, "ci_high": None}
    sign = 1 if higher else -1
    best = max(known, key=lambda other: sign * means[other])
    apart = sign * (draws[name][metric] - draws[best][metric])
    units = found[name]["metrics"][metric]["n_units"]
    return {"over": best, "mean": sign * (means[name] - means[best]), **_interval(apart, units)}


def _interval(values: np.ndarray, units: int) -> dict[str, float | None]:
    """The 95 % interval of resamples; none where more than one in twenty has no value.

    Then hardly a patient has one of the classes (with two, one draw in seven lacks it; with three, one in twenty), the
    other draws all hold the same patients, and their figures are alike without being sure.
    """
    if units < 2 or np.isnan(values).mean() > 0.05:
        return {"ci_low": None, "ci_high": None}
    low, high = np.nanquantile(values, [0.025, 0.975])
    return {"ci_low": float(low), "ci_high": float(high)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
