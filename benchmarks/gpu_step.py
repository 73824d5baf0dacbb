"""One training step on a GPU: throughput, share of peak arithmetic, memory beside the cost model, bfloat16, FSDP2.

Contestants of a table are warmed up, then take turns (every other round in reverse); a turn is several steps between
two synchronisations. A step is forward, backward, fused AdamW and zero_grad under bfloat16 autocast with float32
weights, on synthetic data that lies on the GPU; masks are drawn on the CPU, as in training. *Compiled* is
``MaskedModule(compiled=True)``, and the same for the peer. Needs a GPU, and ``transformers`` for the peer.

    python benchmarks/gpu_step.py            # prints the tables
    python benchmarks/gpu_step.py --into-page
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import torch
import typer
from contestants import CASES, hugging_face
from document import table, write_section
from torch import Tensor, nn

from medmae.methods.base import Method
from medmae.methods.edge_mae import edge_mae_paper
from medmae.methods.mae import mae_base, mae_fast_cross, mae_fast_subset, mae_huge, mae_large
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training.compiled import compiled_step
from medmae.training.cost import step_flops
from medmae.training.memory import memory
from medmae.training.sizes import Sizes

DATA_SHEET = 989e12  # dense bfloat16 of one H100 or H200
GPU = torch.device("cuda")
Loss = Callable[[], Tensor]


@dataclass
class Contestant:
    """Something that takes steps.

    Attributes:
        label: For the table.
        model: Its weights.
        loss: Of one batch.
        batch: Samples of a batch.
        flops: Of a step, by the cost model; 0 where it has none.
        seconds: Of one step, a figure a round.
    """

    label: str
    model: nn.Module
    loss: Loss
    batch: int
    flops: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        trainable = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trainable, lr=1e-4, fused=True)
        torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        for _ in range(4):
            self.step()
        torch.cuda.synchronize()
        self.warm_up, self.peak = time.perf_counter() - started, torch.cuda.max_memory_allocated()

    def step(self) -> None:
        """One."""
        with torch.autocast("cuda", torch.bfloat16):
            loss = self.loss()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def turn(self, steps: int) -> None:
        """Several steps, and their mean time."""
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(steps):
            self.step()
        torch.cuda.synchronize()
        self.seconds.append((time.perf_counter() - started) / steps)


def ours(label: str, method: Method, *, batch: int, compiled: bool = False, recompute: bool = False) -> Contestant:
    """A method of ours on random data."""
    try:
        flops = step_flops(Sizes.of(method), batch=batch, checkpointing=recompute)
    except ValueError:  # the faster variants have decoders that the cost model does not know
        flops = 0
    method.to(GPU)
    if recompute:
        checkpoint_activations(method)
    step = compiled_step(method, device=GPU) if compiled else method
    data = {name: value.to(GPU) for name, value in method.example_batch(batch).items()}
    generator = torch.Generator().manual_seed(0)
    return Contestant(label, method, lambda: step(data, generator=generator, progress=0.1).loss, batch, flops)


def peer(label: str, *, batch: int, compiled: bool) -> Contestant:
    """Hugging Face's ViTMAE of the same size."""
    model, loss = hugging_face(CASES["b16_224"])
    model.to(GPU)
    if compiled:
        model.compile()
    data = torch.rand(batch, 3, 224, 224, device=GPU)
    return Contestant(label, model, lambda: loss(data), batch, step_flops(Sizes.of(mae_base()), batch=batch))


def race(makers: list[Callable[[], Contestant]], *, rounds: int, steps: int) -> list[Contestant]:
    """All of them at once in memory, in turns."""
    field_ = [make() for make in makers]
    for turn in range(rounds):
        for contestant in field_ if turn % 2 == 0 else reversed(field_):
            contestant.turn(steps)
    return field_


def rows(found: list[Contestant], *, limit: float) -> list[list[str]]:
    """A line a contestant; the first is the one others are compared with."""
    lines = []
    for contestant in found:
        typical = statistics.median(contestant.seconds)
        ratios = [theirs / mine for theirs, mine in zip(contestant.seconds, found[0].seconds, strict=True)]
        rate = contestant.flops / typical
        shares = [f"{rate / limit:.0%}", f"{rate / DATA_SHEET:.0%}"] if contestant.flops else ["", ""]
        figures = [f"{contestant.batch / typical:,.0f}", f"{1e3 * typical:.1f}", f"{statistics.median(ratios):.3f}"]
        lines.append([contestant.label, *figures, *shares, f"{contestant.warm_up:.0f}"])
    return lines


