"""A trained classifier on disk: its weights, and which classes they are for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from medmae.errors import DataError
from medmae.recipes.task_file import NAME, task_of
from medmae.weights.io import load_weights

WEIGHTS = "classifier.safetensors"


def load_classifier(method: nn.Module, model_dir: str | Path, *, classes: Sequence[str]) -> None:
    """Loads a trained classifier, for the classes that it was trained for.

    Raises:
        DataError: If the weights do not fit, or were trained for other classes or in another order, or nothing but
            ``task.json`` could tell the classes, and does not.
    """
    weights = Path(model_dir) / WEIGHTS
    load_weights(method, weights)
    task, said_by = task_of(weights, fields=("classes",))
    if task is None:
        warnings.warn(
            f"{weights} does not say which classes it knows, and there is no {NAME} beside it: nobody can tell; see "
            "that --classes are those of training, in their order",
            stacklevel=3,
        )
        return
    known = list(task.get("classes", ()))
    if known != list(classes):
        raise DataError(
            f"these weights were trained for other classes, {', '.join(map(str, known)) or 'none'}",
            path=said_by,
            field="classes",
            value=list(classes),
            remedy=f"leave --classes out, or pass --classes {json.dumps(known)}",
        )
