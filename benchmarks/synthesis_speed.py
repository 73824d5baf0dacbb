"""How fast a whole volume of 240 x 240 x 155 is synthesised at the paper's size, on this machine's CPU.

Everything that inference does with a volume in memory: padding and resizing every slice to 256 px, encoder and U-Net,
and back. Slices a second, peak memory of the process, and the share of what a square float32 product reaches.

    python benchmarks/synthesis_speed.py                # into docs/benchmarks.md
    python benchmarks/synthesis_speed.py --threads 1 --slices 20 --dry
"""

from __future__ import annotations

import resource
import time
from typing import Annotated

import numpy as np
import torch
import typer
from document import table, write_section
from machine import describe, matmul_probe
from torch.utils.flop_counter import FlopCounterMode

from medmae.allocator import keep_freed_memory
from medmae.evaluate.synthesis.volume_synthesis import synthesise_volume
from medmae.methods.mt_unet import mt_unet_paper

SHAPE = (155, 1, 240, 240)


def main(
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 2,
    slices: Annotated[int, typer.Option(help="Fewer than 155 for a first look.")] = SHAPE[0],
    batches: Annotated[str, typer.Option(help="Slices at once.")] = "1,4,16",
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/benchmarks.md alone.")] = False,
) -> None:
    """Prints one line a batch size."""
    torch.set_num_threads(threads)
    keep_freed_memory()
    method = mt_unet_paper(feature_weight=0.0).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        method.synthesise(torch.rand(1, 1, 256, 256))
    work = counter.get_total_flops()
    volume = np.random.default_rng(0).random((slices, *SHAPE[1:]), dtype=np.float32)
    rows = []
    for batch in map(int, batches.split(",")):
        synthesise_volume(method.synthesise, volume[:batch], size=256, batch_size=batch)
        before = matmul_probe()
        started = time.perf_counter()
        synthesise_volume(method.synthesise, volume, size=256, batch_size=batch)
        seconds = time.perf_counter() - started
        probe = max(before, matmul_probe())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        share = work * slices / seconds / 1e9 / probe
        cells = [
            f"{batch}",
            f"{slices / seconds:.2f}",
            f"{seconds * SHAPE[0] / slices:.0f}",
            f"{peak:.0f}",
            f"{share:.0%}",
        ]
        rows.append([*cells, f"{probe:.0f}"])
        print(*rows[-1], flush=True)
    head = ["slices at once", "slices/s", "s a volume", "peak MiB so far", "of the probe", "probe, GFLOP/s"]
    lead = f"Measured on {describe()}, {threads} threads; {work / 1e9:.1f} GFLOP a slice, float32."
    if not dry:
        write_section("synthesis_speed", f"{lead}\n\n{table(head, rows)}")


if __name__ == "__main__":
    typer.run(main)
