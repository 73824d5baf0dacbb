"""What every pre-training bundle does when training is over: weights, evaluation, record, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.reconstruction import DescribedDataset, evaluate_reconstruction
from medmae.evaluate.report import write_report
from medmae.files import write_text
from medmae.methods.base import Method
from medmae.weights.io import import_state, load_state, save_pt, save_safetensors

_RECORDED_PACKAGES = ("medmae", "torch", "monai", "pytorch-lightning", "timm", "numpy", "nibabel")


@rank_zero_only
def finish_pretraining(
    *,
    method: Method,
    network: nn.Module,
    trainer: pl.Trainer,
    held_out: DescribedDataset,
    dataset_dir: str | Path,
    output_dir: str | Path,
    model_dir: str | Path,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Writes weights, evaluates on held-out subjects, records the run, and makes the report.

    Args:
        method: The trained method.
        network: What ``models/model.pt`` holds: the encoder as a plain network.
        trainer: Trained it.
        held_out: Samples of subjects that training never saw; if empty, evaluation is left out and the report says so.
        dataset_dir: The prepared data set.
        output_dir: The run directory.
        model_dir: Receives ``model.pt``, ``model.safetensors`` and ``pretraining.safetensors``.
        device: Evaluates there.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.
    """
    output = Path(output_dir)
    hashes = save_models(method=method, network=network, model_dir=model_dir)
    timer = next((c for c in trainer.callbacks if isinstance(c, Timer)), None)
    record = {
        "title": title,
        "method": type(method).__name__,
        "bundle": bundle,
        "config": {name: _plain(value) for name, value in config.items()},
        "versions": {name: version(name) for name in _RECORDED_PACKAGES},
        "hashes": hashes,
        "data": summarise_data(dataset_dir),
        "seconds": timer.time_elapsed("train") if timer else None,
        "parameters": sum(p.numel() for p in method.parameters()),
    }
    write_text(output / "run.json", json.dumps(record, indent=2))
    if len(held_out):
        evaluate_reconstruction(method=method.to(device), dataset=held_out, out=output / "evaluation")
    print(f"report: {write_report(output)}")  # noqa: T201 - the one line a user waits for


def save_models(*, method: Method, network: nn.Module, model_dir: str | Path) -> dict[str, str]:
    """Writes ``model.pt`` and its safetensors twin (the encoder), and ``pretraining.safetensors`` (everything).

    Returns:
        sha256 by file name.
    """
    folder = Path(model_dir)
    about = {"method": type(method).__name__, "network": type(network).__name__, "medmae": version("medmae")}
    return {
        "model.pt": save_pt(network.state_dict(), folder / "model.pt"),
        "model.safetensors": save_safetensors(network.state_dict(), folder / "model.safetensors", metadata=about),
        "pretraining.safetensors": save_safetensors(
            method.state_dict(), folder / "pretraining.safetensors", metadata=about
        ),
    }


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Loads weights of our own layout, strictly.

    Raises:
        DataError: If the file is missing or damaged, or belongs to a network of another size.
    """
    state = load_state(path)
    try:
        import_state(module, state)
    except ValueError as error:
        remedy = "give the same sizes as in training, for instance the same --method::_target_ and --image_size"
        raise DataError(str(error), path=path, remedy=remedy) from error


def _plain(value: object) -> object:
    """JSON's own types stay; all else is written as its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
