"""Completed clouds as files that any viewer of meshes opens, where the shapes were in their patients."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medmae.data.names import file_name_of
from medmae.data.samples import Samples
from medmae.evaluate.batches import each_batch
from medmae.evaluate.completion.pictures import GIVEN, HIDDEN, MADE
from medmae.evaluate.left_out import raise_left_out, write_left_out
from medmae.files import write_text
from medmae.masking.patches import Choice, PatchMasking


def write_completed(
    *,
    method: Any,  # noqa: ANN401 - a module that completes
    dataset: Samples,
    out: str | Path,
    hidden: float = 0.5,
    choice: Choice = "block",
    seed: int = 0,
    batch_size: int = 8,
    device: torch.device | str = "cpu",
) -> None:
    """``<case>_given.ply``, ``<case>_hidden.ply`` and ``<case>_completed.ply`` of each shape, as text.

    Points are where they were before preparation centred them: in millimetres of the patient, or in the unit of their
    file where nobody said it.

    Args:
        method: Trained.
        dataset: Shapes.
        out: Folder.
        hidden: Share of patches that is hidden.
        choice: Which patches.
        seed: Of the masks.
        batch_size: Clouds at once.
        device: Where to compute.

    Raises:
        SomeFailedError: At the end, with what could not be read.
    """
    method.to(device).eval()
    masking = PatchMasking(num_patches=method.masking.num_patches, ratio=hidden, choice=choice)
    generator, lost = torch.Generator().manual_seed(seed), dict[int, str]()
    for indices, batch in each_batch(dataset, device=device, batch_size=batch_size, left_out=lost):
        [one] = method.show(batch, method.draw_masks(batch, generator=generator, masking=masking)).values()
        for place, index in enumerate(indices):
            row = dataset.source.rows[dataset.item(index).numbers[0]]
            whole, gone = one.given[place].T, one.hidden[place, 0]
            clouds = {"given": (whole[~gone], GIVEN), "hidden": (whole[gone], HIDDEN)}
            for name, (cloud, colour) in {**clouds, "completed": (one.made[place].T, MADE)}.items():
                path = Path(out) / f"{file_name_of(row['case'])}_{name}.ply"
                write_text(path, ply_of(in_place(cloud, row), colour, unit=row["source_unit"] and "mm"))
    write_left_out(out, lost, of=len(dataset))
    raise_left_out(Path(out))


def in_place(points: Tensor, row: Mapping[str, Any]) -> np.ndarray:
    """Points ``(N, 3)`` of a sample where they were before its preparation, float64."""
    own = points.detach().cpu().double().numpy()
    return own * (row["radius"] if row["size"] == "removed" else 1.0) + np.array(row["centre"])


def ply_of(points: np.ndarray, colour: tuple[float, float, float], *, unit: str | None) -> str:
    """A cloud of one colour as the text of a PLY file, which says its unit."""
    said = f"comment units: {unit}\n" if unit else ""
    head = f"ply\nformat ascii 1.0\n{said}element vertex {len(points)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + "end_header\n"
    shade = " ".join(str(round(255 * value)) for value in colour)
    return head + "".join(f"{x:.4f} {y:.4f} {z:.4f} {shade}\n" for x, y, z in points)
