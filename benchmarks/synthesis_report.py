"""The tables of ``benchmarks/synthesis.py``: means over held-out patients, 95 % intervals, paired differences.

A figure of a patient is the mean over seeds; intervals are over patients. What is paired with what stands in the head
of the column, and a share of pairs is paired with the same share.

python benchmarks/synthesis_report.py results.csv [MORE ...] [--reference "practical, pre-trained and frozen"]
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from document import table
from synthesis_networks import FORM

from medmae.evaluate.statistics import Summary, summarise

REFERENCE = f"{FORM}, from scratch"
FIGURES = (("psnr", "PSNR, dB", 2), ("ssim", "SSIM", 3), ("blockiness", "blockiness", 2))
PAIRED = ("psnr", "ssim")
REGIONS = {"brain": "where the target has signal", "lesion": "inside lesions"}
Key = tuple[str, str]
Figures = dict[str, dict[str, float]]  # patient -> seed -> figure


def interval(values: list[float], patients: list[str], digits: int) -> str:
    """Mean (low to high)."""
    found: Summary = summarise(values, patients)
    if found.ci_low is None or found.ci_high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} ({found.ci_low:.{digits}f} to {found.ci_high:.{digits}f})"


def by_patient(rows: list[dict[str, str]], figure: str) -> dict[Key, Figures]:
    """Variant and share -> patient -> seed -> figure, in the order of the file."""
    found: dict[Key, Figures] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        if row[figure]:
            found[row["variant"], row["fraction"]][row["subject"]][row["seed"]] = float(row[figure])
    return found


def averaged(figures: Figures, digits: int) -> str:
    """Over seeds, then over patients."""
    return interval([float(np.mean(list(seeds.values()))) for seeds in figures.values()], list(figures), digits)


def difference(mine: Figures, theirs: Figures, digits: int) -> str:
    """Of the patients and seeds that both have."""
    gaps = {who: [mine[who][s] - theirs[who][s] for s in mine[who] if s in theirs.get(who, {})] for who in mine}
    means = {who: float(np.mean(values)) for who, values in gaps.items() if values}
    return interval(list(means.values()), list(means), digits) if means else ""


def section(rows: list[dict[str, str]], *, region: str, reference: str) -> str:
    """A table of one data set and region."""
    rows = [row for row in rows if row["region"] == region]
    shown = [figure for figure in FIGURES if any(row[figure[0]] for row in rows)]  # blockiness is of no lesion
    figures = {name: by_patient(rows, name) for name, _, _ in shown}
    lines = []
    for key in figures["psnr"]:
        variant, share = key
        about = [row for row in rows if (row["variant"], row["fraction"]) == key]
        steps = [int(row["steps"]) for row in about if row["steps"]]
        cells = [variant, f"{float(share):.0%}", str(len({row["seed"] for row in about}))]
        cells += [str(len(figures["psnr"][key])), f"{np.mean(steps):.0f}" if steps else ""]
        for name, _, digits in shown:
            values = figures[name].get(key)
            cells.append(averaged(values, digits) if values else "")
        for name, _, digits in FIGURES[: len(PAIRED)]:
            ours = figures[name].get((reference, share), {})
            cells.append("" if variant == reference else difference(ours, figures[name][key], digits))
        lines.append(cells)
    paired = [f"{reference}, minus this: {label}" for name, label, _ in FIGURES if name in PAIRED]
    heads = [label for _, label, _ in shown]
    return table([REGIONS[region], "pairs used", "seeds", "patients", "steps", *heads, *paired], lines)


def main(
    results: Annotated[list[Path], typer.Argument(help="What runs wrote.")],
    reference: Annotated[str, typer.Option(help="The variant that all others are paired with.")] = REFERENCE,
) -> None:
    """Prints a table for each data set, source and region."""
    rows = [row for path in results for row in csv.DictReader(path.open())]
    for data, source in dict.fromkeys((row["data"], row["source"]) for row in rows):
        own = [row for row in rows if (row["data"], row["source"]) == (data, source)]
        for region in REGIONS:
            print(f"**{data}, from {source}**\n\n{section(own, region=region, reference=reference)}\n")


if __name__ == "__main__":
    typer.run(main)
