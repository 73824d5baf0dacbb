"""A synthesis method evaluated as what it is: its sizes need not be said again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import torch

from medmae.data.manifest import Manifest
from medmae.evaluate.synthesis.calibration_file import FittedSpread, write_calibration
from medmae.evaluate.synthesis.case_scores import SynthesisCases, require_tasks
from medmae.evaluate.synthesis.evaluation import evaluate_synthesis
from medmae.evaluate.synthesis.network import Synthesiser
from medmae.evaluate.synthesis.task import Task
from medmae.evaluate.synthesis.uncertainty import fit_spread
from medmae.methods.mt_unet import MTUNet


def evaluate_method(
    *,
    method: MTUNet,
    manifest: str | Path | Manifest,
    out: str | Path,
    source: str | None,
    target: str | None,
    contrasts: Sequence[str] | None = None,
    split: str = "test",
    smooth: float = 0.0,
    uncertainty: bool = False,
    calibration: FittedSpread | None = None,
    paired: Collection[str] | None = None,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, Any]]:
    """See :func:`medmae.evaluate.synthesis.evaluation.evaluate_synthesis`.

    Network, size, patch and neighbours are the method's.
    """
    return evaluate_synthesis(
        network=method.to(device).eval().synthesise,
        manifest=manifest,
        out=out,
        size=method.patches.size,
        patch=method.patches.patch[0] if len(method.patches.size) == 2 else None,
        source=source,
        target=target,
        contrasts=contrasts,
        split=split,
        neighbours=method.neighbours,
        smooth=smooth,
        uncertainty=uncertainty,
        calibration=calibration,
        paired=paired,
        batch_size=batch_size,
        device=device,
    )


def calibration_tasks(
    *,
    manifest: str | Path | Manifest,
    source: str | None,
    target: str | None,
    contrasts: Sequence[str] | None = None,
) -> tuple[SynthesisCases, list[Task]]:
    """What a spread is calibrated on: the validation subjects who have both source and target.

    Raises:
        DataError: If there is none.
    """
    val = SynthesisCases(manifest=manifest, split="val", source=source, target=target, contrasts=contrasts)
    return val, require_tasks(val, split="val", why="the spread is calibrated on it")


def calibrate_method(
    *,
    method: MTUNet,
    manifest: str | Path | Manifest,
    path: str | Path,
    weights_sha256: str,
    source: str | None,
    target: str | None,
    contrasts: Sequence[str] | None = None,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
) -> tuple[FittedSpread | None, list[str]]:
    """Measures on validation subjects, and on no others, what error a spread of the method means; writes that.

    Args:
        method: Trained.
        manifest: A prepared data set.
        path: Receives the calibration, whole or not at all.
        weights_sha256: Of the method's file.
        source: As in :func:`evaluate_method`, like the other arguments.
        target: Likewise.
        contrasts: Likewise.
        batch_size: Likewise.
        device: Likewise.

    Returns:
        The calibration, None if no case could be measured, and nothing is written then; and what was left out.

    Raises:
        DataError: If no validation subject has both source and target.
    """
    val, tasks = calibration_tasks(manifest=manifest, source=source, target=target, contrasts=contrasts)
    synthesiser = Synthesiser(
        network=method.to(device).eval().synthesise,
        size=method.patches.size,
        neighbours=method.neighbours,
        batch_size=batch_size,
        device=device,
    )
    fitted, failed = fit_spread(synthesiser, tasks=tasks, cases=val)
    if fitted is not None:
        write_calibration(path, fitted, weights_sha256=weights_sha256)
    return fitted, failed
