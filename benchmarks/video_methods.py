"""Does masked pre-training of clips help on real ultrasound, and which mask? VideoMAE's arms on held-out sources.

Clips of a prepared data set (``medmae prep video``) are divided into three folds by where they come from; an arm of a
fold sees no clip of a held-out source, labelled or not. Arms of a fold start from the same weights and see the same
clips in the same order: tube masking of 90 %, cubes hidden one by one (90 %), tubes of 50 %; each trains for the same
CPU seconds. A long arm has the first one's recipe and a budget of its own; all can be stopped and continued exactly.

    python benchmarks/video_methods.py train PREPARED OUT [--seconds 120] [--folds 0,1,2] [--seeds 0,1,2]
    python benchmarks/video_methods.py train PREPARED OUT --arms tube_90_long --seconds 2400 --folds 0 --seeds 0
    python benchmarks/video_methods.py evaluate PREPARED OUT
    python benchmarks/video_methods.py tune PREPARED OUT [--arms untrained,tube_90]

``train`` leaves a ``.state`` for each arm, fold and seed and a row in ``OUT/training.csv``; ``evaluate`` (frozen
features) and ``tune`` (the whole encoder) write ``OUT/predictions.csv``, a row a clip, classifier, fold and seed.
``video_methods_report.py OUT`` makes the tables.
"""

from __future__ import annotations

import csv
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from grown_table import append
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from video_clips import CLASSES, Clips, TuningClips
from video_training import ARMS, Run

from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.methods.videomae import VideoMAE

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Prepared = Annotated[Path, typer.Argument(help="Folder that medmae prep video wrote.")]
Out = Annotated[Path, typer.Argument(help="Receives encoders and tables.")]


@app.command()
def train(
    prepared: Prepared,
    out: Out,
    *,
    labels: Path | None = None,
    arms: str = "tube_90,random_90,tube_50",
    folds: str = "0,1,2",
    seeds: str = "0,1,2",
    size: str = "tiny",
    seconds: float = 120.0,
) -> None:
    """Trains arms, and keeps their weights."""
    torch.set_num_threads(1)
    clips = Clips(prepared, labels)
    out.mkdir(parents=True, exist_ok=True)
    for seed, fold, arm in product(_numbers(seeds), _numbers(folds), arms.split(",")):
        training = Run(arm, fold, seed, size).training(clips, out)
        if training.seconds >= seconds:
            continue
        training.run(seconds=seconds)
        row = {
            "arm": arm,
            "fold": fold,
            "seed": seed,
            "cpu_seconds": round(training.seconds, 1),
            "steps": training.steps,
            "first_loss": round(float(np.mean(training.losses[:20])), 4),
            "last_loss": round(float(np.mean(training.losses[-100:])), 4),
        }
        append(out / "training.csv", row)
        print(*row.values(), flush=True)


@app.command()
def evaluate(
    prepared: Prepared,
    out: Out,
    *,
    labels: Path | None = None,
    folds: str = "0,1,2",
    seeds: str = "0,1,2",
    size: str = "tiny",
) -> None:
    """Classifiers on frozen features of every run, of untrained encoders, and on what needs no network."""
    torch.set_num_threads(1)
    clips = Clips(prepared, labels)
    for seed, fold in product(_numbers(seeds), _numbers(folds)):
        train_on, test = clips.labelled(fold)
        views = {int(n): clips.views(int(n)) for n in [*train_on, *test]}
        sheet = Sheet(out / "predictions.csv", clips, fold, seed, test)
        described = {"mean frame": _mean_frame, "mean grey": _mean_grey} if seed == 0 else {}
        for arm in ("untrained", *ARMS):
            method = _trained(Run(arm, fold, seed, size), out)
            if method is not None:
                described[arm] = partial(_features, method)
        for (name, describe), (kind, model) in product(described.items(), MODELS.items()):
            features = {n: describe(each) for n, each in views.items()}
            sheet.add(f"{name}, {kind}", _fitted(model(), features, clips.targets, train_on, test))


