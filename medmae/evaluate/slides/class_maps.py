"""A classifier on every tile of whole slides: one that learns from labelled tiles, or one that was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from torch import nn

from medmae.data.rows import kind_of
from medmae.data.samples import Samples
from medmae.errors import DataError, LaterFailures
from medmae.evaluate.classify.labelled import labelled
from medmae.evaluate.classify.protocol import EMBEDDINGS
from medmae.evaluate.features.embedding_cases import cases_of, rows_of
from medmae.evaluate.features.embeddings import Embedder
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.features import features
from medmae.evaluate.features.probe import linear_probe
from medmae.evaluate.slides.heatmap import map_slides
from medmae.nn.heads import Classifier


def map_by_tiles(
    *,
    tiles: Samples,
    slides: Samples,
    extract: FeatureExtractor,
    out: str | Path,
    classifier: Pipeline | None = None,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
) -> None:
    """A classifier that learns from all labelled tiles, on every tile of whole slides.

    Args:
        tiles: Labelled tiles.
        slides: Tiles of slides, which need no label; the slides themselves must lie where they were prepared from.
        extract: Makes the features of both.
        out: Evaluation folder of a run.
        classifier: On features; None takes a linear probe.
        shown: Classes to draw; None draws all.
        edge: Longer side of a picture of a slide, in pixels.

    Raises:
        SomeFailedError: At the end, if a tile or a slide could not be read.
    """
    data, lost = labelled(tiles), dict[int, str]()
    found = features(extract, tiles, cache=_folder(out, extract.name) / "train.h5", left_out=lost)
    model = (classifier or linear_probe()).fit(found, np.delete(data.targets, list(lost)))
    failures = LaterFailures()
    with failures.kept():
        map_classes(
            slides=slides,
            extract=extract,
            classify=model.predict_proba,
            classes=tiles.classes,
            out=out,
            shown=shown,
            edge=edge,
        )
    if lost:
        failures.add(f"{len(lost)} of {len(tiles)} labelled tiles were left out: {next(iter(lost.values()))}")
    failures.raise_any()


def map_trained(
    *,
    slides: Samples,
    network: nn.Module,
    classes: Sequence[str],
    out: str | Path,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
    name: str = "fine-tuned",
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
    def classify(found: np.ndarray) -> np.ndarray:
        # Embeddings are normalised already; a norm of what is normalised adds its weights only.
        logits = classifier.head(classifier.fc_norm(torch.from_numpy(found).to(device)))
        return logits.softmax(dim=1).cpu().numpy()

    extract = FeatureExtractor(encoder=classifier.encoder, pool=pool, name=name, device=device)
    map_classes(slides=slides, extract=extract, classify=classify, classes=classes, out=out, shown=shown, edge=edge)


def map_classes(
    *,
    slides: Samples,
    extract: FeatureExtractor,
    classify: Callable[[np.ndarray], np.ndarray],
    classes: Sequence[str],
    out: str | Path,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
) -> None:
    """What is said of the features of every tile of whole slides.

    See :func:`medmae.evaluate.slides.heatmap.map_slides`.

    Raises:
        DataError: If a case is no slide.
        SomeFailedError: At the end, if a slide could not be read.
    """
    rows = rows_of(slides)
    others = [row["case"] for row in rows if kind_of(row) != "slide"]
    if others:
        raise DataError(
            "tiles that come from no slide have no place on one",
            path=slides.source.path,
            field="case",
            value=others[:5],
            remedy="prepare slides with `medmae prep wsi`",
        )
    cases, failures = cases_of(slides), LaterFailures()
    files, unread = Embedder(extract=extract, precision="float32").write_readable(cases, _folder(out, extract.name))
    with failures.kept():
        map_slides(
            files,
            classify=classify,
            classes=classes,
            slides={row["case"]: row["source"] for row in rows},
            out=out,
            shown=shown,
            edge=edge,
        )
    if unread:
        failures.add(f"tiles of {len(unread)} of {len(cases)} slides cannot be read: " + "; ".join(unread))
    failures.raise_any()


def _folder(out: str | Path, encoder: str) -> Path:
    return Path(out).parent / EMBEDDINGS / encoder
