"""Action units of recordings over time: a table of frames, and a picture of each recording that shows no face."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from medmae.data.names import file_name_of
from medmae.data.samples import Samples
from medmae.errors import DataError, SomeFailedError
from medmae.evaluate.batches import each_batch
from medmae.evaluate.faces.readers import OWN, UnitMethod, readers_of
from medmae.evaluate.tables import write_csv
from medmae.files import atomic_write

TABLE, FOLDER = "units.csv", "timelines"


@torch.no_grad()
def write_timelines(
    method: UnitMethod,
    samples: Samples,
    *,
    out: str | Path,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
) -> Path:
    """Writes ``units.csv`` (a row a frame: case, frame, a share for each unit) and ``timelines/<case>.png``.

    Shares are of the network's own; what a threshold makes of them is not decided here.

    Args:
        method: Reads units.
        samples: Faces, of a view that draws nothing.
        out: Folder.
        batch_size: Faces at once.
        device: Where to compute.

    Raises:
        DataError: If no face can be read.
        SomeFailedError: At the end, with those that cannot be read; the table holds the others.
    """
    method.to(device).eval()
    read, failed = readers_of(method)[OWN], dict[int, str]()
    rows: list[dict[str, object]] = []
    by_case: dict[str, list[np.ndarray]] = defaultdict(list)
    for numbers, batch in each_batch(samples, device=device, batch_size=batch_size, left_out=failed):
        shares = read(batch["image"], None).units.cpu().numpy()
        for number, own in zip(numbers, shares, strict=True):
            about = samples.describe(number)
            named = dict(zip(method.names, (round(float(share), 4) for share in own), strict=True))
            rows.append({"case": about.case, "frame": about.place.get("frame", ""), **named})
            by_case[about.case].append(own)
    if not rows:
        raise DataError(f"no face can be read: {next(iter(failed.values()))}", remedy="prepare them again")
    write_csv(Path(out) / TABLE, rows)
    _draw(by_case, method.names, Path(out) / FOLDER)
    if failed:
        lost = "; ".join(f"{samples.describe(number).case} ({reason})" for number, reason in failed.items())
        raise SomeFailedError(f"{len(failed)} of {len(samples)} samples were left out: {lost}")
    return Path(out) / TABLE


def _draw(by_case: Mapping[str, Sequence[np.ndarray]], names: Sequence[str], folder: Path) -> None:
    """One picture a recording: units down, frames across, the darker the surer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    for case, shares in by_case.items():
        figure = Figure(figsize=(max(4.0, min(12.0, 1.5 + 0.05 * len(shares))), 1.0 + 0.28 * len(names)))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        image = axes.imshow(
            np.stack(shares, axis=1), vmin=0, vmax=1, cmap="Blues", aspect="auto", interpolation="nearest"
        )
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("frame")
        axes.set_title(f"{case}: shares of action units")
        figure.colorbar(image)
        figure.tight_layout()
        with atomic_write(folder / f"{file_name_of(case)}.png") as file:
            figure.savefig(file, format="png", dpi=100)
