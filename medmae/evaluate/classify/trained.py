"""A classifier that was trained already: judged on held-out tiles beside colour alone, and shown on whole slides."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import ConcatDataset

from medmae.data.samples import Samples
from medmae.errors import DataError
from medmae.evaluate.batches import Items
from medmae.evaluate.classify.colour import COLOUR_BASELINES, GREY_BASELINES, describe_images
from medmae.evaluate.classify.few_labels import OnFeatures, evaluate_few_labels
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.phenotyping import map_classes
from medmae.evaluate.classify.predict import predict
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.features.probe import linear_probe
from medmae.evaluate.features.tile_samples import samples_of
from medmae.nn.heads import Classifier

FINE_TUNED = "fine-tuned"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A contender that has learnt: what a fold offers to learn from, it does not look at.

    Args:
        network: ``(B, C, *size)`` -> logits ``(B, K)``.
        samples: By number, items with an ``image``.
        device: Where to compute.
        batch_size: Images at once.
    """

    network: nn.Module
    samples: Items[Mapping[str, Any]]
    device: torch.device | str = "cpu"
    batch_size: int = 64

    def __call__(self, fold: Fold, labels: np.ndarray, *, num_classes: int, seed: int) -> np.ndarray:
        """Probabilities ``(len(fold.test), K)``; nothing is drawn."""
        numbers = fold.test.tolist()
        return predict(self.network, self.samples, numbers, device=self.device, batch_size=self.batch_size)


def evaluate_trained(
    *,
    network: nn.Module,
    train: Samples,
    held_out: Samples,
    out: str | Path,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """A network on held-out tiles or images, and linear probes of colour alone that learn from the same labels.

    Of images that are not RGB the probes learn from mean intensity and from pixels.

    Args:
        network: Trained on ``train``; takes images in [0, 1].
        train: What it learnt from.
        held_out: Labelled ones of other patients.
        out: Evaluation folder of a run; see :func:`medmae.evaluate.classify.few_labels.evaluate_few_labels`.
        device: Where to compute.

    Returns:
        What ``few_labels.json`` holds.

    Raises:
        DataError: If a class has no tile to learn from, or the sets share a patient.
    """
    samples = samples_of(train, held_out)
    images: Items[Mapping[str, Any]] = ConcatDataset([train, held_out])
    require_classes(train)
    if absent := _absent(samples.labels[len(train) :], held_out.classes):
        warnings.warn(f"no held-out tile of {', '.join(absent)}: figures are of the other classes", stacklevel=2)
    rgb = train.kinds["image"].colour
    colours = describe_images(images, by=COLOUR_BASELINES if rgb else GREY_BASELINES)
    return evaluate_few_labels(
        {FINE_TUNED: Trained(network=network, samples=images, device=device)},
        baselines={name: OnFeatures(features=found, model=linear_probe()) for name, found in colours.items()},
        samples=samples,
        out=out,
        budget=None,
        folds=1,
    )


def map_trained(
    *,
    slides: Samples,
    network: nn.Module,
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
        network: A :class:`Classifier`.
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
    classifier = network.to(device).eval()
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

    encoder = TileEncoder(encoder=classifier.encoder, pool=pool, name=name, device=device)
    map_classes(slides=slides, encoder=encoder, classify=classify, classes=classes, out=out, shown=shown, edge=edge)


def require_classes(train: Samples) -> None:
    """Refuses to learn from a set that lacks a class.

    Raises:
        DataError: With the classes that no tile or image of it shows.
    """
    if absent := _absent(train.labels[train.labels >= 0], train.classes):
        raise DataError(
            f"no tile of {', '.join(absent)} to learn from",
            path=train.source.path,
            field="classes",
            value=list(train.classes),
            remedy="name classes that patients of the train split have, split the patients otherwise, or, to judge a "
            "classifier on data of another place, pass --train_dir: the data that it was trained on",
        )


def _absent(labels: np.ndarray, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(labels, minlength=len(classes))
    return [name for name, found in zip(classes, counts, strict=True) if not found]
