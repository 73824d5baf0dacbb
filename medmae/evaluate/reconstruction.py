"""How well hidden patches of held-out subjects are rebuilt, beside baselines, with pictures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import default_collate

from medmae.errors import DataError
from medmae.evaluate.baselines import mean_fill, neighbour_fill
from medmae.evaluate.statistics import summarise
from medmae.files import atomic_write, write_text
from medmae.masking.base import Mask
from medmae.methods.base import Method

FILLS = ("model", "mean_fill", "neighbour")
_DECIBEL_CAP = 100.0  # of an exact reconstruction


class DescribedDataset(Protocol):
    """A data set that can say whose item it gives."""

    def __len__(self) -> int:
        """Items."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``{"image": (C, *size), ...}``."""

    def describe(self, index: int) -> Mapping[str, Any]:
        """``case``, ``subject``, ``contrast``, ``slice`` of an item."""


@dataclass
class _Errors:
    """Sums of squared errors over hidden pixels, all of them and those inside the body."""

    squared: dict[str, float]
    squared_inside: dict[str, float]
    pixels: float = 0.0
    pixels_inside: float = 0.0
    slices: int = 0

    @classmethod
    def empty(cls) -> _Errors:
        return cls(dict.fromkeys(FILLS, 0.0), dict.fromkeys(FILLS, 0.0))

    def row(self) -> dict[str, float | int]:
        row: dict[str, float | int] = {"slices": self.slices}
        for name in FILLS:
            row[f"psnr_{name}"] = _decibel(self.squared[name], self.pixels)
            row[f"psnr_{name}_foreground"] = _decibel(self.squared_inside[name], self.pixels_inside)
        return row


def evaluate_reconstruction(
    *,
    method: Method,
    dataset: DescribedDataset,
    out: str | Path,
    samples_per_volume: int = 12,
    batch_size: int = 8,
    num_panels: int = 8,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, dict[str, float | int | None]]:
    """Masked-patch PSNR per case and contrast, a summary with intervals over subjects, and panels to look at.

    Errors are pooled over the hidden pixels of a case and contrast before taking decibels (peak 1). ``foreground``
    columns count only hidden pixels with signal, so that empty background flatters nobody.

    Args:
        method: The trained method.
        dataset: Held-out samples.
        out: Receives ``reconstruction.csv``, ``summary.json``, ``panels.npz`` and ``panels.json``.
        samples_per_volume: Slices (or crops) of each case and contrast, evenly spread.
        batch_size: Samples at once.
        num_panels: Pictures kept, spread over cases and contrasts.
        device: Where to compute.
        seed: Of the masks.

    Returns:
        The summary.

    Raises:
        DataError: If the data set is empty.
    """
    if not len(dataset):
        raise DataError("no held-out samples to evaluate on", remedy="put at least one subject in the test split")
    method.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    picked = _spread(dataset, samples_per_volume)
    errors: dict[tuple[str, str, str], _Errors] = {}
    panels = _Panels(wanted=_panel_choice(dataset, picked, num_panels))
    starts = range(0, len(picked), batch_size)
    for start in track(starts, description="Evaluating reconstruction", transient=True):
        indices = picked[start : start + batch_size]
        batch = _to_device(default_collate([dataset[i] for i in indices]), method)
        mask = method.draw_mask(batch, generator=generator)
        maps = _reconstruct(method, batch, mask)
        for position, index in enumerate(indices):
            about = dataset.describe(index)
            key = (str(about["case"]), str(about["subject"]), str(about["contrast"]))
            _add(errors.setdefault(key, _Errors.empty()), maps, position)
            panels.add(index, about, maps, position)
    rows = [dict(zip(("case", "subject", "contrast"), key, strict=True)) | e.row() for key, e in sorted(errors.items())]
    summary = _summary(rows)
    _write(Path(out), rows, summary, panels)
    return summary


@torch.no_grad()
def _reconstruct(method: Method, batch: Mapping[str, Tensor], mask: Mask) -> dict[str, Tensor]:
    image = batch["image"]
    hidden = method.encoder.patches.paint(mask.as_bool())  # (B, 1, *size)
    maps = method.reconstruct(batch, mask)
    return {
        **maps,
        "input": image,
        "hidden": hidden,
        "model": maps["image"],
        "mean_fill": mean_fill(image, hidden),
        "neighbour": neighbour_fill(image, hidden),
    }


def _add(errors: _Errors, maps: Mapping[str, Tensor], position: int) -> None:
    image = maps["input"][position]
    hidden = maps["hidden"][position].expand_as(image)
    inside = hidden & (image > 0)
    errors.slices += 1
    errors.pixels += float(hidden.sum())
    errors.pixels_inside += float(inside.sum())
    for name in FILLS:
        squared = (maps[name][position] - image).square()
        errors.squared[name] += float(squared[hidden].sum())
        errors.squared_inside[name] += float(squared[inside].sum())


