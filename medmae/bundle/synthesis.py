"""How a synthesis bundle begins, on a pre-trained encoder, and what it does when training is over."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from medmae.bundle.finish import record_run, save_models, seconds_of
from medmae.data.target_intensity import NAME, write_target_intensities
from medmae.evaluate.leakage import require_unseen
from medmae.evaluate.reconstruction import DescribedDataset
from medmae.evaluate.report import write_report
from medmae.evaluate.synthesis_method import evaluate_method
from medmae.methods.mt_unet import MTUNet
from medmae.weights.maps.edge_mae import EDGE_MAE
from medmae.weights.pretrained import load_encoder

WEIGHTS = "synthesis.safetensors"


def start_synthesis(*, method: MTUNet, pretrained: str | Path | None, manifest: str | Path) -> None:
    """Loads the pre-trained encoder into the encoder and the judge of a method.

    Args:
        method: Not trained yet.
        pretrained: ``pretraining.safetensors`` of an Edge-MAE run, or a published ``EdgeMAE.pth`` or ``E.pth``; None
            trains from scratch.
        manifest: Of the data to train on; its test subjects must not have been pre-trained on.

    Raises:
        DataError: If the weights do not fit, or have seen a test subject.
        ValueError: If there are none, and yet features are to be judged by them.
    """
    if pretrained is None:
        if method.judge is not None:
            raise ValueError(
                "without a pre-trained encoder nothing can judge features: give --pretrained PATH to the "
                "pretraining.safetensors that medmae run mr_edge_mae_pretraining train makes, or train from scratch "
                "with --feature_weight 0"
            )
        warnings.warn("no pre-trained encoder: training from scratch, without feature consistency", stacklevel=2)
        return
    require_unseen(model_dir=Path(pretrained).parent, manifest=manifest)
    published = Path(pretrained).suffix in (".pth", ".pt")
    adapt = ("channels",) if method.neighbours else ()
    load_encoder(method, pretrained, key_map=EDGE_MAE if published else None, adapt=adapt)


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
    source: str | None,
    target: str | None,
    contrasts: Sequence[str] | None = None,
    uncertainty: bool = False,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Writes weights and what intensities the targets have, evaluates whole volumes, records the run, and reports.

    Args:
        method: The trained method.
        network: What ``models/model.pt`` holds: the method as a plain network.
        trainer: Trained it.
        held_out: Pairs of test subjects; if there are none, evaluation is left out and the report says so.
        manifest: Of the prepared data set.
        dataset_dir: Its folder.
        output_dir: The run directory.
        model_dir: Receives ``model.pt``, ``model.safetensors``, ``synthesis.safetensors``, ``target_intensity.json``.
        source: Contrast that a network of pairs starts from.
        target: Contrast that it makes.
        contrasts: Channels of an any-to-any network, which has neither of these.
        uncertainty: Also judge the spread of test-time augmentation.
        batch_size: Slices at once.
        device: Evaluates there.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.
    """
    output = Path(output_dir)
    hashes = save_models(method=method, network=network, model_dir=model_dir, whole=WEIGHTS)
    made = [target] if target else list(contrasts or ())
    write_target_intensities(Path(model_dir) / NAME, manifest=manifest, contrasts=made)
    record_run(
        method=method,
        dataset_dir=dataset_dir,
        output_dir=output,
        title=title,
        bundle=bundle,
        config=config,
        hashes=hashes,
        seconds=seconds_of(trainer),
    )
    if len(held_out):
        evaluate_method(
            method=method,
            manifest=manifest,
            out=output / "evaluation",
            source=source,
            target=target,
            contrasts=contrasts,
            uncertainty=uncertainty,
            batch_size=batch_size,
            device=device,
        )
    print(f"report: {write_report(output)}")
