"""What one face costs a CPU core: the student, of which patches are hidden or not, beside its teachers.

Seconds are those of the processor, which other work on the machine does not lengthen; memory is the most that a process
of its own ever held, less what it held before the network was built.

    python benchmarks/face_latency.py            # into docs/methods/occlusion_au.md
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import torch
import typer
from document import DOCS, table, write_section
from machine import describe

from medmae.masking.base import Mask
from medmae.masking.occlusion import OcclusionMasking
from medmae.methods.occlusion_au import occlusion_au_base
from medmae.nn.au_network import resnet50, swin_base, swin_tiny

TEACHERS = {"teacher, ResNet-50": resnet50, "teacher, Swin-T": swin_tiny, "teacher, Swin-B": swin_base}
HIDDEN = {"whole face": 0.0, "half hidden": 0.5, "75 % hidden": 0.75}
MAPPINGS = {"student, ViT-B": "visible", "student that asks, ViT-B": "queries"}
STUDENTS = {f"{who}, {how}": (mapping, level) for who, mapping in MAPPINGS.items() for how, level in HIDDEN.items()}


@torch.no_grad()
def measured(name: str, repeats: int) -> dict[str, Any]:
    """Median processor seconds of one face, and megabytes."""
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name in TEACHERS:
        network = TEACHERS[name]().eval()
        parameters = sum(parameter.numel() for parameter in network.parameters())

        def read(face: torch.Tensor) -> object:
            return network(face)

    else:
        mapping, level = STUDENTS[name]
        student = occlusion_au_base(mapping=mapping).eval()
        parameters = sum(parameter.numel() for parameter in student.parameters())
        mask: Mask | None = None
        if level:
            mask = OcclusionMasking(grid=(14, 14), kinds=("patches",), low=level, high=level).sample(1)

        def read(face: torch.Tensor) -> object:
            return student.read(face, mask)

    face = torch.rand(1, 3, 224, 224)
    read(face)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        read(face)
        times.append(time.process_time() - start)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": sorted(times)[len(times) // 2], "mb": (most - before) / 1024, "parameters": parameters}


def main(
    repeats: Annotated[int, typer.Option(help="Faces of each network.")] = 5,
    only: Annotated[str, typer.Option(help="One of them, in this process.")] = "",
    dry: Annotated[bool, typer.Option("--dry", help="Leave the page alone.")] = False,
) -> None:
    """Prints a line a network."""
    if only:
        print(json.dumps(measured(only, repeats)))
        return
    rows, seconds = [], {}
    for name in (*STUDENTS, *TEACHERS):
        command = [sys.executable, __file__, "--only", name, "--repeats", str(repeats)]
        said = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        seconds[name] = said["seconds"]
        rows.append([name, f"{said['parameters']:,}", f"{1000 * said['seconds']:.0f} ms", f"{said['mb']:.0f} MB"])
        print(rows[-1], flush=True)
    text = table(["network, 224 px, 12 units", "parameters", "processor time of a face", "memory"], rows)
    if not dry:
        lead = f"{describe()}, one thread, float32, medians of {repeats} faces."
        page = DOCS / "methods" / "occlusion_au.md"
        write_section("face_latency", f"{lead}\n\n{text}\n\n{beside(seconds)}", page=page)


def beside(seconds: Mapping[str, float]) -> str:
    """Students beside the teacher that costs least, in words."""
    least = min(TEACHERS, key=lambda name: seconds[name])
    times = [f"{name.removeprefix('student')} {seconds[name] / seconds[least]:.1f}" for name in STUDENTS]
    return f"Times the {least.partition(', ')[2]}'s, of a student: " + "; ".join(one.strip(" ,") for one in times) + "."


if __name__ == "__main__":
    typer.run(main)
