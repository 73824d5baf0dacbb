"""What sparsification saves: a pre-training step of SMAUG, masked only, and dense, forward and backward.

``dense`` hides no patch, drops none, rebuilds none, and words read all frames; ``masked`` hides 65 % and rebuilds them;
``smaug`` drops tokens besides and reads half of the frames. Losses on words and pairs are the same in all three. Arms
alternate; seconds are those of the processor, of one thread, so that a busy machine changes them little.

    python benchmarks/smaug_step.py --rounds 3         # ViT-B, 4 frames of 224 px, into docs/methods/smaug.md
    python benchmarks/smaug_step.py --preset small_clips --dry
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

from medmae.masking.base import Mask
from medmae.methods.registry import create
from medmae.methods.smaug import SMAUG
from medmae.nn.frames import EncodedFrames

ARMS: dict[str, dict[str, float]] = {
    "dense": {"keep_rate": 1.0, "keep_frames": 1.0},
    "masked": {"keep_rate": 1.0, "keep_frames": 1.0},
    "smaug": {},
}


def all_patches(method: SMAUG) -> None:
    """Makes a method read all patches and rebuild none: the network before any of the paper's designs."""

    def pixels(rows: Tensor, mask: Mask, *, keep_rate: float) -> tuple[EncodedFrames, Tensor]:
        return method.encoder.frames(rows, keep_rate=keep_rate), mask.hidden(rows).detach()

    method._pixels = pixels  # type: ignore[method-assign]


def build(arm: str, preset: str) -> SMAUG:
    """One arm, its weights drawn by one seed."""
    torch.manual_seed(0)
    method = create("smaug", preset=preset, dropout=0.0, **ARMS[arm])
    assert isinstance(method, SMAUG)
    if arm == "dense":
        all_patches(method)
    return method


def step(method: SMAUG, batch: dict[str, Tensor]) -> float:
    """Processor seconds of forward and backward."""
    method.zero_grad(set_to_none=True)
    start = time.process_time()
    method(batch, generator=torch.Generator().manual_seed(1)).loss.backward()
    return time.process_time() - start


def counted(method: SMAUG, batch: dict[str, Tensor]) -> dict[str, float]:
    """Multiply-adds of a forward pass, and bytes that it keeps for the backward pass."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        method(batch, generator=generator)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = sum(parameter.untyped_storage().nbytes() for parameter in method.parameters())
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = method(batch, generator=torch.Generator().manual_seed(1)).loss
    known = {parameter.untyped_storage().data_ptr() for parameter in method.parameters()}
    activations = sum(size for place, size in kept.items() if place not in known)
    del loss
    return {"macs": counter.get_total_flops() / 2, "activations": activations, "weights": weights}


def main(
    preset: Annotated[str, typer.Option(help="Of SMAUG.")] = "base",
    batch_size: Annotated[int, typer.Option(help="Clips.")] = 4,
    words: Annotated[int, typer.Option(help="Of each sentence, ends included.")] = 32,
    rounds: Annotated[int, typer.Option(help="Of the three arms.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Figures as JSON, after each round.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/methods/smaug.md alone.")] = False,
) -> None:
    """Prints one line an arm."""
    torch.set_num_threads(1)
    conditions = f"Measured on {describe()}."
    figures: dict[str, dict[str, Any]] = {arm: {"seconds": []} for arm in ARMS}
    for number in range(rounds + 1):
        for arm, own in figures.items():
            method = build(arm, preset)
            batch = method.example_batch(batch_size, generator=torch.Generator().manual_seed(0))
            top = method.encoder.text.words.vocab_size
            batch["words"] = torch.randint(5, top, (batch_size, words), generator=torch.Generator().manual_seed(0))
            if number:
                own["seconds"].append(step(method, batch))
            else:
                own |= counted(method, batch)
            print(number, arm, own, flush=True)
            if out is not None:
                out.write_text(json.dumps(figures))
    section = report(figures, preset=preset, batch_size=batch_size, words=words, rounds=rounds)
    print(section)
    if not dry:
        write_section("smaug_step", f"{conditions}\n\n{section}", page=DOCS / "methods" / "smaug.md")


def report(figures: dict[str, dict[str, Any]], *, preset: str, batch_size: int, words: int, rounds: int) -> str:
    """A table of the arms, each beside the dense one."""
    dense = figures["dense"]
    lines = [
        f"`smaug_{preset}`, {batch_size} clips, {words} words, forward and backward, one thread; medians of {rounds} "
        "rounds in alternating order, processor seconds.",
        "",
        "| arm | forward, G multiply-adds a clip | of dense | kept, MB a clip | s a step | dense over this |",
        "|---|---|---|---|---|---|",
    ]
    for arm, own in figures.items():
        seconds = median(own["seconds"])
        lines.append(
            f"| {arm} | {own['macs'] / batch_size / 1e9:.1f} | {own['macs'] / dense['macs']:.3f} "
            f"| {own['activations'] / batch_size / 1e6:.0f} | {seconds:.2f} ({min(own['seconds']):.2f} to "
            f"{max(own['seconds']):.2f}) | {median(dense['seconds']) / seconds:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
