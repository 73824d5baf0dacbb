"""Does masked pre-training help on real shapes? Point-MAE and MAE3D on adrenal glands, chairs and monitors.

Scans of a set are divided into three folds; a run of a fold sees no held-out scan, labelled or not. The seed of a fold
is its number, so that three folds are three seeds and every scan is tested once. Arms: ``point_mae``, ``mae3d``, and
``untrained`` (weights as they begin). Encoders are small, for two CPU cores: ``SIZES``.

    python benchmarks/point_methods.py train SHARED OUT shapes --arms point_mae,mae3d --seconds 150
    python benchmarks/point_methods.py evaluate SHARED OUT shapes
    python benchmarks/point_methods.py tune SHARED OUT shapes
    python benchmarks/point_methods.py complete SHARED OUT shapes

``SHARED`` is a folder with ``shapes_points1024.npz`` and ``adrenalmnist3d_64_trainval.npz``. ``train`` leaves a
``.state`` for each run and a row in ``OUT/training.csv``; it may be stopped and goes on where it was, and what was
measured of a network that is trained on is forgotten. The others write
``OUT/predictions.csv`` (a row a scan, classifier, share of labels) and ``OUT/completions.csv`` (a row a scan, arm,
share hidden). ``point_report.py OUT`` makes the tables.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
import typer
from grown_table import append, forget
from point_sets import FOLDS, Clouds
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor
from video_training import Training

from medmae.allocator import keep_freed_memory
from medmae.masking.patches import PatchMasking
from medmae.methods.base import MaskedMethod
from medmae.methods.mae3d import mae3d_small
from medmae.methods.point_mae import point_mae_small
from medmae.nn.point_heads import DGCNNClassifier, PointViTClassifier
from medmae.objectives.chamfer import chamfer_l1, chamfer_l2, f_score

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Folder = Annotated[Path, typer.Argument(help="shared/data/pointcloud")]
Out = Annotated[Path, typer.Argument(help="Receives weights and tables.")]
Name = Annotated[str, typer.Argument(help="shapes or adrenal")]

POINTS, BATCH = 512, 32
SHARES = (0.05, 0.1, 1.0)  # of labels
HIDDEN = (0.3, 0.5, 0.7)
SIZES: dict[str, Callable[[], MaskedMethod]] = {
    "point_mae": lambda: point_mae_small(num_points=POINTS, num_patches=32, patch_points=24),
    "mae3d": lambda: mae3d_small(num_points=POINTS, num_patches=32, patch_points=16, embed_dim=192, neighbours=10),
}


def network(arm: str, fold: int) -> MaskedMethod:
    """As a run begins."""
    torch.manual_seed(fold)
    return SIZES[arm]()


def training(clouds: Clouds, arm: str, fold: int, out: Path) -> Training:
    """Of the scans that are not held out."""
    learn, _ = clouds.split(fold)

    def draw(order: Generator) -> dict[str, Tensor]:
        picked = learn[torch.randint(len(learn), (BATCH,), generator=order).numpy()]
        return {"points": clouds.batch(picked, POINTS, order)}

    path = out / f"{clouds.name}-{arm}-{fold}.state"
    return Training(network(arm, fold), draw, number=fold, path=path, peak=1e-3)


def trained(clouds: Clouds, arm: str, fold: int, out: Path) -> MaskedMethod | None:
    """As a run ended; None if there is none. ``untrained`` is Point-MAE as it begins, ``untrained mae3d`` MAE3D."""
    if arm.startswith("untrained"):
        return network("mae3d" if arm.endswith("mae3d") else "point_mae", fold).eval()
    path = out / f"{clouds.name}-{arm}-{fold}.state"
    if not path.exists():
        return None
    method = network(arm, fold)
    method.load_state_dict(torch.load(path, weights_only=True)["method"])
    return method.eval()


@app.command()
def train(
    folder: Folder, out: Out, name: Name, *, arms: str = "point_mae", folds: str = "0,1,2", seconds: float = 120.0
) -> None:
    """Pre-trains, each run for so many CPU seconds."""
    clouds = _set(name, folder, out)
    for fold, arm in product(_numbers(folds), arms.split(",")):
        run = training(clouds, arm, fold, out)
        if run.seconds >= seconds:
            continue
        run.run(seconds=seconds)
        first, last = np.mean(run.losses[:20]), np.mean(run.losses[-50:])
        row = {"set": name, "arm": arm, "fold": fold, "cpu_seconds": round(run.seconds, 1), "steps": run.steps}
        append(out / "training.csv", row | {"first_loss": round(first, 5), "last_loss": round(last, 5)})
        print(*row.values(), first, last, flush=True)
        for kind in ("linear", "forest", "fine-tuned"):
            forget(out / "predictions.csv", set=name, classifier=f"{arm}, {kind}", fold=fold)
        forget(out / "completions.csv", set=name, arm=arm, fold=fold)


@app.command()
def evaluate(folder: Folder, out: Out, name: Name, *, folds: str = "0,1,2") -> None:
    """A linear model and a forest on frozen features, and on what needs no network."""
    clouds = _set(name, folder, out)
    for fold in _numbers(folds):
        described: dict[str, np.ndarray] = clouds.described()
        for arm in ("untrained", "untrained mae3d", *SIZES):
            method = trained(clouds, arm, fold, out)
            if method is not None:
                described[arm] = _features(method, clouds)
        sheet = Sheet(out / "predictions.csv", clouds, fold)
        for (what, features), share in product(described.items(), SHARES):
            learn, test = clouds.split(fold, share)
            models = {"linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=3000))}
            models["forest"] = RandomForestClassifier(200, random_state=fold)
            for kind, model in models.items():
                found = model.fit(features[learn], clouds.labels[learn]).predict_proba(features[test])
                sheet.add(f"{what}, {kind}", share, test, found)
        for share in SHARES:
            learn, test = clouds.split(fold, share)
            often = np.bincount(clouds.labels[learn], minlength=len(clouds.classes)) / len(learn)
            sheet.add("the same answer to all", share, test, np.tile(often, (len(test), 1)))


@app.command()
def tune(
    folder: Folder, out: Out, name: Name, *, arms: str = "untrained,point_mae", folds: str = "0,1,2", steps: int = 24
) -> None:
    """Fine-tunes the whole encoder with the published classifier; ``untrained`` is a start from scratch."""
    clouds = _set(name, folder, out)
    for fold, share, arm in product(_numbers(folds), SHARES, arms.split(",")):
        sheet = Sheet(out / "predictions.csv", clouds, fold)
        method = trained(clouds, arm, fold, out)
        if method is None or sheet.has(f"{arm}, fine-tuned", share):
            continue
        started = time.process_time()
        learn, test = clouds.split(fold, share)
        model = _tuned(method, clouds, learn, fold, steps)
        found = [model(clouds.batch(some, POINTS)).softmax(dim=1) for some in _parts(test)]
        print(f"{time.process_time() - started:.0f} CPU s", end=" ")
        sheet.add(f"{arm}, fine-tuned", share, test, torch.cat(found).numpy())


def _tuned(method: MaskedMethod, clouds: Clouds, learn: np.ndarray, fold: int, steps: int) -> torch.nn.Module:
    torch.manual_seed(fold)
    encoder: Any = method.encoder
    head = PointViTClassifier if hasattr(encoder, "blocks") else DGCNNClassifier
    model = head(encoder=encoder, num_classes=len(clouds.classes)).train()
    body = {id(parameter) for parameter in encoder.parameters()}
    groups = [
        {"params": [p for p in model.parameters() if (id(p) in body) == inside], "peak": peak}
        for inside, peak in ((True, 5e-4), (False, 2e-3))
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    order = torch.Generator().manual_seed(fold)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * min((step + 1) / 10, 1.0) * 0.5 * (1 + np.cos(np.pi * step / steps))
        picked = learn[torch.randint(len(learn), (16,), generator=order).numpy()]
        loss = F.cross_entropy(model(clouds.batch(picked, POINTS, order)), torch.from_numpy(clouds.labels[picked]))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    _settle(model, clouds, learn, order)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()


@torch.no_grad()
def _settle(model: torch.nn.Module, clouds: Clouds, learn: np.ndarray, order: Generator) -> None:
    """Statistics of batch norms, which a few steps leave far behind the weights, taken anew of some batches."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            module.momentum = None  # the mean of what follows
    model.train()
    for _ in range(3):
        model(clouds.batch(learn[torch.randint(len(learn), (64,), generator=order).numpy()], POINTS, order))


