"""What a training is going to do, told before it begins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only

from medmae.nn.checkpointing import recomputable_blocks
from medmae.report.text import spoken_count
from medmae.speed import matmul_gflops
from medmae.training.duration import Load
from medmae.training.loader import ResumableLoader
from medmae.training.measure import count_sample
from medmae.training.memory import Precision, memory
from medmae.training.module import MaskedModule
from medmae.training.sizes import Sizes

LONG_HOURS = 1.0  # from here on a CPU is the wrong device for a first look


@rank_zero_only
def tell_plan(
    *,
    trainer: pl.Trainer,
    module: MaskedModule,
    loader: ResumableLoader,
    data: Mapping[str, str],
    smaller: str | None = None,
) -> None:
    """Prints data, network, device, length, output folder, and about how long it takes in how much memory.

    Args:
        trainer: Will train.
        module: What.
        loader: Batches to learn from.
        data: Lines on the data.
        smaller: Command of the same training at a small size, told where a CPU would take long; None if there is none.
    """
    device = trainer.strategy.root_device.type
    steps = len(loader) * (trainer.max_epochs or 0) // trainer.accumulate_grad_batches
    if trainer.max_steps > 0:
        steps = min(steps, trainer.max_steps) or trainer.max_steps
    seconds, mebibytes = estimate(trainer, module, batch=loader.batch_size, steps=steps, gflops=matmul_gflops(device))
    numbers = sum(each.numel() for each in module.method.parameters())
    lines = {
        **data,
        "network": f"{type(module.method).__name__}, {numbers / 1e6:.2f} million parameters",
        "device": f"{trainer.num_devices} x {device}, {trainer.precision}",
        "length": f"{spoken_count(trainer.max_epochs or 0, 'epoch')}, {spoken_count(steps, 'step')} of "
        f"{spoken_count(loader.batch_size, 'sample')}",
        "output": str(trainer.default_root_dir),
        "estimate": f"about {timedelta(seconds=math.ceil(seconds))} (h:mm:ss) and {mebibytes:,.0f} MiB, besides the "
        "data and what is evaluated at the end",
    }
    print("\n".join(f"  {name:<10} {text}" for name, text in lines.items()), flush=True)
    if device == "cpu" and seconds > 3600 * LONG_HOURS:
        small = "lower --epochs" if smaller is None else f"try it small: {smaller}"
        print(f"  this is long for a CPU: take a GPU, or {small}", flush=True)


def estimate(
    trainer: pl.Trainer, module: MaskedModule, *, batch: int, steps: int, gflops: float
) -> tuple[float, float]:
    """Seconds and MiB: from sizes alone where the cost model knows the method, else counted on a sample.

    Args:
        trainer: Will train.
        module: What.
        batch: Samples at once.
        steps: How many.
        gflops: Speed of large products, in 1e9 operations a second, of each device.
    """
    recomputing = any(block.recompute for block in recomputable_blocks(module.method))
    try:
        sizes = Sizes.of(module.method)
        precision = cast(Precision, trainer.precision)
        needed = memory(sizes, batch=batch, checkpointing=recomputing, precision=precision).total
        load = Load.of(sizes, batch=batch, checkpointing=recomputing)
    except ValueError:
        counted = count_sample(module.method)
        needed, load = counted.memory(batch=batch), counted.load.times(batch)
    batches = steps * trainer.accumulate_grad_batches
    return batches * load.seconds(gflops=gflops * trainer.world_size), needed / 2**20
