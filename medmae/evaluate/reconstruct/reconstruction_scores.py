"""Errors of rebuilt pixels, pooled by case and contrast, and the tables made of them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medmae.evaluate.reconstruct.panels import Maps
from medmae.evaluate.statistics import summarise
from medmae.files import write_text

SCORES = "reconstruction.csv"
FILLS = ("model", "mean_fill", "neighbour")
_DECIBEL_CAP = 100.0  # of an exact reconstruction
Figures = dict[str, float | int | None]


@dataclass
class Errors:
    """Squared errors summed over hidden pixels: all of them, and, if ``foreground``, those that are not 0."""

    foreground: bool = True
    peak: float = 1.0
    squared: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FILLS, 0.0))
    squared_inside: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FILLS, 0.0))
    pixels: float = 0.0
    pixels_inside: float = 0.0
    samples: int = 0

    def add(self, maps: Maps, position: int) -> Errors:
        """Adds one sample of a batch of maps."""
        image = maps["input"][position]
        hidden = maps["hidden"][position].expand_as(image)
        inside = hidden & (image > 0)
        self.samples += 1
        self.pixels += float(hidden.sum())
        self.pixels_inside += float(inside.sum())
        for name in FILLS:
            squared = (maps[name][position] - image).square()
            self.squared[name] += float(squared[hidden].sum())
            self.squared_inside[name] += float(squared[inside].sum())
        return self

    def figures(self) -> dict[str, float]:
        """PSNR of each fill, in decibels."""
        row = {}
        for name in FILLS:
            row[f"psnr_{name}"] = _decibel(self.squared[name] / self.peak**2, self.pixels)
            if self.foreground:
                row[f"psnr_{name}_foreground"] = _decibel(self.squared_inside[name] / self.peak**2, self.pixels_inside)
        return row


def summary_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Figures]:
    """Mean, deviation, interval and number of subjects of each figure, and of the gains over the other fills."""
    figures = {name: {i: row[name] for i, row in enumerate(rows)} for name in rows[0] if name.startswith("psnr_")}
    for variant in ("", "_foreground"):
        for other in FILLS[1:]:
            if f"psnr_model{variant}" in rows[0]:
                name = f"gain_over_{other}_psnr{variant}" if variant else f"gain_over_{other}"
                ours, theirs = f"psnr_model{variant}", f"psnr_{other}{variant}"
                figures[name] = {i: row[ours] - row[theirs] for i, row in enumerate(rows)}
    summary = {}
    for name, values in figures.items():
        known = [i for i, value in values.items() if not math.isnan(value)]  # a volume may have no foreground at all
        if known:
            subjects = [rows[i]["subject"] for i in known]
            summary[name] = summarise([values[i] for i in known], subjects).as_dict()
    return summary


def write_tables(out: Path, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    """Writes ``reconstruction.csv`` and ``summary.json``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(out / SCORES, text.getvalue())
    write_text(out / "summary.json", json.dumps(summary, indent=2))


def _decibel(squared: float, pixels: float) -> float:
    if pixels == 0:
        return math.nan
    return min(-10 * math.log10(max(squared / pixels, 1e-12)), _DECIBEL_CAP)
