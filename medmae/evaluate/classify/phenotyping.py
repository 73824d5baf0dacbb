"""Tissue phenotyping with few labels, and maps of whole slides: from encoders and tiles to an evaluated run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from torch.utils.data import ConcatDataset

from medmae.data.rows import kind_of
from medmae.data.samples import Samples
from medmae.errors import DataError, LaterFailures
from medmae.evaluate.batches import Items
from medmae.evaluate.classify.colour import COLOUR_BASELINES, describe_images
from medmae.evaluate.classify.few_labels import Contender, OnFeatures, evaluate_few_labels
from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.features.embedding_map import Layout, write_embedding_map
from medmae.evaluate.features.embeddings import cases_of, embed_readable, features_of, rows_of
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.evaluate.features.tile_samples import samples_of
from medmae.evaluate.slides.heatmap import map_slides
from medmae.nn.vit import MaskedViT

EMBEDDINGS = "embeddings"  # folder of a run, one below it an encoder


def evaluate_phenotyping(
    *,
    tiles: Samples,
    encoders: Mapping[str, TileEncoder],
    out: str | Path,
    test: Samples | None = None,
    tuned: Mapping[str, MaskedViT] | None = None,
    tuning: Mapping[str, Any] | None = None,
    classifiers: Mapping[str, Pipeline] | None = None,
    budget: int | None = 100,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    validate: bool = True,
    layout: Layout = "pca",
) -> dict[str, Any]:
    """Few labels by every encoder and classifier beside colour alone, and a map of the first encoder's embeddings.

    Args:
        tiles: Labelled tiles, float32 and of the size that the encoders take.
        encoders: Frozen ones by name; classifiers learn from their features.
        out: Evaluation folder of a run. Embeddings go to ``embeddings/<encoder>`` beside it, and are used again.
        test: A test set of its own, of the same classes and other patients; see
            :func:`medmae.evaluate.classify.folds.few_label_folds`.
        tuned: Encoders that are trained whole, by name; one with random weights is "from scratch".
        tuning: Options of :class:`medmae.evaluate.classify.fine_tune.FineTune`, ``encoder`` and ``samples`` apart.
        classifiers: On features, by name; None takes a linear probe and 5 nearest neighbours (fewer of fewer labels).
        budget: Labels over all classes.
        folds: How many.
        seeds: One a repetition.
        validate: See :func:`few_label_folds`.
        layout: Of the map.

    Returns:
        What ``few_labels.json`` holds.

    Raises:
        DataError: If a tile has no label, the test set has other classes, or a fold cannot be drawn.
    """
    samples, sets = samples_of(tiles, test), [tiles] if test is None else [tiles, test]
    images: Items[Mapping[str, Any]] = ConcatDataset(sets)
    on = classifiers or _classifiers(len(samples.labels) if budget is None else budget)
    cases = [cases_of(some) for some in sets]
    features = {name: features_of(cases, encoder=each, out=_folder(out, name)) for name, each in encoders.items()}
    contenders: dict[str, Contender] = {
        f"{name}, {kind}": OnFeatures(features=found, model=model)
        for name, found in features.items()
        for kind, model in on.items()
    }
    contenders |= {
        f"{name}, fine-tuned": FineTune(encoder=encoder, samples=images, **(tuning or {}))
        for name, encoder in (tuned or {}).items()
    }
    colours = describe_images(images, by=COLOUR_BASELINES)
    baselines = {name: OnFeatures(features=found, model=linear_probe()) for name, found in colours.items()}
    for name, found in list(features.items())[:1]:
        write_embedding_map(found, labels=samples.labels, classes=samples.classes, out=out, layout=layout, encoder=name)
    return evaluate_few_labels(
        contenders,
        baselines=baselines,
        samples=samples,
        out=out,
        budget=budget,
        folds=folds,
        seeds=seeds,
        validate=validate,
    )


def map_phenotypes(
    *,
    tiles: Samples,
    slides: Samples,
    encoder: TileEncoder,
    out: str | Path,
    classifier: Pipeline | None = None,
    shown: Sequence[str] | None = None,
    edge: int = 1024,
) -> None:
    """A classifier that learns from all labelled tiles, on every tile of whole slides.

    Args:
        tiles: Labelled tiles.
        slides: Tiles of slides, which need no label; the slides themselves must lie where they were prepared from.
        encoder: Of both.
        out: Evaluation folder of a run.
        classifier: On features; None takes a linear probe.
        shown: Classes to draw; None draws all.
        edge: Longer side of a picture of a slide, in pixels.

    Raises:
        SomeFailedError: At the end, if a slide could not be read.
    """
    samples = samples_of(tiles)
    features = features_of([cases_of(tiles)], encoder=encoder, out=_folder(out, encoder.name))
    model = (classifier or linear_probe()).fit(features, samples.labels)
    map_classes(
        slides=slides,
        encoder=encoder,
        classify=model.predict_proba,
        classes=samples.classes,
        out=out,
        shown=shown,
        edge=edge,
    )


def map_classes(
    *,
    slides: Samples,
    encoder: TileEncoder,
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
    files, unread = embed_readable(cases, encoder=encoder, out=_folder(out, encoder.name), precision="float32")
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


def _classifiers(labels: int) -> dict[str, Pipeline]:
    neighbours = min(5, max(labels // 2, 1))
    return {
        "linear probe": linear_probe(),
        f"{neighbours} neighbour{'s' if neighbours > 1 else ''}": nearest_neighbours(neighbours=neighbours),
    }


def _folder(out: str | Path, encoder: str) -> Path:
    return Path(out).parent / EMBEDDINGS / encoder
