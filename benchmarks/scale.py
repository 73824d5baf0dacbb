"""The cost model beside measurement on this machine: FLOPs, kept bytes, peak memory; and seconds a step.

    python benchmarks/scale.py measure --case s16_96

Every measured row runs in a process of its own, in float32 on one thread, from synthetic data.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import torch
import typer
from machine import matmul_probe

from medmae.methods.base import Method
from medmae.methods.mae import MAE, mae_base, mae_tiny
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training.cost import step_flops
from medmae.training.measure import count_flops, count_saved_bytes
from medmae.training.memory import memory, saved_bytes
from medmae.training.optim import OptimizerSpec
from medmae.training.sizes import Sizes

app = typer.Typer(add_completion=False)
MIB = 2**20


def small_96(**options) -> MAE:
    return MAE(**{"image_size": 96, "embed_dim": 384, "num_heads": 6, **options})


def volume(**options) -> MAE:
    """ViT-B on 96^3 voxels."""
    sizes = {"image_size": (96, 96, 96), "patch_size": 16, "in_channels": 1}
    return MAE(**{**sizes, "decoder_dim": 384, "decoder_heads": 12, **options})


@dataclass(frozen=True)
class Case:
    """What is measured here: a maker and a batch that this machine bears."""

    maker: Callable[..., Method]
    batch: int


CASES = {"s16_96": Case(small_96, 8), "b16_224": Case(mae_base, 4), "volume_96": Case(volume, 2)}


@dataclass(frozen=True)
class Row:
    """Predicted and measured, of one step."""

    flops: tuple[float, float]
    saved: tuple[float, float]
    peak: tuple[float, float]
    seconds: float
    probe: float


def high_water() -> int:
    """Bytes that this process has ever had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def train_steps(method: Method, batch: dict[str, torch.Tensor], *, steps: int) -> float:
    """Seconds of the fastest step, optimiser included."""
    optimizer = OptimizerSpec().build(method, batch_size=256)
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        method(batch).loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@app.command(hidden=True)
def one(case: str, ratio: float, recompute: bool = False, steps: int = 3) -> None:
    """One row, as JSON."""
    torch.set_num_threads(1)
    train_steps(mae_tiny(), mae_tiny().example_batch(), steps=1)  # what torch loads at first use is not the step's
    before = high_water()
    method = CASES[case].maker(mask_ratio=ratio)
    if recompute:
        checkpoint_activations(method)
    count = CASES[case].batch
    sizes, batch = Sizes.of(method), method.example_batch(count)
    seconds = train_steps(method, batch, steps=steps)
    peak = high_water() - before
    row = Row(
        flops=(step_flops(sizes, batch=count, checkpointing=recompute), count_flops(method, batch)),
        saved=(saved_bytes(sizes, batch=count, checkpointing=recompute), count_saved_bytes(method, batch)),
        peak=(memory(sizes, batch=count, checkpointing=recompute).total, peak),
        seconds=seconds,
        probe=matmul_probe(),
    )
    print(json.dumps(asdict(row)))


@app.command()
def measure(
    case: Annotated[str, typer.Option(help=f"One of {', '.join(CASES)}.")] = "s16_96",
    ratios: Annotated[str, typer.Option(help="Mask ratios.")] = "0.5,0.75,0.9",
) -> None:
    """A table in Markdown: predicted / measured."""
    print(f"{case}, batch {CASES[case].batch}, torch {torch.__version__}")
    print(
        "| mask ratio | blocks | GFLOP | kept MiB | peak MiB | s a step | % of the matmul probe |\n"
        "|---|---|---|---|---|---|---|"
    )
    for ratio in ratios.split(","):
        for recompute in (False, True):
            command = [sys.executable, __file__, "one", case, ratio, *(["--recompute"] if recompute else [])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            row = Row(**json.loads(done.stdout))
            flops, saved, peak = (
                f"{pair[0] / unit:.{digits}f} / {pair[1] / unit:.{digits}f}"
                for pair, unit, digits in ((row.flops, 1e9, 2), (row.saved, MIB, 1), (row.peak, MIB, 0))
            )
            share = row.flops[1] / row.seconds / 1e7 / row.probe
            kind = "recomputed" if recompute else "kept"
            print(f"| {ratio} | {kind} | {flops} | {saved} | {peak} | {row.seconds:.2f} | {share:.0f} |", flush=True)


if __name__ == "__main__":
    app()