@app.command()
def tune(
    prepared: Prepared,
    out: Out,
    *,
    labels: Path | None = None,
    arms: str = "untrained,tube_90",
    folds: str = "0,1,2",
    seeds: str = "0,1,2",
    size: str = "tiny",
    layer_decay: float = 0.75,
    epochs: int = 20,
) -> None:
    """Fine-tunes the whole encoder of every run; ``untrained`` is a start from scratch."""
    torch.set_num_threads(1)
    clips = Clips(prepared, labels)
    other = [f"layer decay {layer_decay:g}"] * (layer_decay != 0.75) + [f"{epochs} epochs"] * (epochs != 20)
    recipe = "fine-tuned" + (f" ({', '.join(other)})" if other else "")
    for seed, fold, arm in product(_numbers(seeds), _numbers(folds), arms.split(",")):
        run = Run(arm, fold, seed, size)
        train_on, test = clips.labelled(fold)
        sheet = Sheet(out / "predictions.csv", clips, fold, seed, test)
        method = _trained(run, out)
        if method is None or sheet.has(f"{arm}, {recipe}"):
            continue
        fine_tune = FineTune(
            encoder=method.encoder,
            samples=TuningClips(clips, train_on, run.number),
            epochs=epochs,
            warmup_epochs=2.0,
            batch_size=8,
            base_lr=1.6e-2,
            layer_decay=layer_decay,
            drop_path=0.1,
            mixing=None,
        )
        split = Fold(train=train_on, val=np.empty(0, dtype=np.int64), test=test)
        started = time.process_time()
        shares = fine_tune(split, clips.targets, task=SingleLabel(classes=CLASSES), seed=run.number)
        print(f"{time.process_time() - started:.0f} CPU s", end=" ")
        sheet.add(f"{arm}, {recipe}", shares)


class Sheet:
    """``predictions.csv``: a row a clip, classifier, fold and seed; what is there already is left."""

    def __init__(self, path: Path, clips: Clips, fold: int, seed: int, test: np.ndarray) -> None:
        self.path, self.clips, self.fold, self.seed, self.test = path, clips, fold, seed, test
        self.done = set()
        if path.exists():
            with path.open() as file:
                self.done = {(row["classifier"], row["fold"], row["seed"]) for row in csv.DictReader(file)}

    def has(self, name: str) -> bool:
        """Whether a classifier was tested on this fold with this seed."""
        return (name, str(self.fold), str(self.seed)) in self.done

    def add(self, name: str, shares: np.ndarray) -> None:
        """Writes probabilities ``(T, K)``."""
        if self.has(name):
            return
        right = []
        for n, row in zip(self.test, shares, strict=True):
            about = {
                "classifier": name,
                "fold": self.fold,
                "seed": self.seed,
                "clip": self.clips.names[n],
                "source": self.clips.sources[n],
                "patient": self.clips.patients[n],
                "label": self.clips.labels[n],
            }
            named = {f"p_{label}": f"{p:.5f}" for label, p in zip(CLASSES, row, strict=True)}
            append(self.path, {**about, **named})
            right.append(row.argmax() == self.clips.targets[n])
        print(f"{name}, fold {self.fold}, seed {self.seed}: {np.mean(right):.3f} of {len(right)} clips", flush=True)


def _trained(run: Run, out: Path) -> VideoMAE | None:
    """As it ended; None if it was not trained."""
    method = run.network()
    if run.arm != "untrained":
        if not run.path(out).exists():
            return None
        method.load_state_dict(torch.load(run.path(out), weights_only=True)["method"])
    return method.eval()


@torch.no_grad()
def _features(method: VideoMAE, views: Tensor) -> np.ndarray:
    return method.encoder.features({"image": views}, pool="mean").mean(dim=0).numpy()


def _mean_frame(views: Tensor) -> np.ndarray:
    return F.adaptive_avg_pool2d(views.mean(dim=(0, 2)), 16).flatten().numpy()


def _mean_grey(views: Tensor) -> np.ndarray:
    return torch.stack([views.mean(), views.std(), (views > 0.02).float().mean()]).numpy()


def _linear() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))


def _neighbours() -> Pipeline:
    return make_pipeline(StandardScaler(), KNeighborsClassifier(5, weights="distance"))


MODELS = {"logistic regression": _linear, "5 neighbours": _neighbours}


def _fitted(model: Any, features: Any, targets: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    model.fit(np.stack([features[int(n)] for n in train]), targets[train])
    shares = np.zeros((len(test), len(CLASSES)))
    shares[:, model.classes_] = model.predict_proba(np.stack([features[int(n)] for n in test]))
    return shares


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    app()
