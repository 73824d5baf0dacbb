"""What a step of each image method costs beside MAE's: seconds, and the arithmetic that explains them.

All methods have encoders of the same size. A step is forward, backward, AdamW and the teacher's update, in float32 on
random images, augmentation left out. One method at a time meets MAE, for the sake of memory; each round runs both,
every other round in reverse; ratios are medians over rounds of (method / MAE). Operations of forward and backward are
counted by torch while they run, a teacher's included; causal attention counts as whole, norms and optimisers not.

    python benchmarks/steps.py                                # both cases, one thread, into docs/benchmarks.md
    python benchmarks/steps.py --case small_64 --rounds 5 --dry
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import typer
from document import table, write_section
from machine import describe, matmul_probe, seconds

from medmae.allocator import keep_freed_memory
from medmae.methods.base import Method
from medmae.methods.registry import create
from medmae.training.measure import count_flops

OTHERS = ("bootmae", "cmae", "saim")
HEADER = ["", "GFLOP a step", "times MAE, counted", "s, median", "times MAE, measured", "measured over counted"]
_ENCODER = {"image_size": 64, "patch_size": 8, "embed_dim": 192, "depth": 6, "num_heads": 6}
_DECODER = {"decoder_dim": 128, "decoder_depth": 4, "decoder_heads": 4}


@dataclass(frozen=True)
class Case:
    """Sizes of one comparison.

    Attributes:
        title: For the table.
        batch: Images a step.
        rounds: As many as a few minutes allow.
        preset: Of all methods but MAE, which has ``mae_options`` over its ``base``.
        options: Constructor arguments of all of them.
        mae_options: Those of MAE alone.
    """

    title: str
    batch: int
    rounds: int
    preset: str
    options: dict[str, Any]
    mae_options: dict[str, Any]

    def make(self, name: str) -> Method:
        """A fresh method."""
        if name == "mae":
            return create(name, preset="base", **self.options, **self.mae_options)
        return create(name, preset=self.preset, **self.options)


CASES = {
    "b16_224": Case("ViT-B/16, 224 px", 4, 5, "base", {}, {}),
    "small_64": Case("6 blocks of width 192, 64 px in patches of 8", 32, 21, "small_images", _ENCODER, _DECODER),
}


class Stepper:
    """A method in training on one batch."""

    def __init__(self, case: Case, name: str) -> None:
        torch.manual_seed(0)
        self.method = case.make(name)
        self.batch = self.method.example_batch(case.batch, generator=torch.Generator().manual_seed(1))
        self.gflop = count_flops(self.method, self.batch) / 1e9
        self.masks = torch.Generator().manual_seed(2)
        trained = [p for p in self.method.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)

    def step(self) -> None:
        """Forward, backward, update."""
        self.method(self.batch, generator=self.masks, progress=0.5).loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.method.update_teacher(progress=0.5)


def duel(case: Case, name: str, *, rounds: int) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Arithmetic of a step in GFLOP, and seconds of each round: of MAE and of ``name``."""
    both = {label: Stepper(case, label) for label in ("mae", name)}
    found: dict[str, list[float]] = {label: [] for label in both}
    for turn in range(rounds + 1):
        for label in both if turn % 2 == 0 else reversed(both):
            spent = seconds(both[label].step)
            if turn:  # the first one warms up
                found[label].append(spent)
    return {label: stepper.gflop for label, stepper in both.items()}, found


def report(case: Case, *, names: tuple[str, ...], rounds: int) -> str:
    """A heading and one line a method."""
    probes, of_mae, rows = [matmul_probe()], list[float](), list[list[str]]()
    arithmetic: dict[str, float] = {}
    for name in names:
        arithmetic, spent = duel(case, name, rounds=rounds)
        of_mae += spent["mae"]
        counted = arithmetic[name] / arithmetic["mae"]
        measured = statistics.median(own / mae for own, mae in zip(spent[name], spent["mae"], strict=True))
        middle = statistics.median(spent[name])
        ratios = [f"{measured:.2f}", f"{measured / counted:.2f}"]
        rows.append([name, f"{arithmetic[name]:.1f}", f"{counted:.2f}", f"{middle:.3f}", *ratios])
        probes.append(matmul_probe())
    first = ["mae", f"{arithmetic['mae']:.1f}", "1", f"{statistics.median(of_mae):.3f}", "1", "1"]
    conditions = f"{rounds} rounds, probe {min(probes):.0f} to {max(probes):.0f} GFLOP/s"
    return f"**{case.title}, batch {case.batch}, 1 thread**: {conditions}\n\n{table(HEADER, [first, *rows])}"


def main(
    case: Annotated[str | None, typer.Option(help=f"One of {', '.join(CASES)}; all of them if not given.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds; as many as a few minutes allow if not given.")] = None,
    methods: Annotated[str, typer.Option(help="Who meets MAE, separated by commas.")] = ",".join(OTHERS),
    dry: Annotated[bool, typer.Option("--dry", help="Leave docs/benchmarks.md alone.")] = False,
) -> None:
    """Prints one line a method."""
    torch.set_num_threads(1)
    keep_freed_memory()
    conditions, sections = f"Measured on {describe()}.", []
    for sizes in (CASES[case],) if case else CASES.values():
        sections.append(report(sizes, names=tuple(methods.split(",")), rounds=rounds or sizes.rounds))
        print(sections[-1], end="\n\n", flush=True)
    if not dry:
        write_section("steps", "\n\n".join([conditions, *sections]))


if __name__ == "__main__":
    typer.run(main)
