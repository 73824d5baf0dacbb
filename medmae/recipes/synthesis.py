"""How a synthesis bundle begins, on a pre-trained encoder, and what it does when training or evaluation is over."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from medmae.data.manifest import Manifest
from medmae.data.samples import Samples
from medmae.data.volumes.target_intensity import NAME, write_target_intensities
from medmae.errors import LaterFailures
from medmae.evaluate.leakage import require_unseen
from medmae.evaluate.reconstruct.reconstruction import DescribedDataset
from medmae.evaluate.synthesis.calibration_file import NAME as CALIBRATION
from medmae.evaluate.synthesis.calibration_file import FittedSpread, read_calibration
from medmae.evaluate.synthesis.method import calibrate_method, calibration_tasks, evaluate_method
from medmae.methods.mt_unet import MTUNet
from medmae.recipes.finish import finish_evaluation, record_training
from medmae.recipes.start import clear_evaluation, start_evaluation
from medmae.recipes.synthesis_task import Contrasts, paired_subjects, require_task, write_task
from medmae.report import write_report
from medmae.weights.adapt import Adaptation
from medmae.weights.io import load_weights
from medmae.weights.maps.edge_mae import EDGE_MAE
from medmae.weights.pretrained import load_encoder

WEIGHTS = "synthesis.safetensors"


def start_synthesis(
    *,
    method: MTUNet,
    pretrained: str | Path | None,
    manifest: str | Path,
    model_dir: str | Path,
    dataset: Samples,
    source: str | None,
    target: str | None,
    contrasts: Contrasts = None,
    uncertainty: bool = False,
) -> None:
    """Loads the pre-trained encoder into encoder and judge, and notes what is to be made of what.

    Args:
        method: Not trained yet.
        pretrained: ``pretraining.safetensors`` of an Edge-MAE run, or a published ``EdgeMAE.pth`` or ``E.pth``; None
            trains from scratch.
        manifest: Of the data to train on; its test subjects must not have been pre-trained on.
        model_dir: Receives ``target_intensity.json`` and ``task.json``, before anything is trained.
        dataset: Pairs to train on: target intensities are those of its subjects, of all training subjects or a share.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        uncertainty: Whether the spread is to be calibrated when training is over.

    Raises:
        DataError: If the weights do not fit or have seen a test subject, no subject of the data set has a target, or
            there is no validation subject to calibrate on.
        ValueError: If there are no weights, and yet features are to be judged by them.
    """
    if uncertainty:
        calibration_tasks(manifest=manifest, source=source, target=target, contrasts=contrasts)
    _load_pretrained(method, pretrained, manifest=manifest)
    made = list(contrasts) if contrasts else [str(target)]
    known, paired = Manifest.of(manifest), tuple(sorted(set(dataset.subjects.tolist())))
    write_target_intensities(Path(model_dir) / NAME, manifest=known, contrasts=made, subjects=paired)
    write_task(model_dir, source=source, target=target, contrasts=contrasts, manifest=known, paired=paired)


def load_synthesis(
    *, method: MTUNet, model_dir: str | Path, source: str | None, target: str | None, contrasts: Contrasts = None
) -> None:
    """Loads trained weights, for the task that they were trained for.

    Args:
        method: Receives them.
        model_dir: Folder of ``synthesis.safetensors`` and ``task.json``.
        source: As wanted now.
        target: As wanted now.
        contrasts: As wanted now, in order: a channel means a contrast.

    Raises:
        DataError: If the weights do not fit, or were trained to make something else.
    """
    load_weights(method, Path(model_dir) / WEIGHTS)
    require_task(model_dir, source=source, target=target, contrasts=contrasts)


def evaluate_run(
    *,
    method: MTUNet,
    manifest: str | Path,
    dataset_dir: str | Path,
    output_dir: str | Path,
    model_dir: str | Path,
    source: str | None,
    target: str | None,
    contrasts: Contrasts = None,
    split: str = "test",
    smooth: float = 0.0,
    uncertainty: bool = False,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Evaluates trained weights on a split, records that, and reports, also when some case could not be read.

    Arguments as in :func:`finish_synthesis`; ``split`` is whom to evaluate on, and ``smooth`` as inference has it.

    Raises:
        DataError: If ``output_dir`` is that of a training.
        SomeFailedError: At the end, with the cases that were left out.
    """
    start_evaluation(output_dir)
    failures = LaterFailures()
    with failures.kept():
        evaluate_method(
            method=method,
            manifest=manifest,
            out=Path(output_dir) / "evaluation",
            paired=paired_subjects(model_dir, manifest=manifest),
            calibration=_stored_calibration(model_dir) if uncertainty else None,
            source=None if contrasts else source,
            target=None if contrasts else target,
            contrasts=contrasts,
            split=split,
            smooth=smooth,
            uncertainty=uncertainty,
            batch_size=batch_size,
            device=device,
        )
    finish_evaluation(
        method=method,
        dataset_dir=dataset_dir,
        output_dir=output_dir,
        weights=Path(model_dir) / WEIGHTS,
        title=title,
        bundle=bundle,
        config=config,
    )
    failures.raise_any()


