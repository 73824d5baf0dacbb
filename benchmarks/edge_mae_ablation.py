"""What do patch-wise weights, the edge head and the third dimension change? Leave-one-subject-out on prepared volumes.

Every subject is held out once; each variant trains from scratch on the others with the same steps, and is tested on
the hidden patches of the held-out subject. Nothing is augmented, so that variants differ in their loss only. Writes one
CSV row a (variant, subject, seed) and prints means with 95 % bootstrap intervals over subjects, and paired differences
to the full method.

    python benchmarks/edge_mae_ablation.py PREPARED OUT --steps 800
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytorch_lightning as pl
import torch
import typer
from torch.utils.data import DataLoader, RandomSampler

from medmae.data import Crops, Samples, Slices
from medmae.data.manifest import Manifest
from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction
from medmae.evaluate.statistics import summarise
from medmae.methods.edge_mae import EdgeMAE, edge_mae_demo
from medmae.training import MaskedModule, OptimizerSpec, WarmupCosine, fit

# The 3-d variant sees crops of 12 x 96 x 96 voxels in 64 patches of 12^3: as many tokens as a slice has.
_VOLUME: dict[str, Any] = {"image_size": (12, 96, 96), "patch_size": 12}
VARIANTS: dict[str, Callable[[], EdgeMAE]] = {
    "full": lambda: edge_mae_demo(),
    "no_patchwise": lambda: edge_mae_demo(patchwise=False),
    "no_edge": lambda: edge_mae_demo(edge_head=False),
    "neither": lambda: edge_mae_demo(patchwise=False, edge_head=False),
    "curriculum": lambda: edge_mae_demo(schedule="curriculum"),
    "volume": lambda: edge_mae_demo(**_VOLUME),
}


def dataset(method: EdgeMAE, manifest: Manifest, split: str, seed: int) -> Samples:
    """Slices for 2-d methods, crops for 3-d ones."""
    if method.patches.ndim == 2:
        return Samples(source=manifest, view=Slices(size=method.patches.size[0]), split=split)
    size = (method.patches.size[0], method.patches.size[1], method.patches.size[2])
    return Samples(source=manifest, view=Crops(size=size, crops_per_volume=24, seed=seed), split=split)


def holding_out(manifest: Manifest, subject: str) -> Manifest:
    """The same rows, with one subject as the test split and all others for training."""
    rows = tuple({**row, "split": "test" if row["subject"] == subject else "train"} for row in manifest.rows)
    return Manifest(path=manifest.path, rows=rows)


def one_run(*, name: str, manifest: Manifest, out: Path, steps: int, batch_size: int, seed: int) -> dict[str, float]:
    """Trains a variant and gives its figures on the held-out subject."""
    pl.seed_everything(seed, verbose=False)
    method = VARIANTS[name]()
    train = dataset(method, manifest, "train", seed)
    sampler = RandomSampler(train, replacement=True, num_samples=steps * batch_size)
    module = MaskedModule(
        method=method,
        optimizer=OptimizerSpec(base_lr=1e-3, scale_by_batch=False, weight_decay=0.0),
        schedule=WarmupCosine(warmup_epochs=0.05),
        seed=seed,
    )
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=out,
    )
    fit(trainer=trainer, module=module, train_loader=DataLoader(train, batch_size=batch_size, sampler=sampler))
    summary = evaluate_reconstruction(
        method=method, dataset=dataset(method, manifest, "test", seed), out=out, samples_per_case=24
    )
    return {key: float(value["mean"] or 0.0) for key, value in summary.items()}


def main(
    prepared: Annotated[Path, typer.Argument(help="Folder written by `medmae prep mr`.")],
    out: Annotated[Path, typer.Argument(help="Receives results.csv and summary.json.")],
    steps: int = 800,
    batch_size: int = 32,
    seeds: int = 1,
    variants: str = ",".join(VARIANTS),
    subjects: Annotated[str | None, typer.Option(help="Only these are held out, separated by commas.")] = None,
) -> None:
    """Runs everything that results.csv does not have yet."""
    torch.set_num_threads(1)
    manifest = Manifest.read(prepared)
    out.mkdir(parents=True, exist_ok=True)
    table = out / "results.csv"
    rows = list(csv.DictReader(table.open())) if table.exists() else []
    done = {(row["variant"], row["subject"], row["seed"]) for row in rows}
    for seed in range(seeds):
        for subject in subjects.split(",") if subjects else sorted({row["subject"] for row in manifest.rows}):
            for name in variants.split(","):
                if (name, subject, str(seed)) in done:
                    continue
                held = holding_out(manifest, subject)
                folder = out / f"{name}_{subject}_{seed}"
                figures = one_run(name=name, manifest=held, out=folder, steps=steps, batch_size=batch_size, seed=seed)
                rows.append({"variant": name, "subject": subject, "seed": str(seed), **figures})
                with table.open("w", newline="") as file:
                    writer = csv.DictWriter(file, fieldnames=list(rows[-1]))
                    writer.writeheader()
                    writer.writerows(rows)
                print(name, subject, seed, {k: round(v, 2) for k, v in figures.items()}, flush=True)
    report(rows, out)


def report(rows: list[dict[str, Any]], out: Path) -> None:
    """Means over subjects, and paired differences to the full method."""
    by: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["variant"], {})[(row["subject"], row["seed"])] = row
    summary: dict[str, Any] = {}
    for name, runs in by.items():
        subjects = [subject for subject, _ in runs]
        summary[name] = {
            key: summarise([float(run[key]) for run in runs.values()], subjects).as_dict()
            for key in next(iter(runs.values()))
            if key.startswith(("psnr_", "gain_"))
        }
        pairs = [key for key in runs if key in by.get("full", {})]
        if name not in ("full", "volume") and pairs:  # the volume variant is tested on other samples
            difference = [float(runs[key]["psnr_model"]) - float(by["full"][key]["psnr_model"]) for key in pairs]
            summary[name]["minus_full"] = summarise(difference, [subject for subject, _ in pairs]).as_dict()
        print(name, json.dumps(summary[name]["psnr_model"]))
    (out / "summary.json").write_text(json.dumps(summary, indent=2))


if __name__ == "__main__":
    typer.run(main)
