"""Whether the spread of test-time augmentation tells the error of a synthesis: calibrated, then tested on others."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from medmae.data.manifest import Manifest
from medmae.errors import DataError
from medmae.evaluate.statistics import summarise
from medmae.evaluate.synthesis.calibration import NOMINAL_COVERAGE, evaluate_calibration, fit_calibration
from medmae.evaluate.synthesis.calibration_file import NAME, FittedSpread
from medmae.evaluate.synthesis.case_scores import SynthesisCases, require_tasks
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.task import Task
from medmae.files import write_text

log = logging.getLogger(__name__)

_VOXELS = 100_000  # of each case, so that a large head weighs no more than a small one
_DEFINITION = {
    "spread": "standard deviation over test-time augmentations, of each voxel",
    "error": "|mean over augmentations - real|, of each voxel of the foreground",
    "before": "the spread taken for the standard deviation of a normal error",
    "after": "isotonic map from spread to expected absolute error, fitted on validation subjects",
    "coverage": "share of voxels whose real value lies within two standard deviations",
    "nominal_coverage": NOMINAL_COVERAGE,
    "voxels_a_case": _VOXELS,
}


def refuse_shared(fitted: Collection[str], tested: list[Task], *, split: str | None, path: Path) -> None:
    """A calibration tells nothing about the subjects that it was fitted on.

    Args:
        fitted: Subjects to calibrate on.
        tested: Tasks to test the calibration on.
        split: Where these come from.
        path: Of the manifest.

    Raises:
        DataError: If a subject is in both.
    """
    shared = sorted(set(fitted) & {task.row["subject"] for task in tested})
    if shared:
        raise DataError(
            f"the spread would be tested on {len(shared)} of the subjects it is calibrated on: {', '.join(shared[:5])}",
            path=path,
            field="split",
            value=split,
            remedy="evaluate on the split 'test', or without uncertainty",
        )


def calibration_tasks(*, manifest: str | Path | Manifest, **task: Any) -> tuple[SynthesisCases, list[Task]]:
    """What a spread is calibrated on: the validation subjects who have both source and target.

    Args:
        manifest: A prepared data set.
        task: ``source``, ``target`` and ``contrasts`` of :class:`SynthesisCases`.

    Raises:
        DataError: If there is none.
    """
    val = SynthesisCases(manifest=manifest, split="val", **task)
    return val, require_tasks(val, split="val", why="the spread is calibrated on it")


def fit_spread(
    synthesiser: Synthesiser, *, tasks: list[Task], cases: SynthesisCases
) -> tuple[FittedSpread | None, list[str]]:
    """Fits the map from spread to error.

    Errors are those of the mean over augmentations, in the foreground of the real target.

    Args:
        synthesiser: Makes mean and spread.
        tasks: Of validation subjects.
        cases: Reads them.

    Returns:
        The map, None if no case could be measured; and what had to be left out, and why, each of which is logged.
    """
    found = _measure(synthesiser, tasks, cases)
    if not found.std:
        return None, [*found.failed, _nothing_to("calibrate on")]
    calibration = fit_calibration(*(np.concatenate(list(by.values())) for by in (found.std, found.error)))
    subjects = sorted({task.row["subject"] for task in tasks if _name(task) in found.std})
    return FittedSpread(calibration=calibration, subjects=tuple(subjects)), found.failed


def evaluate_spread(
    synthesiser: Synthesiser,
    *,
    fitted: FittedSpread,
    test: list[Task],
    cases: SynthesisCases,
    out: Path,
    failed: Sequence[str] = (),
) -> list[str]:
    """Writes ``calibration.json``: the fitted map, and for the test cases reliability before and after it.

    Without a single case that could be measured, nothing is written.

    Args:
        synthesiser: Makes mean and spread.
        fitted: The map.
        test: Tasks of other subjects than it was fitted on.
        cases: Reads them.
        out: Folder.
        failed: What fitting had to leave out.

    Returns:
        That, and what had to be left out here, and why; each is logged.
    """
    tested = _measure(synthesiser, test, cases)
    failed = [*failed, *tested.failed]
    if not tested.std:
        return [*failed, _nothing_to("test on")]
    subjects = {_name(task): task.row["subject"] for task in test}
    record: dict[str, Any] = {
        "definition": _DEFINITION,
        "fitted_on": list(fitted.subjects),
        "failed": failed,
        "map": fitted.calibration.as_dict(),
    }
    scores = evaluate_calibration(fitted.calibration, std=tested.std, error=tested.error)
    record |= {when: _over_subjects(found, subjects) for when, found in scores.items()}
    write_text(out / NAME, json.dumps(record, indent=2))
    return failed


def _nothing_to(do: str) -> str:
    lacks = f"no case to {do} could be measured: there is no calibration"
    log.error(lacks)
    return lacks


@dataclass(frozen=True)
class _Measured:
    """Spread and absolute error of a sample of the foreground voxels of each task, ``(N,)`` by name."""

    std: dict[str, np.ndarray] = field(default_factory=dict)
    error: dict[str, np.ndarray] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def _measure(synthesiser: Synthesiser, tasks: list[Task], cases: SynthesisCases) -> _Measured:
    """Measures tasks; one that cannot be read or made is logged and left out."""
    found = _Measured()
    for number, task in enumerate(track(tasks, description="Measuring the spread", transient=True)):
        try:
            volumes = cases.read(task)
            mean, std = synthesiser.with_spread(task, volumes.image)
        except DataError as error:
            log.error("left out of the calibration: %s", error)
            found.failed.append(str(error))
            continue
        inside = np.flatnonzero(volumes.foreground)
        if len(inside) > _VOXELS:
            inside = np.random.default_rng(number).choice(inside, _VOXELS, replace=False)
        if len(inside):
            found.std[_name(task)] = std.ravel()[inside].astype(np.float64)
            found.error[_name(task)] = np.abs(mean - volumes.real).ravel()[inside].astype(np.float64)
    return found


def _over_subjects(found: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {"curve": found["curve"]}
    for name in ("calibration_error", "coverage"):
        by_case = found[name]
        summary = summarise(list(by_case.values()), [subjects[case] for case in by_case])
        record[name] = {**summary.as_dict(), "by_case": by_case}
    return record


def _name(task: Task) -> str:
    return f"{task.row['case']} {task.target}"
