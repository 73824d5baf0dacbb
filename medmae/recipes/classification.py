"""How a bundle that classifies begins, on a pre-trained encoder, and what it does when training is over."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from medmae.data.samples import Samples
from medmae.data.table import Table
from medmae.errors import DataError, LaterFailures
from medmae.evaluate.classify.trained import evaluate_trained, map_trained, require_classes
from medmae.evaluate.leakage import require_unseen
from medmae.methods.classification import Classification
from medmae.nn.heads import Scaled
from medmae.recipes.finish import finish_evaluation, record_training
from medmae.recipes.start import clear_evaluation, start_evaluation
from medmae.recipes.task_file import NAME, read_record, write_record
from medmae.report import write_report
from medmae.weights.io import load_weights
from medmae.weights.pretrained import load_encoder

WEIGHTS = "classifier.safetensors"


def start_classification(
    *,
    method: Classification,
    pretrained: str | Path | None,
    manifest: str | Path | Table,
    train: Samples,
    model_dir: str | Path,
    classes: Sequence[str],
) -> None:
    """Loads the pre-trained encoder, and notes what is to be told apart.

    Args:
        method: Not trained yet.
        pretrained: ``pretraining.safetensors``; None trains from scratch.
        manifest: Of the labelled data, or images as they were read; pre-training must not have seen test patients.
        train: What will be learnt from.
        model_dir: Receives ``task.json``, before anything is trained.
        classes: In the order of the outputs.

    Raises:
        DataError: If a class has nothing to learn from, or the weights do not fit or have seen a test patient.
    """
    require_classes(train)
    if pretrained is None:
        warnings.warn("no pre-trained encoder: training from scratch", stacklevel=2)
    else:
        require_unseen(model_dir=Path(pretrained).parent, manifest=manifest)
        load_encoder(method, pretrained)
    write_record(model_dir, {"classes": list(classes), **_scale_of(method)})


def load_classification(*, method: Classification, model_dir: str | Path, classes: Sequence[str]) -> None:
    """Loads a trained classifier, for the classes and the scale of images that it was trained for.

    Raises:
        DataError: If the weights do not fit, or were trained for other classes, in another order, or on images of
            another scale, or ``task.json`` tells no classes.
    """
    load_weights(method, Path(model_dir) / WEIGHTS)
    record = read_record(model_dir, fields=("classes",))
    if record is None:
        warnings.warn(
            f"there is no {NAME} at {model_dir}: nobody can tell which classes these weights know", stacklevel=2
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
    scale = _scale_of(method)
    known = {name: record[name] for name in scale if name in record}  # records of earlier versions tell none
    if known and known != scale:
        raise DataError(
            "these weights were trained on images of another scale",
            path=Path(model_dir) / NAME,
            field="mean, std",
            value=scale,
            remedy="pass " + " ".join(f"--{name} '{json.dumps(value)}'" for name, value in known.items()),
        )


def _scale_of(method: Classification) -> dict[str, list[float]]:
    """What images in [0, 1] are scaled by, of each channel or one number for all; nothing if they are not scaled."""
    for part in method.modules():
        if isinstance(part, Scaled):
            return {"mean": part.mean.flatten().tolist(), "std": part.deviation.flatten().tolist()}
    return {}


@rank_zero_only
def finish_classification(
    *,
    method: Classification,
    network: nn.Module,
    trainer: pl.Trainer,
    train: Samples,
    held_out: Samples,
    dataset_dir: str | Path | Table,
    output_dir: str | Path,
    model_dir: str | Path,
    pretrained: str | Path | None,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Writes weights, evaluates on held-out patients beside colour alone, records the run, and reports.

    Args:
        method: The trained method.
        network: What ``models/model.pt`` holds.
        trainer: Trained it.
        train: What it learnt from.
        held_out: Tiles or images of test patients; if there are none, evaluation is left out and the report says so.
        dataset_dir: The prepared data set, or images that were read as they are.
        output_dir: The run directory.
        model_dir: Receives ``model.pt``, ``model.safetensors`` and ``classifier.safetensors``.
        pretrained: What training began with; whom that has seen is recorded, too.
        device: Evaluates there.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.
    """
    output = Path(output_dir)
    clear_evaluation(output)
    record_training(
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
    if len(held_out):
        evaluate_trained(network=network, train=train, held_out=held_out, out=output / "evaluation", device=device)
    print(f"report: {write_report(output)}")


def evaluate_classification(
    *,
    method: Classification,
    network: nn.Module,
    train: Samples,
    held_out: Samples,
    dataset_dir: str | Path | Table,
    output_dir: str | Path,
    model_dir: str | Path,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Evaluates a trained classifier on held-out patients, records that, and reports; see the above.

    Raises:
        DataError: If ``output_dir`` is that of a training.
    """
    start_evaluation(output_dir)
    evaluate_trained(
        network=network, train=train, held_out=held_out, out=Path(output_dir) / "evaluation", device=device
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


def map_classification(
    *,
    method: Classification,
    network: Scaled,
    slides: Samples,
    classes: Sequence[str],
    dataset_dir: str | Path,
    output_dir: str | Path,
    model_dir: str | Path,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Maps whole slides by a trained classifier, records that, and reports, also when some slide could not be read.

    Arguments as in :func:`medmae.evaluate.classify.trained.map_trained` and :func:`finish_classification`.

    Raises:
        DataError: If ``output_dir`` is that of a training.
        SomeFailedError: At the end, with the slides that were left out.
    """
    start_evaluation(output_dir)
    failures, out = LaterFailures(), Path(output_dir) / "evaluation"
    with failures.kept():
        map_trained(slides=slides, network=network, classes=classes, out=out, shown=shown, edge=edge, device=device)
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
