"""How well few labels do: encoders beside baselines of colour alone, over folds and seeds, with honest intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.progress import track
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from medmae.evaluate.classify.classification_scores import DEFINITIONS
from medmae.evaluate.classify.few_label_scores import Fit, Samples, score_all
from medmae.evaluate.classify.few_label_tables import print_scores, write_tables
from medmae.evaluate.classify.folds import Fold, few_label_folds
from medmae.files import write_text

RECORD = "few_labels.json"
FOLDER = "few_labels"  # of the tables, beside the record


class Contender(Protocol):
    """Something that learns from few labels."""

    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """Probabilities ``(len(fold.test), K)``, learnt from ``fold.train``."""


@dataclass(frozen=True, kw_only=True)
class OnFeatures:
    """A classifier of scikit-learn on features that were computed once.

    Args:
        features: Of all samples, ``(N, D)``.
        model: Cloned for every fit; see :mod:`medmae.evaluate.features.probe`.
    """

    features: np.ndarray
    model: Pipeline

    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """See :class:`Contender`; nothing is drawn, and ``fold.val`` is not used."""
        model = clone(self.model).fit(self.features[fold.train], labels[fold.train])
        return model.predict_proba(self.features[fold.test])


@dataclass(frozen=True, kw_only=True)
class PerSeed:
    """A contender for each repetition, such as one that begins with random weights.

    Args:
        of: The contender of a seed.
    """

    of: Callable[[int], Contender]

    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """See :class:`Contender`."""
        return self.of(seed)(fold, labels, num_classes=num_classes, seed=seed)


def evaluate_few_labels(
    contenders: Mapping[str, Contender],
    *,
    baselines: Mapping[str, Contender],
    samples: Samples,
    out: str | Path,
    budget: int | None = 100,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    validate: bool = True,
    resamples: int = 1000,
    console: Console | None = None,
) -> dict[str, Any]:
    """Every contender on the same folds; see :func:`medmae.evaluate.classify.folds.few_label_folds` for the protocol.

    Writes ``few_labels.json`` (what the report shows), ``few_labels/fits.csv`` (a row a fit),
    ``few_labels/predictions.csv`` (a row a sample and contender, mean over fits) and, where patients are known,
    ``few_labels/patients.csv``. Intervals over patients are the ones to quote; those over folds and seeds only tell how
    much the draw of the labels matters.

    Args:
        contenders: By name.
        baselines: What they must beat, by name: at least colour alone.
        samples: What is classified.
        out: Receives the files.
        budget: Labels over all classes; None takes all.
        folds: How many.
        seeds: One a repetition of the cross-validation.
        validate: See :func:`few_label_folds`.
        resamples: Of the bootstrap.
        console: Prints the table; None prints to the standard output.

    Returns:
        What ``few_labels.json`` holds.

    Raises:
        ValueError: If there is no baseline, or names repeat.
        DataError: See :func:`few_label_folds`.
    """
    record, fits = contest(
        contenders,
        baselines=baselines,
        samples=samples,
        budget=budget,
        folds=folds,
        seeds=seeds,
        validate=validate,
        resamples=resamples,
    )
    write_contest(record, fits, samples=samples, out=out)
    print_scores(record, console or Console())
    return record


def contest(
    contenders: Mapping[str, Contender],
    *,
    baselines: Mapping[str, Contender],
    samples: Samples,
    budget: int | None,
    folds: int,
    seeds: Sequence[int],
    validate: bool = True,
    resamples: int = 1000,
) -> tuple[dict[str, Any], dict[str, list[Fit]]]:
    """The record of :func:`evaluate_few_labels`, and the fits by contender; nothing is written."""
    if not baselines or set(baselines) & set(contenders):
        raise ValueError(f"give baselines, under other names than contenders; got {list(baselines)}")
    repeats = draw_folds(samples, budget=budget, folds=folds, seeds=seeds, validate=validate)
    fits = {name: _fit_all(name, each, repeats, samples) for name, each in {**contenders, **baselines}.items()}
    record = _describe(samples, repeats, budget=budget, baselines=list(baselines))
    record["scores"] = score_all(
        fits,
        samples.labels,
        groups=samples.groups,
        pool_folds=samples.test is None,
        baselines=list(baselines),
        resamples=resamples,
    )
    return record, fits


def draw_folds(
    samples: Samples, *, budget: int | None, folds: int, seeds: Sequence[int], validate: bool = True
) -> dict[int, list[Fold]]:
    """Folds by seed; see :func:`few_label_folds`, which refuses what cannot be drawn."""
    return {
        seed: few_label_folds(
            samples.labels,
            groups=samples.groups,
            test=samples.test,
            budget=budget,
            folds=folds,
            seed=seed,
            validate=validate,
        )
        for seed in seeds
    }


def write_contest(
    record: Mapping[str, Any], fits: Mapping[str, Sequence[Fit]], *, samples: Samples, out: str | Path
) -> None:
    """Writes ``few_labels.json`` and the tables beside it."""
    write_tables(Path(out) / FOLDER, fits, samples)
    write_text(Path(out) / RECORD, json.dumps(record, indent=2))  # last: it is there only when all is


def _describe(
    samples: Samples, repeats: Mapping[int, Sequence[Fold]], *, budget: int | None, baselines: list[str]
) -> dict[str, Any]:
    """What the record says apart from scores."""
    found = next(iter(repeats.values()))
    return {
        "definitions": dict(DEFINITIONS),
        "classes": list(samples.classes),
        "budget": budget,
        "labels": len(found[0].train),
        "validation": len(found[0].val),
        "folds": len(found),
        "seeds": list(repeats),
        "tested_on": "the held-out fold" if samples.test is None else "a test set of its own",
        "pooled": samples.test is None,
        "unit": samples.item if samples.groups is None else samples.unit,
        "baselines": baselines,
    }


def _fit_all(name: str, contender: Contender, repeats: Mapping[int, Sequence[Fold]], samples: Samples) -> list[Fit]:
    jobs = [(seed, number, fold) for seed, found in repeats.items() for number, fold in enumerate(found)]
    return [
        Fit(
            seed=seed,
            fold=number,
            samples=fold.test,
            probabilities=contender(fold, samples.labels, num_classes=len(samples.classes), seed=seed),
        )
        for seed, number, fold in track(jobs, description=f"Fitting {name}", transient=True)
    ]