def _decibel(squared: float, pixels: float) -> float:
    if pixels == 0:
        return math.nan
    return min(-10 * math.log10(max(squared / pixels, 1e-12)), _DECIBEL_CAP)


def _spread(dataset: DescribedDataset, per_volume: int) -> list[int]:
    """Indices of evenly spread samples of each case and contrast."""
    volumes: dict[tuple[str, str], list[int]] = {}
    for index in range(len(dataset)):
        about = dataset.describe(index)
        volumes.setdefault((str(about["case"]), str(about["contrast"])), []).append(index)
    return [i for members in volumes.values() for i in _evenly(members, per_volume)]


def _evenly(members: Sequence[int], count: int) -> list[int]:
    if len(members) <= count:
        return list(members)
    return [members[round((k + 0.5) * len(members) / count - 0.5)] for k in range(count)]


def _panel_choice(dataset: DescribedDataset, picked: Sequence[int], count: int) -> list[int]:
    """Middle samples, taking turns between subjects so that every subject and contrast is seen."""
    middle: dict[tuple[str, str], list[int]] = {}
    for index in picked:
        about = dataset.describe(index)
        middle.setdefault((str(about["subject"]), str(about["contrast"])), []).append(index)
    centres = {key: members[len(members) // 2] for key, members in middle.items()}
    queues: dict[str, list[int]] = {}
    for turn, (subject, _) in enumerate(sorted(centres)):
        queues.setdefault(subject, []).append(centres[sorted(centres)[turn]])
    # The k-th subject starts with its k-th contrast, so that few panels still show all contrasts.
    for offset, queue in enumerate(queues.values()):
        shift = offset % len(queue)
        queue[:] = queue[shift:] + queue[:shift]
    longest = max(len(queue) for queue in queues.values())
    return [queue[k] for k in range(longest) for queue in queues.values() if k < len(queue)][:count]


class _Panels:
    """Pictures of a few samples, kept as arrays; the report draws them."""

    def __init__(self, *, wanted: Sequence[int]) -> None:
        self.order = {index: i for i, index in enumerate(wanted)}
        self.arrays: dict[str, np.ndarray] = {}
        self.about: dict[int, dict[str, Any]] = {}

    def add(self, index: int, about: Mapping[str, Any], maps: Mapping[str, Tensor], position: int) -> None:
        if index not in self.order:
            return
        errors = _Errors.empty()
        _add(errors, maps, position)
        i = self.order[index]
        self.about[i] = {**about, **errors.row()}
        for name, picture in _pictures(maps, position).items():
            self.arrays[f"{i}/{name}"] = picture


def _pictures(maps: Mapping[str, Tensor], position: int) -> dict[str, np.ndarray]:
    image, hidden, model = (_plane(maps[name][position]) for name in ("input", "hidden", "model"))
    pictures = {"input": image, "visible": np.where(hidden > 0, np.nan, image), "reconstruction": model}
    if "edge" in maps:
        pictures["edge_target"] = _plane(maps["edge_target"][position])
        pictures["edge_prediction"] = _plane(maps["edge"][position])
    return {**pictures, "error": np.abs(image - model)}


def _plane(data: Tensor) -> np.ndarray:
    """One grey picture ``(H, W)`` of ``(C, *size)``: first channel, and the middle of a volume's slices."""
    picture = data[0].float().cpu().numpy()
    while picture.ndim > 2:
        picture = picture[len(picture) // 2]
    return picture


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    subjects = [row["subject"] for row in rows]
    names = [name for name in rows[0] if name.startswith("psnr_")]
    summary = {name: summarise([row[name] for row in rows], subjects).as_dict() for name in names}
    for other in FILLS[1:]:
        gains = [row["psnr_model"] - row[f"psnr_{other}"] for row in rows]
        summary[f"gain_over_{other}"] = summarise(gains, subjects).as_dict()
    return summary


def _write(out: Path, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any], panels: _Panels) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(out / "reconstruction.csv", text.getvalue())
    write_text(out / "summary.json", json.dumps(summary, indent=2))
    write_text(out / "panels.json", json.dumps([panels.about[i] for i in sorted(panels.about)], indent=2))
    with atomic_write(out / "panels.npz") as file:
        np.savez_compressed(file, **panels.arrays)  # type: ignore[arg-type]


def _to_device(batch: Mapping[str, Any], method: Method) -> dict[str, Tensor]:
    device = next(method.parameters()).device
    return {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}
