"""Estimators on the same folds: what each predicts, and how well it does beside baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.progress import track

from medmae.evaluate.classify.estimators import Estimator
from medmae.evaluate.classify.folds import Fold, few_label_folds
from medmae.evaluate.classify.labelled import Labelled
from medmae.evaluate.classify.scores import Fit, score_all
from medmae.evaluate.classify.task import Task


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came out.

    Attributes:
        record: For the report.
        fits: By estimator; all are tested on the same samples.
    """

    record: Mapping[str, Any]
    fits: Mapping[str, Sequence[Fit]]


@dataclass(frozen=True, kw_only=True)
class Folds:
    """How folds are drawn; see :func:`medmae.evaluate.classify.folds.few_label_folds`.

    Attributes:
        each: Labels a stratum to learn from; None takes all.
        count: How many folds.
        seeds: One a repetition.
        validate: Whether a part of the labels chooses the best epoch.
    """

    each: int | None = None
    count: int = 5
    seeds: Sequence[int] = (0,)
    validate: bool = True

    def draw(self, data: Labelled, task: Task) -> dict[int, list[Fold]]:
        """Folds by seed.

        Raises:
            DataError: If they cannot be drawn.
        """
        strata = task.strata(data.targets)
        return {
            seed: few_label_folds(
                strata,
                groups=data.groups,
                test=data.test,
                each=self.each,
                folds=self.count,
                seed=seed,
                validate=self.validate,
            )
            for seed in self.seeds
        }


def compare_estimators(
    estimators: Mapping[str, Estimator],
    *,
    baselines: Mapping[str, Estimator],
    data: Labelled,
    task: Task,
    folds: Folds,
    resamples: int = 1000,
) -> Comparison:
    """Every estimator on the same folds.

    Args:
        estimators: By name: ``<encoder>, <classifier>``.
        baselines: What they must beat, likewise.
        data: What is learnt from and tested on.
        task: What is asked.
        folds: How they are drawn.
        resamples: Of the bootstrap.

    Raises:
        ValueError: If there is no baseline, or names repeat.
        DataError: If folds cannot be drawn.
    """
    if not baselines or set(baselines) & set(estimators):
        raise ValueError(f"give baselines, under other names than estimators; got {list(baselines)}")
    repeats = folds.draw(data, task)
    fits = {name: _fit_all(name, each, repeats, data, task) for name, each in {**estimators, **baselines}.items()}
    first = next(iter(repeats.values()))
    record = {
        "task": task.about(),
        "definitions": dict(task.definitions),
        "labels": len(first[0].train),
        "labels_each": folds.each,
        "validation": len(first[0].val),
        "folds": len(first),
        "seeds": list(repeats),
        "tested_on": "the held-out fold" if data.test is None else "a test set of its own",
        "pooled": data.test is None,
        "unit": data.item if data.groups is None else data.unit,
        "views": data.views,
        "unlabelled": data.unlabelled,
        "lacking": data.lacking,
        "baselines": list(baselines),
        "scores": score_all(
            fits,
            data.targets,
            task=task,
            groups=data.groups,
            pool_folds=data.test is None,
            baselines=list(baselines),
            resamples=resamples,
        ),
    }
    return Comparison(record=record, fits=fits)


def _fit_all(
    name: str, estimator: Estimator, repeats: Mapping[int, Sequence[Fold]], data: Labelled, task: Task
) -> list[Fit]:
    jobs = [(seed, number, fold) for seed, found in repeats.items() for number, fold in enumerate(found)]
    return [
        Fit(
            seed=seed,
            fold=number,
            samples=fold.test,
            predictions=estimator(fold, data.targets, task=task, seed=seed),
        )
        for seed, number, fold in track(jobs, description=f"Fitting {name}", transient=True)
    ]
