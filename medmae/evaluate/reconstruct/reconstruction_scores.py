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
from medmae.kinds import Kind

SCORES = "reconstruction.csv"
FILLS = ("model", "mean_fill", "neighbour")
_DECIBEL_CAP = 100.0  # of an exact reconstruction
PSNR = "psnr"
Figures = dict[str, float | int | str | None]


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

    def figures(self, stem: str = PSNR) -> dict[str, float]:
        """PSNR of each fill, in decibels, as ``<stem>_<fill>``."""
        row = {}
        for name in FILLS:
            row[f"{stem}_{name}"] = _decibel(self.squared[name] / self.peak**2, self.pixels)
            if self.foreground:
                inside = _decibel(self.squared_inside[name] / self.peak**2, self.pixels_inside)
                row[f"{stem}_{name}_foreground"] = inside
        return row


def stems_of(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """What the figures of each kind of data begin with: decibels are averaged over kinds that they mean one thing of.

    Kinds of other axes, units or peaks, such as a clip and its sound, have figures of their own: ``psnr_<kind>``.
    """
    apart = len({(kind.roles, kind.unit, kind.peak) for kind in kinds.values()}) > 1
    return {name: f"{PSNR}_{name}" if apart else PSNR for name in kinds}


def summary_of(rows: Sequence[Mapping[str, Any]], stems: Mapping[str, str] | None = None) -> dict[str, Figures]:
    """Mean, deviation, interval and number of subjects of each figure, and of the gains over the other fills.

    Args:
        rows: Figures of each case and contrast; a row has those of its kind of data only.
        stems: See :func:`stems_of`; figures of a kind by itself say of what they are. None: there is one.
    """
    names = {stem: name for name, stem in (stems or {}).items() if stem != PSNR} or {PSNR: ""}
    summary: dict[str, Figures] = {}
    for stem, kind in names.items():
        mine = [row for row in rows if f"{stem}_model" in row]
        said = {"label": f"PSNR on masked patches, {kind}", "unit": "dB"} if kind else {}
        for name, values in _figures(mine, stem, suffix=f"_{stem}" if kind else "").items():
            known = [i for i, value in enumerate(values) if not math.isnan(value)]  # a volume may have no foreground
            if known:
                subjects = [mine[i]["subject"] for i in known]
                summary[name] = {**summarise([values[i] for i in known], subjects).as_dict(), **said}
                if kind and name.endswith("_foreground"):
                    summary[name]["label"] = f"{said['label']}, foreground only"
    return summary


def _figures(rows: Sequence[Mapping[str, Any]], stem: str, *, suffix: str) -> dict[str, list[float]]:
    """Columns of one stem, and gains on them; ``suffix`` says on which where there are several."""
    columns = [name for name in (rows[0] if rows else {}) if name.startswith(f"{stem}_")]
    figures = {name: [row[name] for row in rows] for name in columns}
    for variant in ("", "_foreground"):
        for other in FILLS[1:]:
            if f"{stem}_model{variant}" in figures:
                name = f"gain_over_{other}_{stem}{variant}" if variant else f"gain_over_{other}{suffix}"
                pairs = zip(figures[f"{stem}_model{variant}"], figures[f"{stem}_{other}{variant}"], strict=True)
                figures[name] = [ours - theirs for ours, theirs in pairs]
    return figures


def write_tables(out: Path, rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    """Writes ``reconstruction.csv`` and ``summary.json``."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    write_text(out / SCORES, text.getvalue())
    write_text(out / "summary.json", json.dumps(summary, indent=2))


def _decibel(squared: float, pixels: float) -> float:
    if pixels == 0:
        return math.nan
    return min(-10 * math.log10(max(squared / pixels, 1e-12)), _DECIBEL_CAP)
