"""How good weights are by the tables that an evaluation left: what is noted beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medmae.evaluate.classify.protocol_tables import RECORD as PROTOCOL
from medmae.evaluate.faces.evaluation import RECORD as UNITS
from medmae.evaluate.retrieval.evaluation import RECORD as RETRIEVAL
from medmae.evaluate.words.answers import RECORD as ANSWERS
from medmae.files import read_object
from medmae.report.evaluations import read_run
from medmae.report.metrics import comparisons
from medmae.weights.quality import Quality

_REMEDY = "evaluate again"


def found_in(folder: Path, **about: Any) -> list[Quality]:
    """Figures of an evaluated run, the one to be told first; none of a run that measured nothing.

    Args:
        folder: The run directory.
        about: What all have in common: ``data``, ``split``, ``how``, ``run``.
    """
    known = (folder / "evaluation" / name for name in (RETRIEVAL, ANSWERS, UNITS, PROTOCOL))
    records = [path for path in known if path.is_file()]
    if records:
        tasks = [task for path in records for task in read_object(path, remedy=_REMEDY).get("tasks", {}).items()]
        return [Quality(**figure, **about) for name, record in tasks for figure in _of_task(name, record)]
    if not (folder / "evaluation" / "summary.json").is_file():
        return []
    return list(_of_scores(folder, about))


def _of_scores(folder: Path, about: Mapping[str, Any]) -> Iterator[Quality]:
    found_all = comparisons(read_run(folder))
    whole = {found.stem for found in found_all if not found.variant}
    for found in found_all:
        if found.variant and found.stem in whole:
            continue
        best = found.baselines[0] if found.baselines else None
        model = found.model
        yield Quality(
            metric=found.label + (f" [{found.unit}]" if found.unit else ""),
            value=model.mean,
            ci_low=model.ci_low,
            ci_high=model.ci_high,
            units=model.n_subjects,
            beside=None if best is None or best.mean is None else (best.label.lower(), best.mean),
            **about,
        )


def _of_task(name: str, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The headline of every estimator on this network, beside the best baseline."""
    scores, baselines = record["scores"], set(record["baselines"])
    metric, sign = record["task"]["headline"], 1 if record["task"]["higher_is_better"] else -1
    values = {each: scores[each]["metrics"][metric]["mean"] for each in scores if each in baselines}
    best = max(((sign * value, each) for each, value in values.items() if value is not None), default=None)
    for each in scores:
        if each in baselines:
            continue
        figure = scores[each]["metrics"][metric]
        yield {
            "metric": f"{metric.replace('_', ' ')}, {name}, {each}",
            "value": figure["mean"],
            "ci_low": figure["ci_low"],
            "ci_high": figure["ci_high"],
            "units": figure["n_units"],
            "unit": record["unit"],
            "beside": None if best is None else (best[1], sign * best[0]),
        }