@app.command()
@torch.no_grad()
def complete(folder: Folder, out: Out, name: Name, *, folds: str = "0,1,2") -> None:
    """How far completed clouds are from whole ones, beside what is left alone and a mean cloud of the training set."""
    clouds = _set(name, folder, out)
    for fold, share, choice in product(_numbers(folds), HIDDEN, ("block",)):
        learn, test = clouds.split(fold)
        for arm in SIZES:
            method: Any = trained(clouds, arm, fold, out)
            if method is None:
                continue
            count = method.maskings["points"].num_patches
            masking = PatchMasking(num_patches=count, ratio=share, choice=choice)
            method.masking, method.maskings = masking, {"points": masking}
            generator = torch.Generator().manual_seed(1000 + fold)
            for some in _parts(test):
                batch = {"points": clouds.batch(some, POINTS)}
                masks = method.draw_masks(batch, generator=generator)
                shown = method.show(batch, masks)["points"]
                about = {"set": name, "arm": arm, "fold": fold, "hidden": share, "choice": choice}
                _write_completions(out, clouds, some, shown, about, baseline=arm == "point_mae", learn=learn)


def _write_completions(
    out: Path,
    clouds: Clouds,
    scans: np.ndarray,
    shown: Any,
    about: dict[str, Any],
    *,
    baseline: bool,
    learn: np.ndarray,
) -> None:
    mean = torch.from_numpy(clouds.points[np.random.default_rng(0).choice(learn, 64)][:, :8].reshape(1, -1, 3))
    rows = []
    for n, scan in enumerate(scans):
        given, hidden = shown.given[n].T, shown.hidden[n, 0]
        made = {about["arm"]: shown.made[n].T}
        if baseline:
            made |= {"what is left": given[~hidden], "points of 64 others": mean[0]}
        for arm, cloud in made.items():
            one, truth, gone = cloud[None], given[None], given[hidden][None]
            unit = clouds.unit_mm or 1.0
            row = about | {"arm": arm, "scan": int(scan), "cdl2": float(chamfer_l2(one, truth)) * unit**2}
            row["cdl1"] = float(chamfer_l1(one, truth)) * unit
            within = 1.0 / unit if clouds.unit_mm else 0.05
            row["f_score"] = float(f_score(one, truth, within=within))
            row["hidden_recall"] = float((torch.cdist(gone, one).amin(dim=2) <= within).float().mean())
            row["hidden_mean"] = float(torch.cdist(gone, one).amin(dim=2).mean()) * unit
            rows.append(row)
    append(out / "completions.csv", *rows)