@rank_zero_only
def finish_synthesis(
    *,
    method: MTUNet,
    network: nn.Module,
    trainer: pl.Trainer,
    held_out: DescribedDataset,
    manifest: str | Path,
    dataset_dir: str | Path,
    output_dir: str | Path,
    model_dir: str | Path,
    pretrained: str | Path | None,
    source: str | None,
    target: str | None,
    contrasts: Contrasts = None,
    uncertainty: bool = False,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Writes weights, evaluates whole volumes, records the run, and reports.

    Args:
        method: The trained method.
        network: What ``models/model.pt`` holds: the method as a plain network.
        trainer: Trained it.
        held_out: Pairs of test subjects; if there are none, evaluation is left out and the report says so.
        manifest: Of the prepared data set.
        dataset_dir: Its folder.
        output_dir: The run directory.
        model_dir: Receives ``model.pt``, ``model.safetensors`` and ``synthesis.safetensors``, and with ``uncertainty``
            ``calibration.json``.
        pretrained: What training began with; whom that has seen is recorded, too.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        uncertainty: Also calibrate the spread of test-time augmentation on validation subjects, and judge it on others.
        batch_size: Slices at once.
        device: Evaluates there.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.

    Raises:
        SomeFailedError: At the end, with the held-out cases that could not be read.
    """
    output, stored = Path(output_dir), Path(model_dir) / CALIBRATION
    stored.unlink(missing_ok=True)  # an earlier training's: of other weights
    clear_evaluation(output)
    hashes = record_training(
        method=method,
        network=network,
        trainer=trainer,
        dataset_dir=dataset_dir,
        output_dir=output,
        model_dir=model_dir,
        title=title,
        bundle=bundle,
        config=config,
        whole=WEIGHTS,
        pretrained=pretrained,
    )
    options: dict[str, Any] = {"method": method, "manifest": manifest, "batch_size": batch_size, "device": device}
    options |= {"source": source, "target": target, "contrasts": contrasts}
    failures, fitted = LaterFailures(), None
    if uncertainty:
        fitted = _calibrate(stored, hashes[WEIGHTS], failures, **options)
    if len(held_out):
        paired = paired_subjects(model_dir, manifest=manifest)
        more: dict[str, Any] = {"uncertainty": fitted is not None, "calibration": fitted, "paired": paired}
        with failures.kept():
            evaluate_method(out=output / "evaluation", **options, **more)
    print(f"report: {write_report(output)}")
    failures.raise_any()


def _calibrate(path: Path, weights_sha256: str, failures: LaterFailures, **options: Any) -> FittedSpread | None:
    fitted, failed = calibrate_method(path=path, weights_sha256=weights_sha256, **options)
    if failed:
        failures.add("the spread was not calibrated on everyone: " + "; ".join(failed))
    return fitted


def _stored_calibration(model_dir: str | Path) -> FittedSpread | None:
    """What training measured; None if it did not, and evaluation then fits its own."""
    path = Path(model_dir) / CALIBRATION
    return read_calibration(path, weights=Path(model_dir) / WEIGHTS) if path.is_file() else None


def _load_pretrained(method: MTUNet, pretrained: str | Path | None, *, manifest: str | Path) -> None:
    if pretrained is None:
        if method.judge is not None:
            raise ValueError(
                "without a pre-trained encoder nothing can judge features: give --pretrained PATH to the "
                "pretraining.safetensors that medmae run mr_edge_mae_pretraining train makes, or train from scratch "
                "with --feature_weight 0"
            )
        warnings.warn("no pre-trained encoder: training from scratch, without feature consistency", stacklevel=3)
        return
    require_unseen(model_dir=Path(pretrained).parent, manifest=manifest)
    published = Path(pretrained).suffix in (".pth", ".pt")
    adapt: tuple[Adaptation, ...] = ("channels",) if method.neighbours else ()
    into = ["encoder"] if method.judge is None else ["encoder", "judge"]
    load_encoder(method, pretrained, into=into, key_map=EDGE_MAE if published else None, adapt=adapt)
