"""A run directory as a bundle would leave it, small and written by the test: smooth phantoms, plausible numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, sobel

Image = NDArray[np.float32]
CONTRASTS = ("T1", "T2", "FLAIR")
METRICS = ("psnr_model", "psnr_mean_fill", "psnr_neighbour")


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a run; its arguments are those of :func:`write_run`."""
    return lambda **options: write_run(tmp_path / "run", **options)


def write_run(
    folder: Path,
    *,
    train: Sequence[str] = ("sub-01", "sub-02", "sub-03"),
    val: Sequence[str] = ("sub-06",),
    test: Sequence[str] = ("sub-04", "sub-05"),
    evaluated: Sequence[str] | None = None,
    rows: int = 4,
    steps: int = 60,
    pictures: Sequence[Image] | None = None,
    size: int = 64,
    evaluation: bool = True,
    validation: bool = True,
    **info: Any,
) -> Path:
    """Write a run directory.

    Args:
        folder: Where.
        train: Subjects trained on.
        val: Subjects that only chose the checkpoint.
        test: Subjects held out.
        evaluated: Subjects scored (``test`` if not given).
        rows: Panel rows.
        steps: Logged steps.
        pictures: Input images (a phantom each if not given).
        size: Side of a phantom.
        evaluation: Whether the run has been evaluated.
        validation: Whether it logged a validation loss.
        **info: Entries of ``run.json`` to replace.
    """
    rng = np.random.default_rng(0)
    (folder / "logs").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({**run_info(train, val, test), **info}))
    write_csv(folder / "logs" / "metrics.csv", log_rows(rng, steps=steps, validation=validation))
    if evaluation:
        write_evaluation(folder / "evaluation", rng, list(evaluated or test), rows, pictures, size)
    return folder


def run_info(train: Sequence[str], val: Sequence[str], test: Sequence[str]) -> dict[str, Any]:
    """``run.json`` of a small Edge-MAE."""
    splits = (("train", train), ("val", val), ("test", test))
    return {
        "title": "Edge-MAE on brain MR",
        "method": "EdgeMAE",
        "bundle": "mr_edge_mae_pretraining",
        "config": {
            "network": {"_target_": "medmae.methods.EdgeMAE", "size": 256, "patch": 8, "ratio": 0.7, "norm_pix": False},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "betas": [0.9, 0.95]},
            "trainer": {"max_steps": 600, "accelerator": "cpu"},
        },
        "versions": {"medmae": "0.1.0", "torch": "2.15.0", "monai": "1.6.1", "numpy": "2.3.0"},
        "hashes": {"models/model.safetensors": "9f2c" * 16},
        "data": {
            "manifest_sha256": "71ab" * 16,
            "contrasts": list(CONTRASTS),
            "cases": [case_row(s, split) for split, names in splits for s in names],
            "quarantine": [
                {"case": "sub-99", "file": "sub-99_FLAIR.nii.gz", "field": "dim", "value": "91x109x0",
                 "reason": "the header promises no slices", "remedy": "export the series again"}
            ],
        },
        "seconds": 252.4,
        "parameters": 4_120_960,
    }  # fmt: skip


def case_row(subject: str, split: str) -> dict[str, Any]:
    """One row of the cohort, as ``summarise_data`` gives it."""
    return {"case": subject, "subject": subject, "session": "", "split": split, "contrasts": "T1;T2;FLAIR",
            "shape": "[181, 217, 181]", "spacing_mm": "[1.0, 1.0, 1.0]", "flags": "", "slices": 426}  # fmt: skip


def log_rows(rng: np.random.Generator, *, steps: int, validation: bool) -> list[dict[str, object]]:
    """Sparse rows as Lightning's CSVLogger writes them: training and validation never in one row."""
    rows: list[dict[str, object]] = []
    for i in range(steps):
        step, t = 10 * (i + 1), i / steps
        image, edge = (0.05 * np.exp(-4 * t) + 0.006, 0.12 * np.exp(-2.5 * t) + 0.03) * np.exp(
            0.08 * rng.normal(size=2)
        )
        rows.append({"step": step, "epoch": i // 10, "train/loss": 10 * image + edge, "train/image": 10 * image,
                     "train/edge": edge, "lr": 1e-3 * min(1, 8 * t) * (0.5 + 0.5 * np.cos(np.pi * t)),
                     "images_per_second": 148 + 6 * rng.normal()})  # fmt: skip
        if validation and i % 10 == 9:
            rows.append({"step": step, "epoch": i // 10, "val/loss": 1.1 * (10 * image + edge), "val/image": 11 * image,
                         "val/edge": 1.1 * edge})  # fmt: skip
    return rows