def bf16_probe(size: int = 8192) -> float:
    """FLOP/s of a square bfloat16 product of random numbers."""
    a, b = (torch.randn(size, size, device=GPU, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        a @ b
    torch.cuda.synchronize()
    return 20 * size**3 / (time.perf_counter() - started)


def release() -> None:
    """Gives memory and compiled code back between tables."""
    torch._dynamo.reset()
    gc.collect()
    torch.cuda.empty_cache()


def beside_the_peer(limit: float) -> str:
    """ViT-B/16 at 224 px, eager and compiled, ours and theirs."""
    batch = 256
    found = race(
        [
            lambda: ours("medmae, compiled", mae_base(target_norm=None), batch=batch, compiled=True),
            lambda: ours("medmae, eager", mae_base(target_norm=None), batch=batch),
            lambda: peer("HF ViTMAE + fused AdamW, compiled", batch=batch, compiled=True),
            lambda: peer("HF ViTMAE + fused AdamW, eager", batch=batch, compiled=False),
        ],
        rounds=10,
        steps=5,
    )
    return table(HEADER, rows(found, limit=limit))


def other_sizes(limit: float) -> str:
    """Each by itself: what a user of that size gets."""
    volume = {"image_size": (96, 96, 96), "patch_size": 16, "in_channels": 1, "decoder_dim": 384, "decoder_heads": 12}
    wanted: list[tuple[str, Callable[[], Method], int]] = [
        ("MAE ViT-L/16, 224 px, batch 128", mae_large, 128),
        ("Edge-MAE (paper), 256 px, batch 128", edge_mae_paper, 128),
        ("half of the hidden tokens decoded, ViT-B/16, batch 256", mae_fast_subset, 256),
        ("CrossMAE's decoder, ViT-B/16, batch 256", mae_fast_cross, 256),
        ("MAE ViT-B, 96^3 in patches of 16, batch 64", lambda: mae_base(**volume), 64),
        ("MAE ViT-H/14, 224 px, batch 64", mae_huge, 64),
    ]
    lines = []
    for label, maker, batch in wanted:
        release()
        found = race([lambda m=maker, n=batch, t=label: ours(t, m(), batch=n, compiled=True)], rounds=3, steps=5)
        lines += rows(found, limit=limit)
        del found
    return table(HEADER, lines)


def memory_table() -> str:
    """Peak memory of a step beside the cost model."""
    lines = []
    for recompute in (False, True):
        release()
        method = mae_base()
        sizes, before = Sizes.of(method), torch.cuda.memory_allocated()
        found = ours("", method, batch=256, recompute=recompute)
        told = memory(sizes, batch=256, checkpointing=recompute, precision="bf16-mixed").total
        peak = found.peak - before
        kind = "recomputed" if recompute else "kept"
        figures = [f"{told / 2**30:.1f}", f"{peak / 2**30:.1f}", f"{told / peak:.2f}"]
        lines.append(["MAE ViT-B/16, batch 256", kind, *figures])
        del found, method
    return table(["", "activations", "GiB, predicted", "GiB, measured", "ratio"], lines)


def exactness() -> str:
    """bfloat16 and FSDP2 beside float32: losses of the same ten steps."""
    losses = {name: _losses(name) for name in ("float32", "bf16", "FSDP2, float32")}
    first = losses["float32"]
    lines = []
    for name, curve in losses.items():
        apart = max(abs(a - b) / abs(b) for a, b in zip(curve, first, strict=True))
        lines.append([name, f"{curve[0]:.5f}", f"{curve[-1]:.5f}", f"{apart:.1e}"])
    return table(["ten steps of ViT-B/16, batch 32", "first loss", "last loss", "largest relative difference"], lines)


def _losses(name: str) -> list[float]:
    release()
    torch.manual_seed(0)
    method = mae_base()
    if name.startswith("FSDP2"):
        from torch.distributed.device_mesh import init_device_mesh

        from medmae.training.shard import shard

        torch.distributed.init_process_group("nccl", store=torch.distributed.HashStore(), rank=0, world_size=1)
        method.to(GPU)
        shard(method, mesh=init_device_mesh("cuda", (1,)))
    method.to(GPU)
    data = {"image": torch.rand(32, 3, 224, 224, generator=torch.Generator().manual_seed(1)).to(GPU)}
    generator = torch.Generator().manual_seed(2)
    optimizer = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=1e-4, fused=True)
    curve = []
    for _ in range(10):
        with torch.autocast("cuda", torch.bfloat16, enabled=name == "bf16"):
            loss = method(data, generator=generator).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        curve.append(loss.item())
    if name.startswith("FSDP2"):
        torch.distributed.destroy_process_group()
    return curve


HEADER = ["", "samples/s", "ms a step", "time over the first", "of the probe", "of the data sheet", "s, first 4 steps"]


TABLES = {
    "peers": ("**MAE ViT-B/16, 224 px, batch 256, beside the peer**, 10 rounds of 5 steps", beside_the_peer),
    "sizes": ("**Other sizes, compiled**, 3 rounds of 5 steps", other_sizes),
    "memory": ("**Memory beside the cost model**, bfloat16 autocast", lambda _: memory_table()),
    "numbers": ("**The same numbers**", lambda _: exactness()),
}


def main(
    tables: Annotated[str, typer.Option(help="Some of them, separated by commas.")] = ",".join(TABLES),
    into_page: Annotated[bool, typer.Option("--into-page", help="Write docs/benchmarks.md, too.")] = False,
) -> None:
    """All tables, each printed as soon as it is there."""
    torch.set_float32_matmul_precision("high")
    limit = bf16_probe()
    sections = [
        f"Measured on {torch.cuda.get_device_name()}, torch {torch.__version__}; bfloat16 probe "
        f"{limit / 1e12:.0f} TFLOP/s (8192 x 8192, random numbers), data sheet {DATA_SHEET / 1e12:.0f}."
    ]
    print(sections[0], flush=True)
    for title, make in (TABLES[name] for name in tables.split(",")):
        release()
        sections.append(f"{title}\n\n{make(limit)}")
        print(sections[-1], end="\n\n", flush=True)
    if into_page:
        write_section("gpu_step", "\n\n".join(sections))


if __name__ == "__main__":
    typer.run(main)
