"""Weights of a synthesis: those that its training starts from, and its own."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from medmae.errors import DataError
from medmae.evaluate.leakage import require_unseen
from medmae.methods.mt_unet import MTUNet
from medmae.nn.config import config_of
from medmae.recipes.synthesis_task import WEIGHTS, Contrasts, require_task
from medmae.weights.adapt import Adaptation
from medmae.weights.io import load_weights
from medmae.weights.maps.edge_mae import EDGE_MAE
from medmae.weights.networks import read_networks
from medmae.weights.pretrained import load_encoder


def load_synthesis(
    method: MTUNet, model_dir: str | Path, *, source: str | None, target: str | None, contrasts: Contrasts = None
) -> None:
    """Loads trained weights, for the task that they were trained for.

    Args:
        method: Receives them.
        model_dir: Folder of ``synthesis.safetensors`` and ``task.json``.
        source: As wanted now.
        target: As wanted now.
        contrasts: As wanted now, in order: a channel means a contrast.

    Raises:
        DataError: If the weights do not fit, were trained on pictures of another size, or to make something else.
    """
    path = Path(model_dir) / WEIGHTS
    load_weights(method, path)
    _require_frame(method, path)
    require_task(model_dir, source=source, target=target, contrasts=contrasts)


def _require_frame(method: MTUNet, path: Path) -> None:
    """Refuses pictures of another size than in training, which show in no weight where these are not resized."""
    said, ours = read_networks(path).get(""), config_of(method)
    if said is None:
        return
    trained = {name: said.get(name) for name in ("image_size", "encoder_size")}  # None before there was such a thing
    for name, value in trained.items():
        if value != ours[name]:
            raise DataError(
                f"these weights were trained with {name} = {value}",
                path=path,
                field=name,
                value=ours[name],
                remedy="build the network as it was: "
                + " ".join(f"--method::{name} {json.dumps(value)}" for name, value in trained.items()),
            )


def load_pretrained(method: MTUNet, pretrained: str | Path | None, *, manifest: str | Path) -> None:
    """Starts a training from a pre-trained encoder, or, with a warning, from scratch.

    Args:
        method: Receives it, also as what compares features.
        pretrained: File of weights; None starts from scratch.
        manifest: Of the training.

    Raises:
        ValueError: If features are to be compared, and nothing is pre-trained.
        DataError: If pre-training has seen who is to be evaluated.
    """
    if pretrained is None:
        if method.feature_extractor is not None:
            raise ValueError(
                "without a pre-trained encoder nothing can compare features: give --pretrained PATH to the "
                "pretraining.safetensors that medmae run mr_edge_mae_pretraining train makes, or train from scratch "
                "with --feature_weight 0"
            )
        warnings.warn("no pre-trained encoder: training from scratch, without feature consistency", stacklevel=3)
        return
    require_unseen(model_dir=Path(pretrained).parent, manifest=manifest)
    published = Path(pretrained).suffix in (".pth", ".pt")
    adapt: tuple[Adaptation, ...] = ("channels",) if method.neighbours else ()
    into = ["encoder"] if method.feature_extractor is None else ["encoder", "feature_extractor"]
    load_encoder(method, pretrained, into=into, key_map=EDGE_MAE if published else None, adapt=adapt)
