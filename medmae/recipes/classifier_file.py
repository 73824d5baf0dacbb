"""A trained classifier on disk: its weights, and which classes they are for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from medmae.errors import DataError
from medmae.methods.classification import Classification
from medmae.recipes.task_file import NAME, read_record, write_record
from medmae.weights.io import load_weights

WEIGHTS = "classifier.safetensors"


def write_classes(model_dir: str | Path, *, classes: Sequence[str]) -> None:
    """Writes ``task.json``, before anything is trained."""
    write_record(model_dir, {"classes": list(classes)})


def load_classifier(method: Classification, model_dir: str | Path, *, classes: Sequence[str]) -> None:
    """Loads a trained classifier, for the classes that it was trained for.

    Raises:
        DataError: If the weights do not fit, or were trained for other classes or in another order, or ``task.json``
            tells no classes.
    """
    load_weights(method, Path(model_dir) / WEIGHTS)
    record = read_record(model_dir, fields=("classes",))
    if record is None:
        warnings.warn(
            f"there is no {NAME} at {model_dir}: nobody can tell which classes these weights know", stacklevel=3
        )
        return
    known = record["classes"]
    if known != list(classes):
        raise DataError(
            "these weights were trained for other classes",
            path=Path(model_dir) / NAME,
            field="classes",
            value=list(classes),
            remedy=f"pass --classes {json.dumps(known)}",
        )
