"""One training step of VideoMAE beside Hugging Face's: exact maths, alternating order, matmul probe recorded.

As :mod:`peers_step`, whose contestants, rounds and table these are. The peer is given its mask and scaled clips, ours
draws its tubes within the step. The authors' own code is no package, and its licence is non-commercial: it is not here.

    python benchmarks/videomae_step.py                # ViT-S at 16 x 112 px, one thread, into docs/benchmarks.md
    python benchmarks/videomae_step.py --case videomae_b16_224 --rounds 5 --dry
"""

from __future__ import annotations

from typing import Annotated

import torch
import typer
from document import write_section
from machine import describe
from peers_step import compete, report


def main(
    case: Annotated[str, typer.Option(help="Sizes, of contestants.py.")] = "videomae_s16_112",
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    rounds: Annotated[int, typer.Option(help="Rounds.")] = 15,
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/benchmarks.md alone.")] = False,
) -> None:
    """Prints one line a contestant."""
    torch.set_num_threads(threads)
    conditions = f"Measured on {describe()}."
    results, probes = compete(case, "HF VideoMAE", threads=threads, rounds=rounds, ours="medmae VideoMAE")
    section = report(case, results, probes, threads=threads)
    print(section)
    if not dry:
        write_section("videomae_step", f"{conditions}\n\n{section}")


if __name__ == "__main__":
    typer.run(main)
