"""How well hidden patches of held-out subjects are rebuilt, beside baselines, with pictures."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import track
from torch import Tensor
from torch.utils.data import default_collate

from medmae.errors import DataError
from medmae.evaluate.baselines import mean_fill, neighbour_fill
from medmae.evaluate.panels import Maps, Panels, choose
from medmae.evaluate.statistics import summarise
from medmae.files import write_text
from medmae.masking.base import Mask
from medmae.methods.base import MaskedMethod

FILLS = ("model", "mean_fill", "neighbour")
_DECIBEL_CAP = 100.0  # of an exact reconstruction
Figures = dict[str, float | int | None]


class DescribedDataset(Protocol):
    """A data set that can say whose item it gives."""

    def __len__(self) -> int:
        """Items."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """``{"image": (C, *size), ...}``."""

    def describe(self, index: int) -> Mapping[str, Any]:
        """``case``, ``subject``, ``contrast``, ``slice`` of an item."""


@dataclass
class Errors:
    """Squared errors summed over hidden pixels: all of them, and those inside the body."""

    squared: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FILLS, 0.0))
    squared_inside: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FILLS, 0.0))
    pixels: float = 0.0
    pixels_inside: float = 0.0
    slices: int = 0

    def add(self, maps: Maps, position: int) -> Errors:
        """Adds one sample of a batch of maps."""
        image = maps["input"][position]
        hidden = maps["hidden"][position].expand_as(image)
        inside = hidden & (image > 0)
        self.slices += 1
        self.pixels += float(hidden.sum())
        self.pixels_inside += float(inside.sum())
        for name in FILLS:
            squared = (maps[name][position] - image).square()
            self.squared[name] += float(squared[hidden].sum())
            self.squared_inside[name] += float(squared[inside].sum())
        return self

    def row(self) -> dict[str, float | int]:
        """PSNR of each fill, in decibels, peak 1."""
        row: dict[str, float | int] = {"slices": self.slices}
        for name in FILLS:
            row[f"psnr_{name}"] = _decibel(self.squared[name], self.pixels)
            row[f"psnr_{name}_foreground"] = _decibel(self.squared_inside[name], self.pixels_inside)
        return row


def evaluate_reconstruction(
    *,
    method: MaskedMethod,
    dataset: DescribedDataset,
    out: str | Path,
    samples_per_volume: int = 12,
    batch_size: int = 8,
    num_panels: int = 8,
    device: torch.device | str = "cpu",
    seed: int = 0,
) -> dict[str, Figures]:
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
        The summary: mean, standard deviation, interval and number of subjects of each figure.

    Raises:
        DataError: If the data set is empty.
    """
    if not len(dataset):
        raise DataError("no held-out samples to evaluate on", remedy="put at least one subject in the test split")
    method.to(device).eval()
    generator = torch.Generator().manual_seed(seed)
    abouts = _spread(dataset, samples_per_volume)
    errors: dict[tuple[str, str, str], Errors] = {}
    panels = Panels(wanted=choose(abouts, count=num_panels))
    picked = list(abouts)
    for start in track(range(0, len(picked), batch_size), description="Evaluating", transient=True):
        indices = picked[start : start + batch_size]
        batch = _to_device(default_collate([dataset[i] for i in indices]), device)
        maps = _reconstruct(method, batch, method.draw_mask(batch, generator=generator))
        for position, index in enumerate(indices):
            about = abouts[index]
            key = (str(about["case"]), str(about["subject"]), str(about["contrast"]))
            errors.setdefault(key, Errors()).add(maps, position)
            if panels.wants(index):
                figures = Errors().add(maps, position).row()
                panels.add(index, about={**about, **figures}, maps=maps, position=position)
    rows = [dict(zip(("case", "subject", "contrast"), key, strict=True)) | e.row() for key, e in sorted(errors.items())]
    summary = _summary(rows)
    _write_tables(Path(out), rows, summary)
    panels.write(Path(out))
    return summary


@torch.no_grad()
def _reconstruct(method: MaskedMethod, batch: Maps, mask: Mask) -> dict[str, Tensor]:
    image = batch["image"]
    hidden = method.encoder.patches.paint(mask.as_bool())  # (B, 1, *size)
    maps = method.reconstruct(batch, mask)
    return {
        **maps,
        "input": image,
        "hidden": hidden & batch["real"] if "real" in batch else hidden,  # nobody is graded on padding
        "model": maps["image"],
        "mean_fill": mean_fill(image, hidden),
        "neighbour": neighbour_fill(image, hidden),
    }


def _decibel(squared: float, pixels: float) -> float:
    if pixels == 0:
        return math.nan
    return min(-10 * math.log10(max(squared / pixels, 1e-12)), _DECIBEL_CAP)


def _spread(dataset: DescribedDataset, per_volume: int) -> dict[int, Mapping[str, Any]]:
    """Evenly spread samples of each case and contrast: number -> description."""
    volumes: dict[tuple[str, str], list[int]] = {}
    abouts = {index: dataset.describe(index) for index in range(len(dataset))}
    for index, about in abouts.items():
        volumes.setdefault((str(about["case"]), str(about["contrast"])), []).append(index)
    return {i: abouts[i] for members in volumes.values() for i in _evenly(members, per_volume)}


def _evenly(members: Sequence[int], count: int) -> list[int]:
    if len(members) <= count:
        return list(members)
    return [members[round((k + 0.5) * len(members) / count - 0.5)] for k in range(count)]


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Figures]:
    figures = {name: {i: row[name] for i, row in enumerate(rows)} for name in rows[0] if name.startswith("psnr_")}
    for other in FILLS[1:]:
        figures[f"gain_over_{other}"] = {i: row["psnr_model"] - row[f"psnr_{other}"] for i, row in enumerate(rows)}
    summary = {}
    for name, values in figures.items():
        known = [i for i, value in values.items() if not math.isnan(value)]  # a volume may have no foreground at all
        if known:
            subjects = [rows[i]["subject"] for i in known]
            summary[name] = summarise([values[i] for i in known], subjects).as_dict()
    return summary


def _write_tables(out: Path, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(out / "reconstruction.csv", text.getvalue())
    write_text(out / "summary.json", json.dumps(summary, indent=2))


def _to_device(batch: Mapping[str, Any], device: torch.device | str) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in batch.items() if isinstance(value, Tensor)}