class Sheet:
    """``predictions.csv``: a row a scan, classifier and share of labels; what is there already is left."""

    def __init__(self, path: Path, clouds: Clouds, fold: int) -> None:
        self.path, self.clouds, self.fold = path, clouds, fold
        self.done = set()
        if path.exists():
            with path.open() as file:
                self.done = {(row["set"], row["classifier"], row["share"], row["fold"]) for row in csv.DictReader(file)}

    def has(self, name: str, share: float) -> bool:
        """Whether a classifier was tested."""
        return (self.clouds.name, name, str(share), str(self.fold)) in self.done

    def add(self, name: str, share: float, test: np.ndarray, found: np.ndarray) -> None:
        """Writes probabilities ``(T, K)``."""
        if self.has(name, share):
            return
        rows = []
        for scan, row in zip(test, found, strict=True):
            about = {"set": self.clouds.name, "classifier": name, "share": share, "fold": self.fold, "scan": int(scan)}
            shares = {f"p_{number}": f"{p:.5f}" for number, p in enumerate((*row, *([0.0] * (3 - len(row)))))}
            rows.append(about | {"label": int(self.clouds.labels[scan])} | shares)
        append(self.path, *rows)
        right = (found.argmax(axis=1) == self.clouds.labels[test]).mean()
        print(f"{self.clouds.name}, {name}, {share:g}, fold {self.fold}: {right:.3f}", flush=True)


@torch.no_grad()
def _features(method: MaskedMethod, clouds: Clouds) -> np.ndarray:
    encoder: Any = method.encoder
    parts = _parts(np.arange(len(clouds.labels)))
    return torch.cat([encoder.features({"points": clouds.batch(some, POINTS)}) for some in parts]).numpy()


def _set(name: str, folder: Path, out: Path) -> Clouds:
    torch.set_num_threads(1)
    keep_freed_memory()
    out.mkdir(parents=True, exist_ok=True)
    return Clouds.of(name, folder, out)


def _parts(scans: np.ndarray) -> list[np.ndarray]:
    return np.array_split(scans, -(-len(scans) // 64))


def _numbers(text: str) -> list[int]:
    found = [int(part) for part in text.split(",")]
    assert max(found) < FOLDS
    return found


if __name__ == "__main__":
    app()
