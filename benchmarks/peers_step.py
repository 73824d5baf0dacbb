"""One training step beside the peers: exact maths, alternating order, matmul probe recorded.

Peers: Hugging Face ViTMAE and MONAI MaskedAutoEncoderViT, each as shipped (torch's own choice of AdamW), with the fused
optimiser that ours uses, and with that and the memory setting that ours uses. A step is forward, backward, AdamW and
zero_grad, in float32 on synthetic data. Each contestant waits in a process of its own; one at a time runs. Every round
runs all of them once, every other round in reverse; ratios are medians over rounds of (peer / ours), and of minima.

    python benchmarks/peers_step.py                           # all cases, 1 and 2 threads, into docs/benchmarks.md
    python benchmarks/peers_step.py --case s16_96 --threads 1 --rounds 15 --dry
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Annotated

import torch
import typer
from contestants import CASES, step_gflop
from document import table, write_section
from machine import describe, matmul_probe
from worker import Entry, Worker

HEADER = ["", "s, median", "s, least", "times ours, paired median", "of least", "peak MiB", "over imports", "of probe"]
DRESSES = ((False, False), (True, False), (True, True))  # fused, held
ROUNDS = {"s16_96": 15, "volume_96": 9, "b16_224": 5}


@dataclass(frozen=True)
class Result:
    """One contestant.

    Attributes:
        seconds: Of each round.
        memory: MiB at the peak, and over what imports took.
    """

    seconds: list[float]
    memory: tuple[float, float]


def peers(case: str) -> list[str]:
    """Whom ours meets; Hugging Face has no volumes."""
    return ["MONAI MAE"] if len(CASES[case].size) == 3 else ["HF ViTMAE", "MONAI MAE"]


def compete(
    case: str, peer: str, *, threads: int, rounds: int, ours: str = "medmae"
) -> tuple[dict[str, Result], list[float]]:
    """Label -> result, and the probes between the rounds; one peer at a time, for the sake of memory."""
    entries = [Entry(ours, True, True), *(Entry(peer, *dress) for dress in DRESSES)]
    workers = {entry.label: Worker(entry, case=case, threads=threads) for entry in entries}
    seconds: dict[str, list[float]] = {label: [] for label in workers}
    probes = [matmul_probe()]
    for turn in range(rounds):
        for label in workers if turn % 2 == 0 else reversed(workers):
            seconds[label].append(workers[label].step())
        probes.append(matmul_probe())
    return {label: Result(seconds[label], worker.memory()) for label, worker in workers.items()}, probes


def report(case: str, results: dict[str, Result], probes: list[float], *, threads: int) -> str:
    """A heading and one line a contestant, ours first."""
    maker = next(iter(results))
    sizes, gflop = CASES[case], step_gflop(CASES[case], maker)
    ours = results[maker].seconds
    rows = []
    for label, result in results.items():
        paired = statistics.median(theirs / mine for theirs, mine in zip(result.seconds, ours, strict=True))
        least = min(result.seconds)
        share = f"{gflop / least / max(probes):.0%}" if label == maker else ""
        figures = [
            f"{statistics.median(result.seconds):.3f}",
            f"{least:.3f}",
            f"{paired:.3f}",
            f"{least / min(ours):.3f}",
        ]
        rows.append([label, *figures, f"{result.memory[0]:.0f}", f"{result.memory[1]:.0f}", share])
    plural = "s" if threads > 1 else ""
    title = f"**{sizes.title}, batch {sizes.batch}, {threads} thread{plural}**: {len(ours)} rounds"
    limits = f"probe {min(probes):.0f} to {max(probes):.0f} GFLOP/s, our step {gflop:.1f} GFLOP"
    return f"{title}, {limits}\n\n{table(HEADER, rows)}"


def main(
    case: Annotated[str | None, typer.Option(help=f"One of {', '.join(ROUNDS)}; all of them if not given.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch; 1, then 2 if not given.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds; as many as a few minutes allow if not given.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/benchmarks.md alone.")] = False,
) -> None:
    """Prints one line a contestant."""
    conditions = f"Measured on {describe()}."
    sections = []
    for count in (threads,) if threads else (1, 2):
        torch.set_num_threads(count)
        for name in (case,) if case else ROUNDS:
            for peer in peers(name):
                results, probes = compete(name, peer, threads=count, rounds=rounds or ROUNDS[name])
                sections.append(report(name, results, probes, threads=count))
                print(sections[-1], end="\n\n", flush=True)
    if not dry:
        write_section("peers_step", "\n\n".join([conditions, *sections]))


if __name__ == "__main__":
    typer.run(main)
