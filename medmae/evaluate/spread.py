"""Whether the spread of test-time augmentation tells the error of a synthesis: calibrated, then judged on others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from medmae.evaluate.calibration import NOMINAL_COVERAGE, fit_calibration, judge
from medmae.evaluate.statistics import summarise
from medmae.evaluate.synthesis_cases import SynthesisCases
from medmae.evaluate.synthesis_network import Synthesiser
from medmae.evaluate.synthesis_task import Task
from medmae.files import write_text

_VOXELS = 100_000  # of each case, so that a large head weighs no more than a small one


def evaluate_spread(
    synthesiser: Synthesiser, *, fit: list[Task], test: list[Task], cases: SynthesisCases, out: Path
) -> None:
    """Writes ``calibration.json``: the fitted map, and for the test cases reliability before and after it.

    Errors are those of the mean over augmentations, in the foreground of the real target.

    Args:
        synthesiser: Makes mean and spread.
        fit: Validation tasks.
        test: Tasks of other subjects.
        cases: Reads both.
        out: Folder.
    """
    spreads, errors = _measure(synthesiser, fit, cases)
    calibration = fit_calibration(np.concatenate(list(spreads.values())), np.concatenate(list(errors.values())))
    subjects = {_name(task): task.row["subject"] for task in test}
    judged = judge(calibration, **dict(zip(("std", "error"), _measure(synthesiser, test, cases), strict=True)))
    record = {
        "definition": {
            "spread": "standard deviation over test-time augmentations, of each voxel",
            "error": "|mean over augmentations - real|, of each voxel of the foreground",
            "before": "the spread taken for the standard deviation of a normal error",
            "after": "isotonic map from spread to expected absolute error, fitted on validation subjects",
            "coverage": "share of voxels whose real value lies within two standard deviations",
            "nominal_coverage": NOMINAL_COVERAGE,
            "voxels_a_case": _VOXELS,
        },
        "fitted_on": sorted({task.row["subject"] for task in fit}),
        "map": calibration.as_dict(),
    }
    record |= {when: _over_subjects(found, subjects) for when, found in judged.items()}
    write_text(out / "calibration.json", json.dumps(record, indent=2))


def _measure(
    synthesiser: Synthesiser, tasks: list[Task], cases: SynthesisCases
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Spread and absolute error of a sample of the foreground voxels of each task, ``(N,)`` by name."""
    spreads, errors = {}, {}
    for number, task in enumerate(track(tasks, description="Measuring the spread", transient=True)):
        volumes = cases.read(task)
        mean, std = synthesiser.with_spread(task, volumes.image)
        inside = np.flatnonzero(volumes.foreground)
        if len(inside) > _VOXELS:
            inside = np.random.default_rng(number).choice(inside, _VOXELS, replace=False)
        if len(inside):
            spreads[_name(task)] = std.ravel()[inside].astype(np.float64)
            errors[_name(task)] = np.abs(mean - volumes.real).ravel()[inside].astype(np.float64)
    return spreads, errors


def _over_subjects(found: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {"curve": found["curve"]}
    for name in ("calibration_error", "coverage"):
        by_case = found[name]
        summary = summarise(list(by_case.values()), [subjects[case] for case in by_case])
        record[name] = {**summary.as_dict(), "by_case": by_case}
    return record


def _name(task: Task) -> str:
    return f"{task.row['case']} {task.target}"
