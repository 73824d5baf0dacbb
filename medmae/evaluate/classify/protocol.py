"""One protocol by which any encoders are judged, beside what needs no pre-training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from torch import Tensor
from torch.utils.data import ConcatDataset

from medmae.data.names import file_name_of
from medmae.data.samples import Samples
from medmae.evaluate.batches import Items
from medmae.evaluate.classify.colour import describe_images, raw_pixels
from medmae.evaluate.classify.few_label_tables import print_scores
from medmae.evaluate.classify.few_labels import Contender, OnFeatures, PerSeed, contest, draw_folds
from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.mixing import Mixing
from medmae.evaluate.classify.protocol_tables import Task, write_protocol
from medmae.evaluate.features.embedding_map import Layout, write_embedding_map
from medmae.evaluate.features.extractor import TileEncoder
from medmae.evaluate.features.image_embeddings import embedded
from medmae.evaluate.features.lars_probe import LarsProbe
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.evaluate.features.tile_samples import samples_of
from medmae.nn.encoder import Pool
from medmae.nn.vit import MaskedViT

SCRATCH, UNTRAINED, PIXELS = "from scratch", "untrained", "raw pixels"
_BASELINES = (SCRATCH, UNTRAINED, PIXELS)
KNN, LINEAR, LARS, TUNED = "nearest neighbours", "logistic regression", "linear probe", "fine-tuned"
_PIXELS_EDGE = 32  # of the pictures whose pixels are compared
# MAE's fine-tuning (arXiv 2111.06377, appendix A) of a base model, for data sets a thousandth of ImageNet's.
FINE_TUNING: Mapping[str, Any] = {
    "epochs": 100,
    "warmup_epochs": 5.0,
    "min_lr": 1e-6,
    "layer_decay": 0.75,
    "drop_path": 0.1,
    "learn_positions": True,
    "mixing": Mixing(mixup=0.8, cutmix=1.0, smoothing=0.1),
}


def judge_encoders(
    encoders: Mapping[str, MaskedViT],
    *,
    train: Samples,
    test: Samples,
    out: str | Path,
    few: int | None = 10,
    seeds: Sequence[int] = (0, 1, 2),
    pool: Pool = "mean",
    neighbours: int = 5,
    tuning: Mapping[str, Any] | None = None,
    fine_tune: bool = True,
    layout: Layout = "pca",
    device: str = "cpu",
    resamples: int = 1000,
    console: Console | None = None,
) -> dict[str, Any]:
    """Every encoder by four classifiers, with all labels and with few, over the same draws, samples and steps.

    On frozen features: nearest neighbours, logistic regression, and MAE's linear probe
    (:class:`~medmae.evaluate.features.lars_probe.LarsProbe`); and the whole encoder fine-tuned. Beside them raw pixels
    by neighbours and by regression, an untrained encoder of the first one's size on all frozen classifiers, and that
    size trained from scratch. Figures are of a test set of its own; nothing is chosen by it, nor by any other set: the
    last epoch counts.

    Args:
        encoders: By name; of one size or of several.
        train: Labelled images, of the size and channels that the encoders take, float32.
        test: Others of the same classes, and of other patients.
        out: Evaluation folder of a run: receives ``protocol.json`` and ``protocol/``. Embeddings go to
            ``embeddings/<encoder>`` beside it, and are used again.
        few: Labels a class of the second task; None leaves it out.
        seeds: One a repetition: of the draw of few labels, of all that is trained, and of random weights.
        pool: Which features: the mean of patch tokens, or the class token (MAE's linear probe).
        neighbours: How many vote; fewer where a task has fewer labels.
        tuning: Options of :class:`~medmae.evaluate.classify.fine_tune.FineTune` that differ from :data:`FINE_TUNING`.
        fine_tune: False leaves fine-tuning out, which takes nearly all the time.
        layout: Of the map of the first encoder's embeddings.
        device: Where to compute.
        resamples: Of the bootstrap.
        console: Prints the tables; None prints to the standard output.

    Returns:
        What ``protocol.json`` holds: ``tasks`` by name, each as
        :func:`~medmae.evaluate.classify.few_labels.evaluate_few_labels` has it, and ``paired``, the differences of
        encoders.

    Raises:
        ValueError: If there is no encoder, or one is named like a baseline.
        DataError: If an image has no class, sets differ in classes or share patients, or labels do not suffice.
    """
    reserved = set(_BASELINES)
    if not encoders or reserved & encoders.keys():
        raise ValueError(f"give encoders under other names than {sorted(reserved)}, got {list(encoders)}")
    samples, sets = samples_of(train, test), (train, test)
    images: Items[Mapping[str, Any]] = ConcatDataset(sets)
    budgets, first = _budgets(few, len(samples.classes)), next(iter(encoders))
    for budget in budgets.values():  # what cannot be drawn is refused before hours of the first task
        draw_folds(samples, budget=budget, folds=1, seeds=seeds)
    fresh = {seed: encoders[first].fresh(seed=seed) for seed in seeds}
    random = {f"{UNTRAINED} {seed}": encoder for seed, encoder in fresh.items()}
    frozen = {
        name: TileEncoder(encoder=e, pool=pool, name=name, device=device) for name, e in {**encoders, **random}.items()
    }
    features = _features(frozen, sets, Path(out).parent / "embeddings")
    drawn = {seed: features.pop(f"{UNTRAINED} {seed}") for seed in seeds}
    shown: dict[str, Any] = {"labels": samples.labels, "classes": samples.classes, "out": out, "item": "image"}
    write_embedding_map(features[first], **shown, layout=layout, encoder=first)
    features[PIXELS] = describe_images(images, by={PIXELS: _pixels})[PIXELS]
    options = {**FINE_TUNING, **(tuning or {}), "device": device}
    tuned = _tuned(encoders, fresh, images, options) if fine_tune else {}
    tasks = {}
    for title, budget in budgets.items():
        voters = neighbours if budget is None else min(neighbours, budget)
        probes = {f"{name}, {kind}": each for name in features for kind, each in _on(name, features, voters).items()}
        ours, baselines = _apart({**probes, **_untrained(drawn, voters), **tuned})
        record, fits = contest(
            ours, baselines=baselines, samples=samples, budget=budget, folds=1, seeds=seeds, resamples=resamples
        )
        print_scores(record, console or Console())
        tasks[title] = Task(record=record, fits=fits)
    return write_protocol(tasks, samples=samples, out=Path(out))


def _apart(everyone: Mapping[str, Contender]) -> tuple[dict[str, Contender], dict[str, Contender]]:
    """Those of the encoders, and baselines."""
    baselines = {name: each for name, each in everyone.items() if name.rpartition(", ")[0] in _BASELINES}
    return {name: each for name, each in everyone.items() if name not in baselines}, baselines


def _budgets(few: int | None, classes: int) -> dict[str, int | None]:
    """Labels over all classes by the task's name; None takes all."""
    return {"all labels": None} | ({} if few is None else {f"{few} labels a class": few * classes})


def _features(encoders: Mapping[str, TileEncoder], sets: Sequence[Samples], folder: Path) -> dict[str, np.ndarray]:
    """``(N, D)`` by encoder."""
    return {name: embedded(encoder, sets, folder=folder / file_name_of(name)) for name, encoder in encoders.items()}


def _on(name: str, features: Mapping[str, np.ndarray], neighbours: int) -> dict[str, Contender]:
    """The classifiers on frozen features."""
    own = features[name]
    found: dict[str, Contender] = {
        KNN: OnFeatures(features=own, model=nearest_neighbours(neighbours=neighbours)),
        LINEAR: OnFeatures(features=own, model=linear_probe()),
    }
    return found if name == PIXELS else {**found, LARS: LarsProbe(features=own)}


def _untrained(drawn: Mapping[int, np.ndarray], neighbours: int) -> dict[str, Contender]:
    """The classifiers on features of random weights, which are others in each repetition."""
    of = {seed: _on(UNTRAINED, {UNTRAINED: features}, neighbours) for seed, features in drawn.items()}
    return {f"{UNTRAINED}, {kind}": PerSeed(of=_by_kind(of, kind)) for kind in next(iter(of.values()))}


def _by_kind(of: Mapping[int, Mapping[str, Contender]], kind: str) -> Callable[[int], Contender]:
    return {seed: some[kind] for seed, some in of.items()}.__getitem__


def _tuned(
    encoders: Mapping[str, MaskedViT],
    fresh: Mapping[int, MaskedViT],
    samples: Items[Mapping[str, Any]],
    options: Mapping[str, Any],
) -> dict[str, Contender]:
    """Every encoder, and random weights, which are others in each repetition, trained as a whole."""
    scratch = {seed: FineTune(encoder=encoder, samples=samples, **options) for seed, encoder in fresh.items()}
    whole = {name: FineTune(encoder=encoder, samples=samples, **options) for name, encoder in encoders.items()}
    everyone: dict[str, Contender] = {**whole, SCRATCH: PerSeed(of=scratch.__getitem__)}
    return {f"{name}, {TUNED}": each for name, each in everyone.items()}


def _pixels(images: Tensor) -> Tensor:
    """The images themselves, reduced to at most 32 x 32: ``(B, C, H, W)`` -> ``(B, C * h * w)``."""
    edge = min(_PIXELS_EDGE, *images.shape[2:])
    return raw_pixels(images, size=edge)