def write_evaluation(
    folder: Path, rng: np.random.Generator, subjects: list[str], rows: int, pictures: Sequence[Image] | None, size: int
) -> None:
    """Write scores per case and contrast, their summary, and panels."""
    folder.mkdir()
    scores = []
    for subject in subjects:
        ease = rng.normal()
        for contrast, shift in zip(CONTRASTS, (1.0, 0.0, -0.8), strict=True):
            values = np.array([26.4, 15.3, 22.1]) + shift + ease + 0.3 * rng.normal(size=3)
            numbers = {n: round(float(v), 4) for n, v in zip(METRICS, values, strict=True)}
            inside = {f"{n}_foreground": round(v - 3, 4) for n, v in numbers.items()}
            scores.append(
                {"case": subject, "subject": subject, "contrast": contrast, "samples": 142, **numbers, **inside}
            )
    write_csv(folder / "reconstruction.csv", scores)
    (folder / "summary.json").write_text(json.dumps(summary(scores, subjects)))
    write_panels(folder, rng, scores, rows, pictures, size)


def summary(scores: list[dict[str, Any]], subjects: list[str]) -> dict[str, Any]:
    """Means over subjects of every metric, and of the paired gain over each baseline."""
    columns = {name: [row[name] for row in scores] for name in scores[0] if name.startswith("psnr_")}
    for name in METRICS[1:]:
        columns[f"gain_over_{name.removeprefix('psnr_')}"] = [row["psnr_model"] - row[name] for row in scores]
    names = [row["subject"] for row in scores]
    return {name: _over_subjects(values, names, subjects) for name, values in columns.items()}


def _over_subjects(values: list[float], names: list[str], subjects: list[str]) -> dict[str, float | int]:
    means = [np.mean([v for v, name in zip(values, names, strict=True) if name == s]) for s in subjects]
    mean, std = float(np.mean(means)), float(np.std(means))
    half = 1.96 * std / len(means) ** 0.5  # a stand-in for the bootstrap
    return {"mean": mean, "std": std, "ci_low": mean - half, "ci_high": mean + half, "n_subjects": len(means)}


def write_panels(
    folder: Path, rng: np.random.Generator, scores: list[dict[str, Any]], rows: int,
    pictures: Sequence[Image] | None, size: int,
) -> None:  # fmt: skip
    """Write ``panels.npz`` and ``panels.json`` with a blurred copy of the input as the reconstruction."""
    arrays, info = {}, []
    for i in range(rows):
        image = pictures[i % len(pictures)] if pictures else phantom(rng, size)
        hidden = np.kron(rng.random([side // 8 for side in image.shape]) < 0.7, np.ones((8, 8))).astype(bool)
        guess = np.clip(gaussian_filter(image, size / 60) + 0.01 * rng.normal(size=image.shape), 0, 1)
        pasted = np.where(hidden, guess, image)
        edges = {"edge_target": magnitude(image), "edge_prediction": magnitude(gaussian_filter(image, 1.2))}
        row = {"input": image, "visible": np.where(hidden, np.nan, image), "reconstruction": pasted, **edges,
               "error": np.abs(image - pasted)}  # fmt: skip
        arrays |= {f"{i}/{name}": array.astype(np.float32) for name, array in row.items()}
        score = scores[(i * 4) % len(scores)]
        info.append({key: score[key] for key in score if key not in ("subject", "samples")} | {"slice": 70 + 7 * i})
    np.savez_compressed(folder / "panels.npz", **arrays)
    (folder / "panels.json").write_text(json.dumps(info))


def phantom(rng: np.random.Generator, size: int) -> Image:
    """A head of ellipses: bright rim, two tissues, dark ventricles, zero background."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    radius = np.hypot(y / 0.92, x / 0.76)
    image = np.where(radius < 1, 0.85, 0.0)
    image[radius < 0.9] = 0.45
    image[radius < 0.72] = 0.65
    image[np.hypot((y + 0.05) / 0.3, (np.abs(x) - 0.16) / 0.1) < 1] = 0.12
    noise = gaussian_filter(rng.normal(size=(size, size)), 2) * (image > 0)
    return np.clip(gaussian_filter(image, 0.8) + 0.2 * noise, 0, 1).astype(np.float32)


def magnitude(image: Image) -> Image:
    """Sobel magnitude, scaled to at most 1."""
    edges = np.hypot(sobel(image, 0), sobel(image, 1))
    return (edges / edges.max()).astype(np.float32)


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows whose keys may differ."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, head)
        writer.writeheader()
        writer.writerows(rows)
