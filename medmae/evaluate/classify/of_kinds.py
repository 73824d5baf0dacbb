"""A frozen encoder of several kinds of data: what each kind says alone, and what some and all say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import each_batch, over_views_of_kinds
from medmae.evaluate.classify.comparison import Folds, compare_estimators
from medmae.evaluate.classify.estimators import Estimator, OnFeatures, PerSeed
from medmae.evaluate.classify.labelled import labelled, task_of
from medmae.evaluate.classify.protocol import NEIGHBOURS, UNTRAINED, plain_estimators, read_all
from medmae.evaluate.classify.protocol_tables import print_scores, write_protocol
from medmae.evaluate.classify.task import Task
from medmae.evaluate.classify.ways import Ways, called, every_choice, ways_of
from medmae.nn.encoder import Encoder
from medmae.training.reading import Items

Features = Mapping[str, np.ndarray]


def evaluate_each_kind(
    encoder: Encoder,
    *,
    train: Samples,
    test: Samples,
    out: str | Path,
    task: Task | None = None,
    labels: Sequence[int | None] = (None,),
    seeds: Sequence[int] = (0,),
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    console: Console | None = None,
) -> dict[str, Any]:
    """A linear model on the frozen features of every choice of kinds, on the same samples.

    Beside them the same of untrained encoders, of all kinds together, and of what can be said of each kind without a
    network. Samples that lack a kind are left out, and told: what one kind says could not be compared on them.

    Args:
        encoder: Of several kinds, which gives features of what it is given.
        train: Labelled samples to learn from.
        test: Others of the same labels, of other patients.
        out: Evaluation folder of a run.
        task: What is asked; None asks what the labels are for.
        labels: Evaluations, by labels of each class (or in all); None takes all labels.
        seeds: One a repetition: of the draw of few labels, and of untrained weights.
        device: Where to compute.
        batch_size: Samples at once.
        console: Prints the tables; None prints to the standard output.

    Returns:
        What ``protocol.json`` holds.

    Raises:
        DataError: If no sample has all kinds, or labels do not suffice.
    """
    task = task or task_of(train)
    names = list(encoder.kinds)
    plain, data = read_all(labelled(train, test), [train.kinds[name] for name in names], out=out, batch_size=batch_size)
    reading: dict[str, Any] = {"device": device, "batch_size": batch_size}
    own = features_of_ways(encoder, data.samples, ways_of(every_choice(names)), **reading)
    whole = ways_of([names])
    fresh = {seed: features_of_ways(encoder.fresh(seed=seed), data.samples, whole, **reading) for seed in seeds}
    models = {name: model for name, model in task.models(neighbours=1).items() if name != NEIGHBOURS}
    found = {}
    for each in labels:
        evaluation = task.budget(each)
        found[evaluation] = compare_estimators(
            {
                f"{way}, {name}": OnFeatures(features=rows, model=model)
                for way, rows in own.items()
                for name, model in models.items()
            },
            baselines={**_untrained(fresh, called(names), models), **plain_estimators(plain, task)},
            data=data,
            task=task,
            folds=Folds(each=each, count=1, seeds=seeds, validate=False),
        )
        print_scores(evaluation, found[evaluation], task, console or Console())
    return write_protocol(found, data=data, task=task, out=Path(out))


@torch.no_grad()
def features_of_ways(
    encoder: Encoder,
    samples: Items[Mapping[str, Any]],
    ways: Ways,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
) -> dict[str, np.ndarray]:
    """Features ``(N, D)`` of each way: the encoder is given these kinds, and nothing else.

    Raises:
        DataError: If a sample cannot be read.
    """
    assert isinstance(encoder, nn.Module)
    encoder.to(device).eval()
    lost, parts = dict[int, str](), {way: list[Tensor]() for way in ways}
    for _, batch in each_batch(samples, device=device, batch_size=batch_size, left_out=lost):
        for way, names in ways.items():
            parts[way].append(over_views_of_kinds(batch, encoder.features, names=names).float().cpu())
    if lost:
        raise DataError(f"{len(lost)} samples cannot be read: {next(iter(lost.values()))}", remedy="prepare them again")
    return {way: torch.cat(rows).numpy() for way, rows in parts.items()}


def _untrained(fresh: Mapping[int, Features], way: str, models: Mapping[str, BaseEstimator]) -> dict[str, Estimator]:
    return {
        f"{UNTRAINED}, {name}": PerSeed(
            of={seed: OnFeatures(features=rows[way], model=model) for seed, rows in fresh.items()}
        )
        for name, model in models.items()
    }
