"""A classifier that was trained already: evaluated on held-out samples, beside baselines that learn from the same."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import nn

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.classify.comparison import Folds, compare_estimators
from medmae.evaluate.classify.estimators import Trained
from medmae.evaluate.classify.labelled import kind_of, labelled, task_of
from medmae.evaluate.classify.protocol import TUNED, plain_estimators, read_all
from medmae.evaluate.classify.protocol_tables import print_scores, write_protocol
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.classify.task import Trainable
from medmae.evaluate.classify.ways import Ways


def evaluate_trained(
    *,
    network: nn.Module,
    name: str | None = None,
    ways: Ways | None = None,
    train: Samples,
    held_out: Samples,
    out: str | Path,
    task: Trainable | None = None,
    by: str = TUNED,
    device: torch.device | str = "cpu",
    console: Console | None = None,
) -> dict[str, Any]:
    """A network on held-out samples, beside the same answer to all and what can be said without a network.

    Args:
        network: Trained on ``train``; takes data in its own units.
        name: Of the kind of data that it takes; None of one that takes several by name.
        ways: Of that one, each by what it is called: kinds that are given to it, and nothing else. All are asked of
            the same samples, which have all kinds.
        train: What it learnt from.
        held_out: Labelled samples of other patients.
        out: Evaluation folder of a run; see :func:`medmae.evaluate.classify.protocol_tables.write_protocol`.
        task: What is asked; None asks what the labels are for.
        by: How it came to what it says, for tables.
        device: Where to compute.
        console: Prints the table; None prints to the standard output.

    Returns:
        What ``protocol.json`` holds.

    Raises:
        DataError: If a class has no sample to learn from, the sets share a patient, or no sample can be read.
    """
    task = task or task_of(train)
    if isinstance(task, SingleLabel):
        require_classes(train)
        if absent := _absent(held_out.labels, train.classes):
            missing = f"no held-out {held_out.view.noun} of {', '.join(absent)}"
            warnings.warn(f"{missing}: figures are of the other classes", stacklevel=2)
    given: Mapping[str, str | Sequence[str]] = {"this network": name} if name is not None else dict(ways or {})
    named = {one for some in (ways or {}).values() for one in some}
    kinds = kind_of(train) if name is not None else [kind for one, kind in train.kinds.items() if one in named]
    plain, data = read_all(labelled(train, held_out), kinds, out=out)
    found = compare_estimators(
        {
            f"{way}, {by}": Trained(network=network, samples=data.samples, name=names, device=device)
            for way, names in given.items()
        },
        baselines=plain_estimators(plain, task),
        data=data,
        task=task,
        folds=Folds(count=1),
    )
    evaluation = task.budget(None)
    print_scores(evaluation, found, task, console or Console())
    return write_protocol({evaluation: found}, data=data, task=task, out=Path(out))


def require_classes(train: Samples) -> None:
    """Refuses to learn from a set that lacks a class.

    Raises:
        DataError: With the classes that no sample of it shows.
    """
    if absent := _absent(train.labels[train.labels >= 0], train.classes):
        raise DataError(
            f"no {train.view.noun} of {', '.join(absent)} to learn from",
            path=train.source.path,
            field="classes",
            value=list(train.classes),
            remedy="name classes that patients of the train split have, split the patients otherwise, or, to evaluate "
            "a classifier on data of another place, pass --train_dir: the data that it was trained on",
        )


def _absent(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, found in zip(classes, counts, strict=True) if not found]
