"""What weights were trained for: their own header says it; a small record beside them says it again, for people."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medmae.files import read_object, write_text
from medmae.weights.about import read_about

NAME = "task.json"
RUN = "run"


def write_record(model_dir: str | Path, record: Mapping[str, Any]) -> None:
    """Writes ``task.json`` beside weights."""
    write_text(Path(model_dir) / NAME, json.dumps(record, indent=2) + "\n")


def read_record(model_dir: str | Path, *, fields: Iterable[str] = ()) -> dict[str, Any] | None:
    """Reads ``task.json``; None if there is none.

    Args:
        model_dir: Folder of the weights.
        fields: What it must tell.

    Raises:
        DataError: If it is damaged, or of another kind of network.
    """
    path = Path(model_dir) / NAME
    remedy = "put back the one that training wrote beside these weights; without one nobody checks what they are for"
    return read_object(path, remedy=remedy, fields=fields) if path.is_file() else None


def task_of(weights: str | Path, *, fields: Iterable[str] = ()) -> tuple[Mapping[str, Any] | None, Path]:
    """What some weights were trained for, and which file says so; None if nothing does.

    The header of the weights goes before ``task.json``, which may be of another training: an earlier medmae wrote it
    before training began, and files are copied. Weights without a header of this kind have but that file.

    Args:
        weights: Their file.
        fields: What ``task.json`` must tell, where it is asked.

    Raises:
        DataError: If that is damaged, or of another kind of network.
    """
    weights = Path(weights)
    task = read_about(weights).get("task")
    if task is not None:
        return task, weights
    record = read_record(weights.parent, fields=fields)
    return (None if record is None else {k: v for k, v in record.items() if k != RUN}), weights.parent / NAME


def record_of(weights: str | Path) -> Mapping[str, Any]:
    """What ``task.json`` beside some weights tells; nothing, said aloud, of one that is of another training.

    Raises:
        DataError: If it is damaged.
    """
    weights = Path(weights)
    record, run = read_record(weights.parent) or {}, read_about(weights).get(RUN)
    if record and run is not None and record.get(RUN) != run:
        warnings.warn(
            f"{weights.parent / NAME} is not of the training that made {weights.name}: it is of run "
            f"{record.get(RUN, 'unknown')}, the weights are of run {run}; it is not used",
            stacklevel=3,
        )
        return {}
    return record
