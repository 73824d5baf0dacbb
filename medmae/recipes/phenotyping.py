"""What a bundle does to judge a pre-trained encoder by few labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from medmae.data.augment.stain import StainAugment, normalise_rgb
from medmae.data.samples import Samples
from medmae.data.slides.tiles import Tiles
from medmae.data.splits import SPLITS
from medmae.errors import LaterFailures
from medmae.evaluate.classify.phenotyping import evaluate_phenotyping, map_phenotypes
from medmae.evaluate.features.embedding_map import Layout
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.leakage import require_unseen
from medmae.methods.base import Method
from medmae.nn.encoder import Pool
from medmae.recipes.finish import finish_evaluation
from medmae.recipes.start import start_evaluation
from medmae.weights.pretrained import load_encoder

WEIGHTS = "pretraining.safetensors"
PRETRAINED, SCRATCH = "pre-trained", "from scratch"


def evaluate_encoder(
    *,
    method: Method,
    manifest: str | Path,
    slides: str | Path | None,
    dataset_dir: str | Path,
    output_dir: str | Path,
    model_dir: str | Path,
    transductive: bool = False,
    classes: Sequence[str] | None = None,
    own_test: bool = False,
    budget: int | None = 100,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    validate: bool = True,
    fine_tune: bool = True,
    epochs: int = 100,
    layout: Layout = "pca",
    pool: Pool = "class_token",
    device: torch.device | str = "cpu",
    title: str,
    bundle: str,
    config: Mapping[str, Any],
) -> None:
    """Few labels on an encoder of RGB tiles: frozen, fine-tuned and from scratch, beside colour alone; then the report.

    Args:
        method: As it was pre-trained, its weights not loaded yet.
        manifest: Of labelled tiles.
        slides: Prepared slides to be mapped, or None.
        dataset_dir: Folder of the labelled tiles.
        output_dir: The run directory.
        model_dir: Folder of ``pretraining.safetensors``.
        transductive: True evaluates on patients whom pre-training has seen, and warns.
        classes: See :class:`~medmae.data.samples.Samples`.
        own_test: True tests on the test split, and learns from the train split alone.
        budget: See :func:`evaluate_phenotyping`, as for ``folds``, ``seeds``, ``validate``, ``layout``.
        folds: How many.
        seeds: One a repetition.
        validate: Whether a part of the labels chooses the epoch.
        fine_tune: False leaves out what trains the whole encoder.
        epochs: Of fine-tuning.
        layout: Of the map of embeddings.
        pool: See :class:`medmae.nn.encoder.Encoder`.
        device: Where to compute.
        title: Of the report.
        bundle: Its name.
        config: What a reader should know of the settings.

    Raises:
        DataError: If pre-training has seen a patient who is tested, folds cannot be drawn, or ``output_dir`` is that
            of a training.
        SomeFailedError: At the end, when all is recorded and reported, if a slide could not be read.
    """
    for split in ("test",) if own_test else SPLITS:
        require_unseen(model_dir=model_dir, manifest=manifest, split=split, allow=transductive)
    size, out = method.encoder.patches.size[0], Path(output_dir) / "evaluation"
    sets = [
        Samples(source=manifest, split=split, view=Tiles(size=size), classes=classes)
        for split in (("train", "test") if own_test else (None,))
    ]
    load_encoder(method, Path(model_dir) / WEIGHTS)
    encoder = TileEncoder(encoder=method.encoder, normalise=normalise_rgb, pool=pool, name=PRETRAINED, device=device)
    start_evaluation(output_dir)
    evaluate_phenotyping(
        tiles=sets[0],
        test=sets[1] if own_test else None,
        encoders={PRETRAINED: encoder},
        tuned={PRETRAINED: method.encoder, SCRATCH: method.encoder.fresh(seed=0)} if fine_tune else None,
        tuning={
            "augment": StainAugment(size=size, modalities=["image"]),
            "normalise": normalise_rgb,
            "pool": pool,
            "epochs": epochs,
            "device": device,
        },
        out=out,
        budget=budget,
        folds=folds,
        seeds=seeds,
        validate=validate,
        layout=layout,
    )
    failures = LaterFailures()
    if slides is not None:
        tiles = Samples(source=manifest, split=None, view=Tiles(size=size), classes=classes)
        unlabelled = Samples(source=slides, split=None, view=Tiles(size=size))
        with failures.kept():
            map_phenotypes(tiles=tiles, slides=unlabelled, encoder=encoder, out=out)
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
