"""A classifier that was trained already: judged on held-out tiles beside colour alone, and shown on whole slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medmae.data.tiles import TileDataset
from medmae.errors import DataError
from medmae.evaluate.colour import COLOUR_BASELINES, describe_images
from medmae.evaluate.few_labels import OnFeatures, evaluate_few_labels
from medmae.evaluate.folds import Fold
from medmae.evaluate.phenotyping import map_classes
from medmae.evaluate.probe import linear_probe
from medmae.evaluate.tile_encoder import TileEncoder
from medmae.evaluate.tile_samples import TileLoader, samples_of
from medmae.nn.heads import Classifier, Scaled

FINE_TUNED = "fine-tuned"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A contender that has learnt: what a fold offers to learn from, it does not look at.

    Args:
        network: ``(B, C, *size)`` -> logits ``(B, K)``.
        load: Images by number.
        device: Where to compute.
        batch_size: Images at once.
    """

    network: nn.Module
    load: Callable[[Sequence[int]], Tensor]
    device: torch.device | str = "cpu"
    batch_size: int = 64

    @torch.no_grad()
    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """Probabilities ``(len(fold.test), K)``; nothing is drawn."""
        network = self.network.to(self.device).eval()
        numbers = fold.test.tolist()
        parts = [numbers[start : start + self.batch_size] for start in range(0, len(numbers), self.batch_size)]
        logits = [network(self.load(part).to(self.device)).float().cpu() for part in parts]
        return torch.cat(logits).softmax(dim=1).numpy()


def evaluate_trained(
    *,
    network: nn.Module,
    train: TileDataset,
    held_out: TileDataset,
    out: str | Path,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """A network on held-out tiles, and linear probes of colour alone that learn from the same labels.

    Args:
        network: Trained on ``train``; takes images in [0, 1].
        train: What it learnt from.
        held_out: Labelled tiles of other patients.
        out: Evaluation folder of a run; see :func:`medmae.evaluate.few_labels.evaluate_few_labels`.
        device: Where to compute.

    Returns:
        What ``few_labels.json`` holds.

    Raises:
        DataError: If a class has no tile to learn from, or the sets share a patient.
    """
    samples, load = samples_of(train, held_out), TileLoader([train, held_out])
    _check_classes(samples.labels[: len(train)], train)
    colours = describe_images(load, count=len(samples.labels), by=COLOUR_BASELINES)
    return evaluate_few_labels(
        {FINE_TUNED: Trained(network=network, load=load, device=device)},
        baselines={name: OnFeatures(features=found.numpy(), model=linear_probe()) for name, found in colours.items()},
        samples=samples,
        out=out,
        budget=None,
        folds=1,
    )


def map_trained(
    *,
    slides: TileDataset,
    network: Scaled,
    classes: Sequence[str],
    out: str | Path,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
    name: str = FINE_TUNED,
    device: torch.device | str = "cpu",
) -> None:
    """A fine-tuned classifier on every tile of whole slides; writes embeddings and what ``map_slides`` writes.

    Args:
        slides: Tiles of slides; the slides themselves must lie where they were prepared from.
        network: A scaled :class:`Classifier`.
        classes: Their names, in the order of its outputs.
        out: Evaluation folder of a run.
        shown: Classes to draw; None draws all.
        edge: Longer side of a picture of a slide, in pixels.
        name: Of the encoder, in files.
        device: Where to compute.

    Raises:
        ValueError: If the network is no classifier of so many classes.
        SomeFailedError: At the end, if a slide could not be read.
    """
    classifier = network.to(device).eval().network
    if not isinstance(classifier, Classifier) or classifier.head.out_features != len(classes):
        raise ValueError(f"a classifier of {len(classes)} classes is needed, got {type(classifier).__name__}")
    pool = classifier.pool
    if pool == "all":
        raise ValueError(
            "slides are mapped by embeddings, which pool='all' does not have: pool 'mean' or 'class_token'"
        )

    @torch.no_grad()
    def classify(features: np.ndarray) -> np.ndarray:
        # Embeddings are normalised already; a norm of what is normalised adds its weights only.
        logits = classifier.head(classifier.fc_norm(torch.from_numpy(features).to(device)))
        return logits.softmax(dim=1).cpu().numpy()

    encoder = TileEncoder(encoder=classifier.encoder, normalise=network.scale, pool=pool, name=name, device=device)
    map_classes(slides=slides, encoder=encoder, classify=classify, classes=classes, out=out, shown=shown, edge=edge)


def _check_classes(labels: np.ndarray, train: TileDataset) -> None:
    counts = np.bincount(labels, minlength=len(train.classes))
    if missing := [name for name, found in zip(train.classes, counts, strict=True) if not found]:
        raise DataError(
            f"no tile of {', '.join(missing)} to learn from",
            path=train.manifest.path,
            field="classes",
            value=list(train.classes),
            remedy="name classes that patients of the train split have, or split the patients otherwise",
        )
