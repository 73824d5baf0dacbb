"""Which method learns most from images in the same CPU seconds, evaluated by one protocol on several data sets?

Contestants of a seed start from encoders of the same size, see the same images in the same order and take turns
(``benchmarks/race.py``); a contestant's clock counts its own training steps, its augmentation and its teacher included.
Its encoder at the end is evaluated four ways: nearest neighbours and a logistic regression on frozen features
of all labelled images, the regression with few labels (mean over draws), and the whole network fine-tuned on some.
The untrained encoder, raw pixels and, for fine-tuning, a start from scratch stand beside them.

Splits: PneumoniaMNIST's own; BCCD by photograph; the others at random, for nothing is known about whose images they
are. So accuracies are for comparing contestants, not for quoting.

    python benchmarks/image_methods.py train --data bccd --shared DIR --out OUT [--seeds 0,1,2] [--seconds 45]
    python benchmarks/image_methods.py evaluate --data bccd --shared DIR --out OUT

DIR holds the data sets' files. ``train`` leaves one encoder a contestant and seed, and rows in OUT/DATA/training.csv;
``evaluate`` writes OUT/DATA/scores.csv. ``benchmarks/image_methods_report.py OUT`` makes the tables.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from image_contestants import CONTESTANTS, build
from image_sets import SETS, ImageSet, read
from race import Contestant, race
from sklearn.pipeline import Pipeline
from torch import Tensor

from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.protocol import FINE_TUNING
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.evaluate.features.extractor import FeatureExtractor
from medmae.evaluate.features.probe import linear_probe, nearest_neighbours
from medmae.nn.vit import MaskedViT
from medmae.weights.io import save_safetensors
from medmae.weights.pretrained import load_encoder

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Data = Annotated[str, typer.Option(help=f"One of {', '.join(SETS)}.")]
Shared = Annotated[Path, typer.Option(help="Folder of the data sets' files.")]
Out = Annotated[Path, typer.Option(help="Receives encoders and tables.")]
UNTRAINED = "untrained"
# Some 75 steps learn nothing at a rate per 256 images, nor from mixed ones; tried on training images of MedNIST.
SHORT = {"batch_size": 16, "base_lr": 1.6e-2, "warmup_epochs": 2.0, "mixing": None, "drop_path": 0.0}
TRAINING = ("data", "contestant", "seed", "seconds", "steps", "samples_per_second")
SCORES = ("data", "contestant", "seed", "score", "accuracy")


@app.command()
def train(
    *,
    data: Data,
    shared: Shared,
    out: Out,
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "0,1,2",
    contestants: Annotated[str, typer.Option(help="Separated by commas; the four methods by default.")] = "",
    seconds: float = 45.0,
    batch_size: int = 32,
    lr: float = 1e-3,
    turn: float = 3.0,
) -> None:
    """Trains every contestant for the same seconds and keeps its encoder."""
    torch.set_num_threads(1)
    images = read(shared, data)
    names = contestants.split(",") if contestants else list(CONTESTANTS)[:4]
    folder = out / data
    folder.mkdir(parents=True, exist_ok=True)
    for seed in map(int, seeds.split(",")):
        field = [_enter(name, images, seed, seconds, batch_size=batch_size, lr=lr) for name in names]
        _keep(field[0].method.encoder, folder, UNTRAINED, seed)
        for _, contestant in race(field, marks=[seconds], turn=turn):
            _keep(contestant.method.encoder, folder, contestant.name, seed)
            about = contestant.about(seconds)
            row = {"data": data, "contestant": contestant.name, **{key: about[key] for key in TRAINING[2:]}}
            _append(folder / "training.csv", TRAINING, row)


@app.command()
def evaluate(
    *,
    data: Data,
    shared: Shared,
    out: Out,
    per_class: Annotated[int, typer.Option(help="Labels a class of the few-label score.")] = 5,
    draws: int = 5,
    labels: Annotated[int, typer.Option(help="Labels, over all classes, of fine-tuning.")] = 60,
    epochs: Annotated[int, typer.Option(help="Of fine-tuning.")] = 20,
    contestants: Annotated[str, typer.Option(help="Separated by commas; all that were trained by default.")] = "",
    fine_tune: bool = True,
) -> None:
    """Judges every encoder that ``train`` left."""
    torch.set_num_threads(1)
    images, folder = read(shared, data), out / data
    chosen = contestants.split(",") if contestants else None
    evaluate_frozen = partial(_frozen, images, per_class=per_class, draws=draws)
    write = partial(_append, folder / "scores.csv", SCORES)
    for score, value in evaluate_frozen(lambda x: x.flatten(1).numpy()):
        write({"data": data, "contestant": "raw pixels", "seed": "", "score": score, "accuracy": value})
    for path in sorted(folder.glob("*.safetensors")):
        name, seed = path.stem.rsplit("-", 1)
        if chosen is not None and name not in chosen:
            continue
        encoder = build("mae", images, seed=int(seed)).method.encoder
        load_encoder(encoder, path)
        found = list(evaluate_frozen(FeatureExtractor(encoder=encoder).in_batches))
        if fine_tune:
            found.append(("fine-tune", _fine_tuned(encoder, images, labels=labels, epochs=epochs, seed=int(seed))))
        for score, value in found:
            write({"data": data, "contestant": name, "seed": seed, "score": score, "accuracy": value})


def _enter(name: str, images: ImageSet, seed: int, seconds: float, *, batch_size: int, lr: float) -> Contestant:
    entry = build(name, images, seed=seed)
    return Contestant(
        name=name,
        method=entry.method,
        images=images.pool,
        batch_size=batch_size,
        lr=lr,
        seed=seed,
        augment=entry.augment,
        budget=seconds,
    )


def _keep(encoder: MaskedViT, folder: Path, name: str, seed: int) -> None:
    state = {f"encoder.{key}": value for key, value in encoder.state_dict().items()}
    save_safetensors(state, folder / f"{name}-{seed}.safetensors")


def _frozen(
    images: ImageSet, features_of: Callable[[Tensor], np.ndarray], *, per_class: int, draws: int
) -> Iterator[tuple[str, float]]:
    """Accuracies in percent on the test images: with every label, and with few."""
    pool, test = features_of(images.pool), features_of(images.test)

    def score(model: Pipeline, members: np.ndarray) -> float:
        return 100 * float(model.fit(pool[members], images.pool_labels[members]).score(test, images.test_labels))

    everyone = np.arange(len(pool))
    yield "neighbours", score(nearest_neighbours(), everyone)
    yield "linear", score(linear_probe(), everyone)
    few = [draw(images.pool_labels, per_class, seed=seed) for seed in range(draws)]
    yield "few labels", float(np.mean([score(linear_probe(), members) for members in few]))


def _fine_tuned(encoder: MaskedViT, images: ImageSet, *, labels: int, epochs: int, seed: int) -> float:
    """Accuracy in percent of the whole network trained on ``labels`` images; the draw goes by the seed."""
    everything = torch.cat([images.pool, images.test])
    owned = np.unique(np.concatenate([images.pool_labels, images.test_labels]), return_inverse=True)[1]
    classes = int(owned.max()) + 1
    first = len(images.pool)
    chosen = draw(owned[:first], labels // classes, seed=seed)
    fold = Fold(train=chosen, val=np.empty(0, dtype=np.int64), test=np.arange(first, len(everything)))
    options = {**FINE_TUNING, **SHORT, "epochs": epochs}
    tune = FineTune(encoder=encoder, samples=[{"image": image} for image in everything], **options)
    probabilities = tune(fold, owned, task=SingleLabel(classes=range(classes)), seed=seed)
    return 100 * float((probabilities.argmax(axis=1) == owned[fold.test]).mean())


def draw(labels: np.ndarray, per_class: int, *, seed: int) -> np.ndarray:
    """``per_class`` images of every class."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    return np.concatenate([rng.choice(members, per_class, replace=False) for members in classes])


def _append(path: Path, fields: Sequence[str], row: dict[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=fields)
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)


if __name__ == "__main__":
    app()
