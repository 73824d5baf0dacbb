"""Whether a pre-training step of AV-MAE costs what its arithmetic says, for each fusion, decoder and objective.

Operations of forward and backward are counted by torch; arms alternate; seconds are those of the processor, of one
thread, so that a busy machine changes them little. A rate is operations a second; each arm's stands beside the median.

    nice -n 15 python benchmarks/av_mae_step.py --rounds 3    # ViT-B, 16 frames of 224 px and 10 s, into av_mae.md
    python benchmarks/av_mae_step.py --preset small_clips --dry
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer
from document import DOCS, write_section
from machine import describe
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from medmae.methods.base import Method
from medmae.methods.registry import create

ARMS: dict[str, dict[str, Any]] = {
    "early": {"fusion": "early"},
    "shared": {"fusion": "shared"},
    "separate": {"fusion": "separate"},
    "mid, 2 blocks": {"fusion": "mid"},
    "mid, separate decoders": {"fusion": "mid", "decoder": "separate"},
    "mid, joint decoder": {"fusion": "mid", "decoder": "joint"},
    "mid, inpainting": {"fusion": "mid", "objective": "inpainting"},
}


def build(arm: str, preset: str) -> Method:
    """One arm, its weights drawn by one seed; heads are drawn, too, for zeros would spare the way back."""
    torch.manual_seed(0)
    return create("av_mae", preset=preset, head_init="xavier", **ARMS[arm])


def step(method: Method, batch: dict[str, Tensor]) -> float:
    """Processor seconds of forward and backward."""
    method.zero_grad(set_to_none=True)
    start = time.process_time()
    method(batch, generator=torch.Generator().manual_seed(1)).loss.backward()
    return time.process_time() - start


def operations(method: Method, batch: dict[str, Tensor]) -> int:
    """Of forward and backward."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        method(batch, generator=torch.Generator().manual_seed(1)).loss.backward()
    return counter.get_total_flops()


def main(
    preset: Annotated[str, typer.Option(help="Of AV-MAE.")] = "base",
    batch_size: Annotated[int, typer.Option(help="Clips.")] = 2,
    rounds: Annotated[int, typer.Option(help="Of all arms.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Figures as JSON; what it has is not done again.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/methods/av_mae.md alone.")] = False,
) -> None:
    """Prints one line a step."""
    torch.set_num_threads(1)
    figures: dict[str, dict[str, Any]] = {arm: {"seconds": []} for arm in ARMS}
    if out is not None and out.is_file():
        figures |= json.loads(out.read_text())
    for number in range(rounds + 1):
        for arm, own in figures.items():
            if len(own["seconds"]) >= number and (number or "operations" in own):
                continue
            method = build(arm, preset)
            batch = method.example_batch(batch_size, generator=torch.Generator().manual_seed(0))
            if number:
                step(method, batch)  # memory is taken, and kernels are chosen
                own["seconds"].append(step(method, batch))
            else:
                own["operations"] = operations(method, batch)
                own["parameters"] = sum(parameter.numel() for parameter in method.parameters())
            print(number, arm, own, flush=True)
            if out is not None:
                out.write_text(json.dumps(figures))
    section = report(figures, preset=preset, batch_size=batch_size, rounds=rounds)
    print(section)
    if not dry:
        write_section("av_mae_step", f"Measured on {describe()}.\n\n{section}", page=DOCS / "methods" / "av_mae.md")


def report(figures: dict[str, dict[str, Any]], *, preset: str, batch_size: int, rounds: int) -> str:
    """A table of the arms."""
    rates = {arm: own["operations"] / median(own["seconds"]) / 1e9 for arm, own in figures.items()}
    middle = median(rates.values())
    lines = [
        f"`av_mae_{preset}`, batches of {batch_size}, forward and backward, one thread; medians of {rounds} rounds in "
        "turn, processor seconds.",
        "",
        "| arm | parameters, M | G operations a clip | s a step | G operations a s | of the median |",
        "|---|---|---|---|---|---|",
    ]
    for arm, own in figures.items():
        seconds = own["seconds"]
        lines.append(
            f"| {arm} | {own['parameters'] / 1e6:.1f} | {own['operations'] / batch_size / 1e9:.1f} "
            f"| {median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f}) | {rates[arm]:.1f} "
            f"| {rates[arm] / middle:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
