"""What is written when a training or an evaluation is over: weights, and the record of the run."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import nn

from medmae.data.manifest import NAME, Manifest
from medmae.data.samples import Samples
from medmae.data.source import Source
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.leakage import contents_seen, origins_seen, subjects_seen
from medmae.evaluate.left_out import raise_left_out
from medmae.evaluate.provenance import recorded_versions, write_made_by
from medmae.files import write_text
from medmae.methods.base import Method
from medmae.recipes.circumstances import circumstances
from medmae.recipes.quality import found_in
from medmae.recipes.start import refuse_training
from medmae.report import write_report
from medmae.weights.about import About, about_header
from medmae.weights.io import save_pt, save_safetensors
from medmae.weights.quality import made_by, note_quality, sentence
from medmae.weights.unseen import header


def record_training(
    *,
    method: Method,
    network: nn.Module,
    trainer: pl.Trainer,
    dataset_dir: str | Path | Source,
    output_dir: str | Path,
    model_dir: str | Path,
    title: str,
    bundle: str,
    config: Mapping[str, Any],
    about: About,
    whole: str = "pretraining.safetensors",
    before: Sequence[str | Path] = (),
    samples: Samples | None = None,
) -> dict[str, str]:
    """Writes the weights of a training and the record of its run.

    Args:
        method: The trained method.
        network: What ``models/model.pt`` holds: the part that is given out, as a plain network.
        trainer: Trained it.
        dataset_dir: The prepared data set (or its manifest), or images that were read as they are.
        output_dir: The run directory.
        model_dir: Receives the weights.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.
        about: What the weights say of themselves; see :func:`medmae.recipes.about.about_training`.
        whole: Name of the method's file.
        before: Weights that training began with, or that taught it; whom these have seen is recorded, too.
        samples: What it learnt from: of a data set maybe not all.

    Returns:
        sha256 of the weights by file name.
    """
    hashes = save_models(method=method, network=network, model_dir=model_dir, about=about, whole=whole)
    folders = [Path(weights).parent for weights in before]
    record_run(
        run=str(about["run"]),
        method=method,
        dataset_dir=dataset_dir,
        output_dir=output_dir,
        title=title,
        bundle=bundle,
        config=config,
        model_dir=model_dir,
        hashes=hashes,
        weights=Path(model_dir) / whole,
        device=trainer.strategy.root_device,
        devices=trainer.world_size,
        seconds=seconds_of(trainer),
        trained_on=_trained_on(samples),
        pretrained_on=set().union(*map(subjects_seen, folders)),
        pretrained_contents=set().union(*map(contents_seen, folders)),
        weights_origins=set().union(*map(origins_seen, folders)),
    )
    return hashes


def finish_evaluation(
    *,
    method: Method,
    dataset_dir: str | Path | Source,
    output_dir: str | Path,
    weights: str | Path,
    title: str,
    bundle: str,
    config: Mapping[str, Any],
    device: torch.device | str = "cpu",
    split: str | None = None,
    measures: bool = True,
) -> None:
    """Records an evaluation of given weights and makes its report; arguments as in :func:`record_training`.

    What it measured is noted beside the weights; a run that used them without measuring anything says first how good
    they were found to be, or that nobody looked.

    Args:
        method: That was evaluated.
        dataset_dir: On what.
        output_dir: The run directory of the evaluation.
        weights: Their file.
        title: Of the report.
        bundle: Its name.
        config: Settings.
        device: That it ran on.
        split: Of the data; None: all.
        measures: Whether figures of the weights were measured.

    Raises:
        DataError: If ``output_dir`` is that of a training.
        SomeFailedError: At the end, with the samples that the evaluation left out.
    """
    refuse_training(output_dir)
    made, run = made_by(weights), secrets.token_hex(8)
    told = {name: value for name, value in made.items() if not measures or name != "quality"}
    record_run(
        run=run,
        made_by=told,
        notes=() if measures else [sentence(made)],
        method=method,
        dataset_dir=dataset_dir,
        output_dir=output_dir,
        title=title,
        bundle=bundle,
        config=config,
        model_dir=Path(weights).parent,
        hashes={made["file"]: made["sha256"]},
        weights=weights,
        device=device,
        seconds=None,
        weights_origins=origins_seen(Path(weights).parent),
    )
    write_made_by(Path(output_dir) / "evaluation", {"run": run, "made_by": told})
    if measures:
        note_figures(weights, output_dir, data=dataset_dir, split=split, how=title, run=run)
    print(f"report: {write_report(output_dir)}")
    raise_left_out(Path(output_dir) / "evaluation")


def note_figures(
    weights: str | Path, output_dir: str | Path, *, data: str | Path | Source, split: str | None, how: str, run: str
) -> None:
    """Notes beside weights what a run measured of them.

    Args:
        weights: Their file.
        output_dir: The run directory, its record written.
        data: On what it measured.
        split: Of the data.
        how: Title of the evaluation.
        run: Its id.
    """
    sha256 = Manifest.of(folder_of(data) / NAME).sha256 if isinstance(data, str | Path) else data.sha256
    about = {"data": folder_of(data).name, "data_sha256": sha256, "split": split, "how": how, "run": run}
    if found := found_in(Path(output_dir), **about):
        note_quality(weights, found)


def record_run(
    *,
    method: Method,
    dataset_dir: str | Path | Source,
    output_dir: str | Path,
    title: str,
    bundle: str,
    config: Mapping[str, Any],
    model_dir: str | Path,
    hashes: Mapping[str, str],
    weights: str | Path,
    device: torch.device | str,
    devices: int = 1,
    seconds: float | None,
    trained_on: Mapping[str, Any] | None = None,
    run: str,
    pretrained_on: Collection[str] = (),
    pretrained_contents: Collection[str] = (),
    weights_origins: Collection[str] = (),
    made_by: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Writes ``run.json``: what ran, on what data, when, where, by which command, settings, versions and weights.

    Arguments as in :func:`record_training`, and ``weights``, their file; ``device`` and ``devices``, that it ran on;
    ``trained_on``, the number of ``samples``, their ``noun`` and the ``subjects`` they are of; ``run``, its id;
    ``pretrained_on`` and ``pretrained_contents``, subjects, and hashes of what they are made of, that the weights it
    began with had seen; ``weights_origins``, where those came from; ``made_by``, of an evaluation: the weights, their
    run and how good they are; ``notes``, which its report shows first.
    """
    record = {
        "run": run,
        "title": title,
        "method": type(method).__name__,
        "bundle": bundle,
        "config": {name: _plain(value) for name, value in config.items()},
        "paths": {
            "dataset_dir": _absolute(folder_of(dataset_dir)),
            "output_dir": _absolute(output_dir),
            "model_dir": _absolute(model_dir),
            "weights": _absolute(weights),
        },
        **circumstances(device, devices=devices),
        "versions": recorded_versions(),
        "hashes": dict(hashes),
        "data": summarise_data(dataset_dir),
        "trained_on": dict(trained_on or {}),
        "pretrained_on": sorted(pretrained_on),
        "pretrained_contents": sorted(pretrained_contents),
        "weights_origins": sorted(weights_origins),
        **({} if made_by is None else {"made_by": dict(made_by)}),
        "notes": list(notes),
        "seconds": seconds,
        "parameters": sum(p.numel() for p in method.parameters()),
    }
    write_text(Path(output_dir) / "run.json", json.dumps(record, indent=2))


