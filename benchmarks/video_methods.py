"""Does masked pre-training of clips help on real ultrasound, and which mask? VideoMAE's arms on held-out sources.

Clips of a prepared data set (``medmae prep video``) are divided into three folds by where they come from; an arm of a
fold sees no clip of a held-out source, labelled or not. Arms of a fold start from the same weights and see the same
clips in the same order: tube masking of 90 %, cubes hidden one by one (90 %), tubes of 50 %; each trains for the same
CPU seconds. A long arm has the first one's recipe and a budget of its own; all can be stopped and continued exactly.

    python benchmarks/video_methods.py train PREPARED OUT [--seconds 120] [--folds 0,1,2]
    python benchmarks/video_methods.py train PREPARED OUT --arms tube_90_long --seconds 2400 --folds 0
    python benchmarks/video_methods.py evaluate PREPARED OUT

``train`` leaves ``OUT/<arm>-<fold>.state`` and a row in ``OUT/training.csv``; ``evaluate`` writes
``OUT/predictions.csv``, a row a clip, classifier and fold. ``video_methods_report.py OUT`` makes the table.
"""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from medmae.evaluate.classify.fine_tune import FineTune
from medmae.evaluate.classify.folds import Fold
from medmae.evaluate.classify.single_label import SingleLabel
from medmae.files import atomic_write
from medmae.methods.videomae import VideoMAE, videomae_small_clips

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
CLASSES = ("healthy", "bacterial_pneumonia", "covid")  # viral pneumonia has five clips: seen unlabelled only
ARMS: dict[str, dict[str, Any]] = {
    "tube_90": {},
    "random_90": {"masking": "random"},
    "tube_50": {"mask_ratio": 0.5},
    "tube_90_long": {},
}
LINEAR = "logistic regression"
EDGE, FRAMES, FOLDS, BATCH = 64, 16, 3, 16
PEAK, WARMUP = 1.5e-3, 50
Prepared = Annotated[Path, typer.Argument(help="Folder that medmae prep video wrote.")]
Out = Annotated[Path, typer.Argument(help="Receives encoders and tables.")]


