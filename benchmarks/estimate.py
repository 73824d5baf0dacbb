"""The time that a training says it will take, beside what it takes: MT-UNet's forms and Edge-MAE.

Trainings of the shipped recipes on a small simulated cohort, on one CPU thread, in seconds of the processor, so that
another load on the machine counts little: reading, augmentation, optimiser and logging are in a step, and the speed of
a large product, from which the estimate is made, is measured in the same seconds right before.

    python benchmarks/estimate.py            # into docs/scale.md; about five minutes
    python benchmarks/estimate.py --dry
"""

from __future__ import annotations

import statistics
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer
from document import DOCS, table, write_section
from machine import describe

import medmae.recipes.trainer as trainers
from data_prep.tiny import make
from medmae.bundle.run import run_bundle
from medmae.methods.presets import known_as
from medmae.methods.registry import create
from medmae.recipes.training import Training
from medmae.training.plan import estimate
from medmae.weights.about import about_header
from medmae.weights.io import save_safetensors
from medmae.weights.unseen import header

UNET, EDGE = "mr_mt_unet_synthesis", "mr_edge_mae_pretraining"
FORMS: dict[
    str, tuple[str, str, str, int, dict[str, Any]]
] = {  # bundle, configuration, encoder's preset, steps, options
    "MT-UNet, practical form, batch 4, from scratch": (UNET, "train,demo", "", 40, {"feature_weight": 0}),
    "MT-UNet, practical form, batch 4, on a frozen encoder": (UNET, "train,demo", "demo", 40, {"feature_weight": 0}),
    "MT-UNet, practical form, batch 4, with feature consistency": (UNET, "train,demo", "demo", 40, {}),
    "MT-UNet, paper, batch 2, from scratch": (UNET, "train", "", 4, {"feature_weight": 0, "batch_size": 2}),
    "MT-UNet, paper, batch 2, with feature consistency": (UNET, "train", "paper", 4, {"batch_size": 2}),
    "MT-UNet, volumes, batch 1, from scratch": (UNET, "train,volumes", "", 4, {"feature_weight": 0, "batch_size": 1}),
    "Edge-MAE, demo, batch 16": (EDGE, "train,demo", "", 10, {}),
    "Edge-MAE, paper, batch 2": (EDGE, "train", "", 4, {"batch_size": 2}),
}
_TIMES: list[float] = []
_TOLD: list[float] = []


class _Timed(trainers.Throughput):
    def on_train_batch_end(self, *args, **options):
        _TIMES.append(time.process_time())
        super().on_train_batch_end(*args, **options)


def speed(size: int = 1024, repeats: int = 8) -> float:
    """Of a large product, the best of several, in 1e9 operations a second of the processor."""
    matrix, best = torch.rand(size, size), float("inf")
    for _ in range(repeats):
        begin = time.process_time()
        float((matrix @ matrix)[0, 0])
        best = min(best, time.process_time() - begin)
    return 2 * size**3 / best / 1e9


def tell(training: Training) -> None:
    """In the place of what a training tells: the estimate for a step."""
    each = {"batch": training.train_loader.batch_size, "steps": 1, "gflops": speed()}
    _TOLD.append(estimate(training.trainer, training.module, **each)[0])


def encoder(folder: Path, preset: str) -> str:
    """Weights of an untrained Edge-MAE, which cost what trained ones do."""
    method = create("edge_mae", preset=preset)
    path = folder / f"{preset}.safetensors"
    save_safetensors(method.state_dict(), path, metadata={**header(method), **about_header(known_as(method))})
    return str(path)


def measure(folder: Path, form: str) -> list[str]:
    """One row: estimate and median of a step, in seconds, and their ratio."""
    bundle, config, preset, steps, options = FORMS[form]
    _TIMES.clear()
    _TOLD.clear()
    own = {"dataset_dir": folder / "mr" / "prepared", "output_dir": folder / f"run-{len(list(folder.iterdir()))}"}
    own |= {"epochs": 1, "device": "cpu", "train::trainer::max_steps": steps, "train::trainer::limit_val_batches": 0}
    own |= {"pretrained": encoder(folder, preset)} if preset else {}
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_bundle(bundle, config, options={key: str(value) for key, value in {**own, **options}.items()})
    taken = statistics.median(after - before for before, after in pairwise(_TIMES))
    row = [form, f"{_TOLD[0]:.3f}", f"{taken:.3f}", f"{_TOLD[0] / taken:.2f}"]
    print(*row, sep=" | ", flush=True)
    return row


def main(dry: Annotated[bool, typer.Option("--dry", help="Print, and write nothing.")] = False) -> None:
    """Measures all forms."""
    torch.set_num_threads(1)
    trainers.Throughput, Training.tell_plan = _Timed, tell  # type: ignore[misc, method-assign]
    with TemporaryDirectory() as name:
        folder = Path(name)
        make("mr", folder / "mr")
        rows = [measure(folder, form) for form in FORMS]
    text = table(["training", "estimate, s a step", "taken, s a step", "estimate / taken"], rows)
    text += f"\n\n{describe()}; one thread, seconds of the processor."
    print(text)
    if not dry:
        write_section("estimate", text, page=DOCS / "scale.md")


if __name__ == "__main__":
    typer.run(main)