def _trained_on(samples: Samples | None) -> dict[str, Any]:
    if samples is None:
        return {}
    return {"samples": len(samples), "noun": samples.view.noun, "subjects": sorted(set(samples.subjects.tolist()))}


def folder_of(data: str | Path | Source) -> Path:
    """The folder of a prepared data set, given as that or as its manifest; where anything else comes from."""
    path = Path(data if isinstance(data, str | Path) else data.path)
    return path.parent if path.name == NAME else path


def seconds_of(trainer: pl.Trainer) -> float | None:
    """How long it trained, if one of its callbacks kept the time."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    timer = next((callback for callback in callbacks if isinstance(callback, Timer)), None)
    return timer.time_elapsed("train") if timer else None


def save_models(
    *,
    method: Method,
    network: nn.Module,
    model_dir: str | Path,
    about: About | None = None,
    whole: str = "pretraining.safetensors",
) -> dict[str, str]:
    """Writes ``model.pt`` and its safetensors twin (the plain network), and a file of the whole method.

    Args:
        method: Everything that was trained.
        network: The part that is given out.
        model_dir: Folder.
        about: What the files say of themselves, ``model.pt`` in its twin.
        whole: Name of the method's file.

    Returns:
        sha256 by file name.
    """
    folder, twin = Path(model_dir), "model.safetensors"
    said = {"method": type(method).__name__, "network": type(network).__name__, "medmae": version("medmae")}
    said |= {} if about is None else about_header(about)
    return {
        "model.pt": save_pt(network.state_dict(), folder / "model.pt"),
        twin: save_safetensors(network.state_dict(), folder / twin, metadata={**said, **header(network)}),
        whole: save_safetensors(method.state_dict(), folder / whole, metadata={**said, **header(method)}),
    }


def _absolute(path: str | Path) -> str:
    return str(Path(path).absolute())


def _plain(value: object) -> object:
    """JSON's own types stay; all else is written as its text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
