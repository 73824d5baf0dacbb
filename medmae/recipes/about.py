"""What a training writes of itself into the headers of its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmae.data.source import Source
from medmae.evaluate.leakage import seal_of
from medmae.evaluate.provenance import recorded_versions
from medmae.methods.base import Method
from medmae.methods.presets import known_as
from medmae.recipes.ct_window import said_of_ct


def about_training(
    method: Method,
    *,
    run: str,
    data: Source,
    view: Mapping[str, Any],
    task: Mapping[str, Any] | None = None,
    before: Sequence[str | Path] = (),
) -> dict[str, Any]:
    """See :func:`medmae.weights.about.about_header`; class, arguments and scale of networks have entries of their own.

    Args:
        method: That was trained.
        run: Id of the training.
        data: What it learnt from.
        view: Options of the view that it learnt through.
        task: What the network was trained for, beside what its method does by itself.
        before: Weights that training began with, or that taught it: whom these have seen, it has seen, too.
    """
    subjects = data.subjects("train")
    return {
        "run": run,
        **known_as(method),
        "kinds": {name: kind.as_dict() for name, kind in method.kinds.items()},
        "task": None if task is None else dict(task),
        "seen": seal_of(data, before=[Path(weights).parent for weights in before]),
        "data": {"name": _name(data), "sha256": data.sha256, "unit": data.unit, "trained_on": len(subjects)},
        **said_of_ct(data),
        "view": dict(view),
        "splits": getattr(data, "splitting", None),  # of images, whose source may name none
        "versions": recorded_versions(),
    }


def _name(data: Source) -> str:
    """Of its folder; where that lies is nobody's business who gets the weights."""
    path = Path(data.path)
    return (path.parent if path.suffix == ".jsonl" else path).name