class Clips:
    """All clips in memory, uint8 ``(T, H, W)``."""

    def __init__(self, prepared: Path, labels: Path | None) -> None:
        rows = [json.loads(line) for line in (prepared / "manifest.jsonl").read_text().splitlines()]
        self.names = [row["case"] for row in rows]
        self.labels = [row["label"] for row in rows]
        self.sources = np.array([row["subject"] for row in rows])
        self.frames = [torch.from_numpy(np.load(prepared / row["shard"])[..., 0]) for row in rows]
        patients = {}
        if labels is not None:
            with labels.open() as file:
                patients = {Path(row["file"]).stem: row["patient"] for row in csv.DictReader(file)}
        self.patients = [patients.get(Path(row["source"]).stem, row["subject"]) for row in rows]

    def folds(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Training and held-out clips ``(N,)``, by source."""
        split = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=0)
        return list(split.split(self.names, self.labels, self.sources))

    def crop(self, number: int, generator: torch.Generator) -> Tensor:
        """A random clip, one random square of it: float32 ``(1, FRAMES, EDGE, EDGE)`` in [0, 1]."""
        frames = self.frames[number]
        stride = int(torch.randint(1, 1 + max(1, min(4, len(frames) // FRAMES)), (), generator=generator))
        start = int(torch.randint(max(1, len(frames) - FRAMES * stride + 1), (), generator=generator))
        places = (start + stride * torch.arange(FRAMES)).clamp(max=len(frames) - 1)
        short = min(frames.shape[1:])
        edge = int(short * (1, 0.875, 0.75, 0.66)[int(torch.randint(4, (), generator=generator))])
        top, left = (int(torch.randint(n - edge + 1, (), generator=generator)) for n in frames.shape[1:])
        return _resized(frames[places, top : top + edge, left : left + edge])

    def view(self, number: int, share: float) -> Tensor:
        """The whole picture, FRAMES in the middle of a part of the clip: ``(1, FRAMES, EDGE, EDGE)``."""
        frames = self.frames[number]
        stride = max(1, min(4, len(frames) // FRAMES))
        start = round(share * max(0, len(frames) - FRAMES * stride))
        places = (start + stride * torch.arange(FRAMES)).clamp(max=len(frames) - 1)
        short = min(frames.shape[1:])
        top, left = ((n - short) // 2 for n in frames.shape[1:])
        return _resized(frames[places, top : top + short, left : left + short])


def _resized(frames: Tensor) -> Tensor:
    return F.interpolate(frames[None].float() / 255, size=(EDGE, EDGE), mode="bilinear", antialias=True)


class Training:
    """One arm of a fold, with a clock of its own, stopped and continued exactly."""

    def __init__(self, arm: str, fold: int, clips: Clips, members: np.ndarray, out: Path) -> None:
        self.arm, self.fold, self.clips, self.members = arm, fold, clips, members
        self.state_path = out / f"{arm}-{fold}.state"
        torch.manual_seed(fold)
        self.method: VideoMAE = videomae_small_clips(in_channels=1, **ARMS[arm])
        self.optimizer = torch.optim.AdamW(
            self.method.parameters(), lr=PEAK, betas=(0.9, 0.95), weight_decay=0.05, fused=True
        )
        self.order = torch.Generator().manual_seed(fold)
        self.masks = torch.Generator().manual_seed(fold + 1000)
        self.seconds, self.steps, self.losses = 0.0, 0, []
        if self.state_path.exists():
            self._restore()

    def run(self, budget: float, *, keep_every: float = 120.0) -> None:
        """Until the clock shows ``budget`` CPU seconds; a cosine over that budget."""
        kept = self.seconds
        while self.seconds < budget:
            started = time.process_time()
            rate = min((self.steps + 1) / WARMUP, 1.0) * 0.5 * (1 + math.cos(math.pi * min(self.seconds / budget, 1.0)))
            for group in self.optimizer.param_groups:
                group["lr"] = PEAK * max(rate, 1e-3)
            picked = self.members[torch.randint(len(self.members), (BATCH,), generator=self.order).numpy()]
            batch = {"image": torch.stack([self.clips.crop(int(n), self.order) for n in picked])}
            loss = self.method(batch, generator=self.masks).loss
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.losses.append(float(loss.detach()))
            self.seconds += time.process_time() - started
            self.steps += 1
            if self.seconds - kept > keep_every:
                self._save()
                kept = self.seconds
        self._save()

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": [self.order.get_state(), self.masks.get_state()],
            "clock": [self.seconds, float(self.steps)],
            "losses": self.losses,
        }
        with atomic_write(self.state_path) as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state = torch.load(self.state_path, weights_only=True)
        self.method.load_state_dict(state["method"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["generators"][0])
        self.masks.set_state(state["generators"][1])
        self.seconds, self.steps = state["clock"][0], int(state["clock"][1])
        self.losses = state["losses"]


@app.command()
def train(
    prepared: Prepared,
    out: Out,
    *,
    labels: Path | None = None,
    arms: str = "tube_90,random_90,tube_50",
    folds: str = "0,1,2",
    seconds: float = 120.0,
) -> None:
    """Trains arms, and keeps their weights."""
    torch.set_num_threads(1)
    clips = Clips(prepared, labels)
    out.mkdir(parents=True, exist_ok=True)
    for fold in map(int, folds.split(",")):
        for arm in arms.split(","):
            training = Training(arm, fold, clips, clips.folds()[fold][0], out)
            if training.seconds >= seconds:
                continue
            training.run(seconds)
            row = {
                "arm": arm,
                "fold": fold,
                "cpu_seconds": round(training.seconds, 1),
                "steps": training.steps,
                "first_loss": round(float(np.mean(training.losses[:20])), 4),
                "last_loss": round(float(np.mean(training.losses[-100:])), 4),
            }
            _append(out / "training.csv", row)
            print(*row.values(), flush=True)


@app.command()
def evaluate(
    prepared: Prepared,
    out: Out,
    *,
    labels: Path | None = None,
    folds: str = "0,1,2",
    epochs: int = 20,
    fine_tune: bool = True,
) -> None:
    """Classifiers on every arm, on the untrained encoder and on what needs no network."""
    torch.set_num_threads(1)
    clips = Clips(prepared, labels)
    owned = np.array([CLASSES.index(label) if label in CLASSES else -1 for label in clips.labels])
    for fold in map(int, folds.split(",")):
        train_on, test = (_labelled(clips, part) for part in clips.folds()[fold])
        views = {int(n): torch.stack([clips.view(int(n), s) for s in (0.0, 0.5, 1.0)]) for n in [*train_on, *test]}
        sheet = Sheet(out / "predictions.csv", clips, fold, test)
        for name, of in (("mean frame", _mean_frame), ("mean grey", _mean_grey)):
            sheet.add(
                f"{name}, {LINEAR}", _fitted(_linear(), {n: of(v) for n, v in views.items()}, owned, train_on, test)
            )
        for arm in ("untrained", *ARMS):
            method = _weights(arm, fold, out)
            if method is None:
                continue
            features = {n: _features(method, v) for n, v in views.items()}
            sheet.add(f"{arm}, {LINEAR}", _fitted(_linear(), features, owned, train_on, test))
            sheet.add(f"{arm}, 5 neighbours", _fitted(_neighbours(), features, owned, train_on, test))
            if fine_tune and not sheet.has(f"{arm}, fine-tuned"):
                sheet.add(f"{arm}, fine-tuned", _tuned(method, clips, owned, train_on, test, fold, epochs))


class Sheet:
    """``predictions.csv``: a row a clip, classifier and fold; what is there already is left."""

    def __init__(self, path: Path, clips: Clips, fold: int, test: np.ndarray) -> None:
        self.path, self.clips, self.fold, self.test = path, clips, fold, test
        self.done = set()
        if path.exists():
            with path.open() as file:
                self.done = {(row["classifier"], row["fold"]) for row in csv.DictReader(file)}

    def has(self, name: str) -> bool:
        """Whether a classifier was tested on this fold."""
        return (name, str(self.fold)) in self.done

    def add(self, name: str, shares: np.ndarray) -> None:
        """Writes probabilities ``(T, K)``."""
        if self.has(name):
            return
        for n, row in zip(self.test, shares, strict=True):
            about = {
                "classifier": name,
                "fold": self.fold,
                "clip": self.clips.names[n],
                "source": self.clips.sources[n],
            }
            named = {f"p_{label}": f"{p:.5f}" for label, p in zip(CLASSES, row, strict=True)}
            about |= {"patient": self.clips.patients[n], "label": self.clips.labels[n]}
            _append(self.path, {**about, **named})
        right = [CLASSES[row.argmax()] == self.clips.labels[n] for n, row in zip(self.test, shares, strict=True)]
        print(f"{name}, fold {self.fold}: {np.mean(right):.3f} of {len(right)} clips", flush=True)


def _weights(arm: str, fold: int, out: Path) -> VideoMAE | None:
    torch.manual_seed(fold)
    method = videomae_small_clips(in_channels=1, **ARMS.get(arm, {}))
    if arm == "untrained":
        return method.eval()
    path = out / f"{arm}-{fold}.state"
    if not path.exists():
        return None
    method.load_state_dict(torch.load(path, weights_only=True)["method"])
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


def _fitted(model: Any, features: Any, owned: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    model.fit(np.stack([features[int(n)] for n in train]), owned[train])
    shares = np.zeros((len(test), len(CLASSES)))
    shares[:, model.classes_] = model.predict_proba(np.stack([features[int(n)] for n in test]))
    return shares


class _Random:
    """Items of random views, by number; a test item is the middle view."""

    def __init__(self, clips: Clips, train: np.ndarray, seed: int) -> None:
        self.clips, self.train = clips, set(train.tolist())
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return len(self.clips.names)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        if number in self.train:
            return {"image": self.clips.crop(number, self.generator)}
        return {"image": self.clips.view(number, 0.5)}


def _tuned(
    method: VideoMAE, clips: Clips, owned: np.ndarray, train: np.ndarray, test: np.ndarray, fold: int, epochs: int
) -> np.ndarray:
    tune = FineTune(
        encoder=method.encoder,
        samples=_Random(clips, train, fold),
        epochs=epochs,
        warmup_epochs=2.0,
        batch_size=16,
        base_lr=1.6e-2,
        layer_decay=0.75,
        drop_path=0.1,
        mixing=None,
    )
    split = Fold(train=train, val=np.empty(0, dtype=np.int64), test=test)
    return tune(split, owned, task=SingleLabel(classes=CLASSES), seed=fold)


def _labelled(clips: Clips, part: np.ndarray) -> np.ndarray:
    return np.array([n for n in part if clips.labels[n] in CLASSES])


def _append(path: Path, row: dict[str, Any]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    app()
