"""What the cost model says of 1 to 512 GPUs: derived, not measured, under the assumptions that stand below.

python benchmarks/cluster.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from document import table
from scale import volume

from medmae.methods.base import Method
from medmae.methods.edge_mae import edge_mae_paper
from medmae.methods.mae import MAE, mae_base, mae_huge, mae_large
from medmae.training.cost import parameters, step_flops
from medmae.training.memory import memory, saved_bytes
from medmae.training.sizes import Sizes

PEAK_FLOPS = 989e12  # dense bfloat16 of one H100 or H200, by its data sheet
NVLINK = 300e9  # bytes/s of a ring within a node of 8: two thirds of 450 GB/s one way
FAST_NETWORK = 200e9  # bytes/s of a ring between nodes with 8 x 400 Gbit/s: half of it
SLOW_NETWORK = 10e9  # the same with one 100 Gbit/s link a node: four fifths of it
ROOM = 0.85 * 80e9  # bytes of a GPU of 80 GB that a step may fill
NODE = 8


@dataclass(frozen=True)
class Plan:
    """A training; ``mfu``, the share of peak arithmetic that is reached, is an assumption."""

    title: str
    maker: Callable[..., Method]
    batch: int
    mfu: float
    ratio: float = 0.75

    @property
    def sizes(self) -> Sizes:
        """Of the method at this ratio, without allocating it."""
        with torch.device("meta"):
            return Sizes.of(self.maker()).with_ratio(self.ratio)

    @property
    def rate(self) -> float:
        """Samples a second of one GPU."""
        return PEAK_FLOPS * self.mfu / step_flops(self.sizes, batch=1)


def fine_volume(**options) -> MAE:
    return volume(**{"patch_size": 8, **options})


PLANS = [
    Plan("Edge-MAE (paper), 256 px", edge_mae_paper, 64, 0.10, 0.7),
    Plan("MAE ViT-B/16, 224 px", mae_base, 256, 0.35),
    Plan("MAE ViT-L/16, 224 px", mae_large, 128, 0.40),
    Plan("MAE ViT-H/14, 224 px", mae_huge, 64, 0.40),
    Plan("MAE ViT-B, 96^3 in patches of 16", volume, 64, 0.35),
    Plan("MAE ViT-B, 96^3 in patches of 8", fine_volume, 16, 0.35),
]


def wait_seconds(count: int, gpus: int, network: float) -> float:
    """All-reduce of float32 gradients: a ring in each node, then one between nodes."""
    inside, nodes = min(gpus, NODE), max(gpus // NODE, 1)
    return 4 * count * 2 * ((inside - 1) / inside / NVLINK + (nodes - 1) / nodes / network)


def largest_batch(sizes: Sizes, *, checkpointing: bool) -> int:
    """Samples that fit beside weights and optimiser on one GPU."""
    none, one = (memory(sizes, batch=b, checkpointing=checkpointing, precision="bf16-mixed").total for b in (0, 1))
    return int((ROOM - none) // (one - none))


def one_gpu(plan: Plan) -> list[str]:
    """Cells of the first table."""
    sizes, count = plan.sizes, parameters(plan.sizes)
    kept, less = (saved_bytes(sizes, batch=1, checkpointing=c, precision="bf16-mixed") / 1e6 for c in (False, True))
    more = step_flops(sizes, batch=1, checkpointing=True) / step_flops(sizes, batch=1) - 1
    return [
        plan.title,
        f"{(count.trainable + count.frozen) / 1e6:.1f}",
        f"{step_flops(sizes, batch=1) / 1e9:.1f} (+{more:.0%})",
        f"{plan.mfu:.0%}",
        f"{plan.rate:,.0f}",
        f"{2 * sizes.tokens * sizes.values * plan.rate / 1e6:,.0f}",
        f"{memory(sizes, batch=0, precision='bf16-mixed').total / 1e9:.2f}",
        f"{kept:.0f} / {less:.0f}",
        " / ".join(f"{largest_batch(sizes, checkpointing=c):,}" for c in (False, True)),
    ]


def many_gpus(plan: Plan) -> list[str]:
    """Cells of the second table: the share of ideal speed if no communication hides behind the backward pass."""
    count, step = parameters(plan.sizes).trainable, plan.batch / plan.rate
    cells = [plan.title, str(plan.batch), f"{step * 1e3:.0f}", f"{4 * count / 1e6:,.0f}"]
    for gpus, network in ((8, FAST_NETWORK), (64, FAST_NETWORK), (512, FAST_NETWORK), (64, SLOW_NETWORK)):
        wait = wait_seconds(count, gpus, network)
        # Gradients of a layer travel while earlier layers still compute theirs: at best two thirds of a step hide them.
        exposed = max(0.0, wait - step * 2 / 3)
        cells.append(f"{wait * 1e3:.1f} ms: {step / (step + wait):.0%} to {step / (step + exposed):.0%}")
    fast = wait_seconds(count, 512, FAST_NETWORK)
    return [*cells, f"{512 * plan.batch / (step + fast):,.0f}"]


def main() -> None:
    """Prints both tables."""
    first = ["method", "million parameters", "GFLOP a sample (recomputing)", "MFU (assumed)", "samples/s a GPU"]
    first += ["float16 data, MB/s a GPU", "weights, gradients, Adam, GB", "activations, MB a sample: kept / recomputed"]
    first += ["largest batch in 80 GB: kept / recomputed"]
    print(table(first, [one_gpu(plan) for plan in PLANS]), end="\n\n")
    second = ["method", "batch a GPU", "step, ms", "gradients, MB", "8 GPUs", "64", "512", "64, slow network"]
    print(table([*second, "samples/s on 512, nothing hidden"], [many_gpus(plan) for plan in PLANS]))


if __name__ == "__main__":
    main()
